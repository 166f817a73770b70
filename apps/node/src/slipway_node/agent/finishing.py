"""Finishing: an ended execution's results are collected and published, then its last event is told."""

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path

import structlog

from slipway_contracts.execution_event import ExecutionEvent, ResultRef
from slipway_contracts.node_protocol import NodeCommand
from slipway_node import events, storage
from slipway_node.agent.context import Context
from slipway_node.agent.logs import fields_of, fields_of_event
from slipway_node.agent.steps import guarded
from slipway_node.journal import CommandState, Journal
from slipway_node.ports import EngineUnavailableError, Observation, Phase
from slipway_node.results.publishing import StoreUnavailableError

_log = structlog.get_logger(__name__)


class Finishing:
    """Finishes what the watch hands over; a repeated hand-over of one submission is taken once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._pacing = context.world.pacing(context.timing.backoff_max)
        self._under_way: set[str] = set()
        self._slots = asyncio.Semaphore(context.timing.collections_at_once)
        self._queue: asyncio.Queue[tuple[NodeCommand, Observation] | None] = asyncio.Queue()

    def take(self, command: NodeCommand, seen: Observation) -> None:
        """Take an ended execution; it is handed over again at each look until it is finished."""
        if seen.submission_id not in self._under_way and self._pacing.is_due(seen.submission_id):
            self._under_way.add(seen.submission_id)
            self._queue.put_nowait((command, seen))

    @property
    def idle(self) -> bool:
        """Whether nothing that was taken is still to be finished, but for what rests after a failure."""
        return not self._under_way

    def close(self) -> None:
        """Let ``run`` return when what was taken is finished."""
        self._queue.put_nowait(None)

    async def run(self) -> None:
        """Finish what is taken until ``close``."""
        async with asyncio.TaskGroup() as group:
            while (taken := await self._queue.get()) is not None:
                group.create_task(self._finish(*taken))

    async def _finish(self, command: NodeCommand, seen: Observation) -> None:
        try:
            async with self._slots:
                await guarded(self._context, self._pacing, command, "finish", lambda: self._tell_the_end(command, seen))
        finally:
            self._under_way.discard(command.submission_id)
            if self.idle:
                self._context.wakes.watching()  # which may have more to take up

    async def _tell_the_end(self, command: NodeCommand, seen: Observation) -> None:
        """Tell how it ended. Runs under the submission's lock."""
        entry = await self._context.journal.call(Journal.entry, command.submission_id)
        if entry is None or entry.state is not CommandState.LAUNCHED:
            return
        if seen.failure is not None and seen.failure.retryable:
            # Its cancel may have been asked for since that look; what is told is what any later one tells.
            for again in await self._context.engine.observe([command.submission_id]):
                seen = replace(seen, phase=again.phase, failure=again.failure)
            if seen.phase not in (Phase.FAILED, Phase.KILLED):
                return
        self._context.tracing.ran(command, seen.ended_at or self._context.now(), seen.phase.value)
        event = await self._end(command, seen)
        await self._context.journal.call(Journal.record_events, [event], done=True)
        self._context.sight.troubles.forget(command.submission_id)
        _log.info("event_recorded", **fields_of_event(event))
        self._context.wakes.sending()
        self._context.wakes.starting()
        await self._tidy(command.submission_id)

    async def _end(self, command: NodeCommand, seen: Observation) -> ExecutionEvent:
        match seen.phase:
            case Phase.FINISHED:
                return events.completed(command, seen, await self._publish(command, seen), self._context.now())
            case Phase.FAILED:
                return events.failed(
                    command, seen, await self._publish_what_is_left(command, seen), self._context.now()
                )
            case Phase.KILLED:
                return events.cancelled(command, seen, self._context.now())
            case Phase.CREATED | Phase.PENDING | Phase.RUNNING | Phase.RETRIEVING:
                raise AssertionError(f"{seen.phase} is no end")

    async def _publish(self, command: NodeCommand, seen: Observation) -> ResultRef:
        """Collect the results into a folder and copy them to the artifact store; a repetition gives the same."""
        folder = self._context.home.collected(command.submission_id)
        await asyncio.to_thread(folder.parent.mkdir, parents=True, exist_ok=True)
        with self._context.tracing.step("collect", command):
            found = await self._context.engine.collect(seen.execution_id, folder)
        with self._context.tracing.step("publish", command):
            output_uri, metadata_uri = await asyncio.to_thread(
                self._context.publish,
                found.folder,
                self._artifact_prefix(command),
                tenant_id=command.tenant_id,
                workspace_id=command.workspace_id,
                job_id=command.job_id,
                submission_id=command.submission_id,
            )
        return ResultRef(output_uri=output_uri, metadata_uri=metadata_uri, summary=found.summary or None)

    async def _publish_what_is_left(self, command: NodeCommand, seen: Observation) -> ResultRef | None:
        """Publish what a failed execution left, for its reader's sake; that it failed is told with or without."""
        try:
            return await self._publish(command, seen)
        except (EngineUnavailableError, StoreUnavailableError):
            raise
        except Exception as error:  # a failed process may lack any of its parts
            if storage.is_told_by(error):
                raise
            _log.exception("nothing_left_to_publish", **fields_of(command))
            return None

    def _artifact_prefix(self, command: NodeCommand) -> str:
        asked = command.submit.payload_ref.artifact_bucket if command.submit else None
        return asked or self._context.policy.value.policy.artifact_prefixes[0]

    async def _tidy(self, submission_id: str) -> None:
        for folder in (self._context.home.workspace(submission_id), self._context.home.collected(submission_id)):
            await asyncio.to_thread(_remove, folder)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
