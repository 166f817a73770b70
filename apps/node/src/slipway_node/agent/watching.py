"""Watching: what the engine sees of open executions becomes events, in order, and ends go on to be finished."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import structlog

from slipway_contracts.execution_event import ExecutionEvent, ExecutionState
from slipway_node import events
from slipway_node.agent.context import Context
from slipway_node.agent.finishing import Finishing
from slipway_node.agent.logs import fields_of, fields_of_event
from slipway_node.journal import Entry, Journal, JournalBrokenError
from slipway_node.ports import EngineUnavailableError, Observation, Phase
from slipway_node.reconciling import take_up

STEP = "watch"  # as `status` calls it
MISSING = "the engine knows no process of this submission, or cannot read its record"

_log = structlog.get_logger(__name__)


class Watching:
    """Looks at all open executions at once, whenever one may have changed."""

    def __init__(self, context: Context, finishing: Finishing) -> None:
        self._context = context
        self._finishing = finishing
        self._backoff = context.world.backoff(context.timing.backoff_max)
        self._created_since: dict[str, float] = {}  # submission_id → since when, or since the last resume

    async def run(self) -> None:
        """Look until the agent stops."""
        await self._context.until(self._context.engine_up)
        while not self._context.stopping.is_set():
            began = self._context.world.monotonic()
            try:
                open_executions = await self._look()
                self._backoff.succeeded()
            except EngineUnavailableError as error:
                _log.warning("engine_not_asked", detail=str(error))
                await self._context.pause(self._backoff.failed())
                continue
            except JournalBrokenError:
                raise
            except Exception:  # noqa: BLE001 - a fault of ours must not end the watch over all
                _log.exception("look_failed")
                await self._context.pause(self._backoff.failed())
                continue
            took = self._context.world.monotonic() - began
            await self._context.pause(self._context.timing.gap_after(took))
            await self._wait(open_executions)

    async def _wait(self, open_executions: int) -> None:
        """Wait for a change at the engine, or for a launch where nothing is open."""
        timing = self._context.timing
        waits = [
            asyncio.create_task(self._context.wakes.watching.wait(timing.look)),
            asyncio.create_task(self._changed() if open_executions else asyncio.sleep(timing.look)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            # Not one by one under a suppressed CancelledError: that would swallow this task's own.
            await asyncio.gather(*waits, return_exceptions=True)

    async def _changed(self) -> None:
        try:
            await self._context.engine.changed(self._context.timing.look)
        except Exception as error:  # noqa: BLE001 - who cannot be told of changes looks now and then
            _log.warning("changes_not_told", detail=f"{type(error).__name__}: {error}")
            await self._context.pause(self._context.timing.look)

    async def _look(self) -> int:
        """Observe all open executions with one question, take in each, and return how many there are."""
        await self._take_up_when_idle()
        entries = {entry.command.submission_id: entry for entry in await self._context.journal.call(Journal.executions)}
        self._context.sight.troubles.keep_only(STEP, entries)
        if not entries:
            return 0
        seen = {look.submission_id: self._corrected(look) for look in await self._context.engine.observe(list(entries))}
        phases = {key: seen[key].phase if key in seen else None for key in entries}
        if self._context.progress.take_in(phases, self._context.world.monotonic()):
            self._context.wakes.starting()
        for submission_id, entry in entries.items():
            look = seen.get(submission_id)
            if look is None:
                self._miss(entry)
            else:
                await self._take_in(entry, look)
        await self._resume([look for look in seen.values() if look.phase is Phase.CREATED])
        return len(entries)

    async def _take_up_when_idle(self) -> None:
        """Take up one recalled execution: two would let a job that ends meanwhile wait for both."""
        if self._finishing.idle:
            for command, execution_id in await self._context.journal.call(Journal.next_recalled):
                await take_up(self._context.journal, command, execution_id, self._context.now())
                self._context.wakes.sending()

    def _corrected(self, seen: Observation) -> Observation:
        """Return what was seen, its time by the gateway's clock."""
        return replace(seen, ended_at=self._context.world.clock.corrected(seen.ended_at))

    async def _take_in(self, entry: Entry, seen: Observation) -> None:
        self._context.sight.troubles.note(seen.submission_id, STEP, seen.trouble)
        match seen.phase:
            case Phase.CREATED | Phase.PENDING | Phase.RETRIEVING:
                pass  # what the scheduler is done with may have been cancelled before it ran
            case Phase.RUNNING:
                await self._tell_running(entry, seen)
            case Phase.FINISHED:
                await self._tell_running(entry, seen)  # it ran, though nobody looked while it did
                self._finishing.take(entry.command, seen)
            case Phase.FAILED | Phase.KILLED:
                self._finishing.take(entry.command, seen)

    async def _tell_running(self, entry: Entry, seen: Observation) -> None:
        if entry.reported is not ExecutionState.ACCEPTED:
            return
        self._context.tracing.runs(entry.command, self._context.now())
        event: ExecutionEvent = events.running(entry.command, seen, self._context.now())
        await self._context.journal.call(Journal.record_events, [event], done=False)
        _log.info("event_recorded", **fields_of_event(event))
        self._context.wakes.sending()

    async def _resume(self, created: Sequence[Observation]) -> None:
        """Have processes continued that were stored and never taken up; the engine knows those that are in work."""
        now = self._context.world.monotonic()
        self._created_since = {seen.submission_id: self._created_since.get(seen.submission_id, now) for seen in created}
        due = [
            seen
            for seen in created
            if now - self._created_since[seen.submission_id] >= self._context.timing.resume_after
        ]
        if due:
            self._created_since |= {seen.submission_id: now for seen in due}
            await self._context.engine.resume([seen.execution_id for seen in due])

    def _miss(self, entry: Entry) -> None:
        """Note an execution that the engine does not know; that is somebody's work on the profile, and no verdict."""
        submission_id = entry.command.submission_id
        if self._context.sight.troubles.of(submission_id, STEP) != MISSING:
            self._context.sight.troubles.note(submission_id, STEP, MISSING)
            _log.error("process_missing", execution_id=entry.execution_id, **fields_of(entry.command))
