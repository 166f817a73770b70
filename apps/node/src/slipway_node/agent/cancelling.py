"""Cancelling: a cancel command ends a submission that has no process, or kills the process; completion may win."""

import asyncio

import structlog

from slipway_contracts.execution_event import ExecutionEvent
from slipway_contracts.node_protocol import NodeCommand
from slipway_node import events
from slipway_node.agent.context import Context
from slipway_node.agent.logs import fields_of, fields_of_event
from slipway_node.agent.steps import guarded
from slipway_node.journal import CommandState, Entry, Journal
from slipway_node.ports import EngineUnavailableError

IDLE_SECONDS = 30.0  # a backstop: every ack rouses this task

_log = structlog.get_logger(__name__)


class Cancelling:
    """Carries out cancel commands, each until its submission has ended, and none waits for another."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._pacing = context.world.pacing(context.timing.backoff_max)
        self._killed_at: dict[str, float] = {}
        self._under_way: set[str] = set()  # submission_ids
        self._again: set[str] = set()  # of those, the ones that something was said of meanwhile
        self._slots = asyncio.Semaphore(context.timing.cancels_at_once)

    async def run(self) -> None:
        """Carry out what is open, until the agent stops."""
        await self._context.until(self._context.engine_up)
        async with asyncio.TaskGroup() as group:
            while not self._context.stopping.is_set():
                open_cancels = await self._context.journal.call(Journal.open_cancels)
                for command in open_cancels:
                    self._begin(command, group)
                still_open = {command.submission_id for command in open_cancels}
                self._killed_at = {key: at for key, at in self._killed_at.items() if key in still_open}
                idle = min(IDLE_SECONDS, self._context.timing.kill_again) if open_cancels else IDLE_SECONDS
                await self._context.wakes.cancelling.wait(self._pacing.next_due_in(idle))

    def _begin(self, command: NodeCommand, group: asyncio.TaskGroup) -> None:
        if command.submission_id in self._under_way:
            self._again.add(command.submission_id)
        elif self._pacing.is_due(command.submission_id):
            self._under_way.add(command.submission_id)
            group.create_task(self._carry_out(command))

    async def _carry_out(self, command: NodeCommand) -> None:
        submission_id = command.submission_id
        async with self._slots:
            if not self._context.stopping.is_set():
                await guarded(self._context, self._pacing, command, "cancel", lambda: self._cancel(command))
        self._under_way.discard(submission_id)
        if submission_id in self._again or not self._pacing.is_due(submission_id):
            self._again.discard(submission_id)
            self._context.wakes.cancelling()

    async def _cancel(self, command: NodeCommand) -> None:
        """Take one cancel a step further. Runs under the submission's lock."""
        target = await self._context.journal.call(Journal.entry, command.submission_id)
        match target.state if target else None:
            case None | CommandState.ACKED:
                await self._cancel_what_may_not_exist(command, target)
            case CommandState.JOURNALED:
                pass  # its ack decides: the gateway may have cancelled it there
            case CommandState.LAUNCHED | CommandState.RECALLED:
                await self._kill(target.command if target else command, target.execution_id if target else None)
            case CommandState.DONE | CommandState.DROPPED:
                await self._context.journal.call(Journal.close_cancels, command.submission_id)

    async def _cancel_what_may_not_exist(self, command: NodeCommand, target: Entry | None) -> None:
        """End a submission without a process; one that a kill or a lost journal has hidden is adopted first.

        That there is none its label tells: one whose record cannot be read now is not seen either, and runs on. Raises
        EngineUnavailableError for that.
        """
        submission_id = command.submission_id
        present = (await self._context.engine.find([submission_id])).get(submission_id)
        if present is None:
            await self._end(events.cancelled_before_launch(target.command if target else command, self._context.now()))
            return
        found = await self._context.engine.observe([submission_id])
        if not found:
            raise EngineUnavailableError(f"the record of {present}, which is to be cancelled, cannot be read")
        submit, execution_id = found[0].envelope.command, found[0].execution_id
        accepted = events.accepted(submit, execution_id, self._context.now())
        await self._context.journal.call(Journal.record_launch, submit, accepted)
        self._context.wakes.watching()
        self._context.wakes.sending()
        await self._kill(command, execution_id)

    async def _kill(self, command: NodeCommand, execution_id: str | None) -> None:
        """Kill, and kill again after a while: a worker that dies may take the kill with it."""
        now = self._context.world.monotonic()
        last = self._killed_at.get(command.submission_id)
        if execution_id is None or (last is not None and now - last < self._context.timing.kill_again):
            return
        _log.info("process_killed", execution_id=execution_id, **fields_of(command))
        if not await self._context.engine.kill(execution_id):
            # Somebody has deleted the record, or put back an older one: no look will ever tell of its end.
            await self._end(events.cancelled_without_record(command, execution_id, self._context.now()))
            return
        self._killed_at[command.submission_id] = now
        self._context.wakes.watching()

    async def _end(self, event: ExecutionEvent) -> None:
        await self._context.journal.call(Journal.record_events, [event], done=True)
        self._context.sight.troubles.forget(event.submission_id)
        _log.info("event_recorded", **fields_of_event(event))
        self._context.wakes.sending()
        self._context.wakes.starting()
