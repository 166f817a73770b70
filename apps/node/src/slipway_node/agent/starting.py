"""Starting: an acked submit command becomes a process, exactly one, or an event that says why not."""

import asyncio
import contextlib
import shutil

import structlog

from slipway_contracts.errors import Code
from slipway_contracts.execution_event import ExecutionEvent
from slipway_contracts.node_policy import violations
from slipway_contracts.node_protocol import NodeCommand
from slipway_contracts.submit_job_command import SubmitJobCommand
from slipway_node import events
from slipway_node.agent.context import Context
from slipway_node.agent.logs import fields_of, fields_of_event
from slipway_node.agent.steps import guarded
from slipway_node.journal import CommandState, Entry, Journal
from slipway_node.policy_file import placement_for
from slipway_node.ports import Envelope, Failure, RefusedJobError

IDLE_SECONDS = 30.0  # a backstop: every change that lets a command start also rouses this task

_log = structlog.get_logger(__name__)


class Starting:
    """Launches acked commands, as many at once as their queues allow."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._pacing = context.world.pacing(context.timing.backoff_max)
        self._under_way: dict[str, str] = {}  # submission_id → queue
        self._slots = asyncio.Semaphore(context.timing.launches_at_once)

    async def run(self) -> None:
        """Start what may start, until the agent stops; what was begun is finished."""
        await self._context.until(self._context.engine_up)
        async with asyncio.TaskGroup() as group:
            while not self._context.stopping.is_set():
                for entry in await self._due():
                    self._under_way[entry.command.submission_id] = _queue_of(entry.command)
                    group.create_task(self._start(entry.command))
                await self._context.wakes.starting.wait(self._pacing.next_due_in(IDLE_SECONDS))

    async def _due(self) -> list[Entry]:
        """Return what may start now: not begun, not resting, with room in its queue, and a hand free for it."""
        entries = await self._context.journal.call(Journal.startable)
        if not entries:
            return []
        free = await self._free_hands()
        taken = await self._context.journal.call(Journal.launched_by_queue, self._context.progress.past_the_scheduler())
        for queue in self._under_way.values():
            taken[queue] = taken.get(queue, 0) + 1
        due: list[Entry] = []
        for entry in entries:
            submission_id, queue = entry.command.submission_id, _queue_of(entry.command)
            if submission_id in self._under_way or not self._pacing.is_due(submission_id):
                continue
            if len(due) < free and self._has_room(queue, taken.get(queue, 0)):
                taken[queue] = taken.get(queue, 0) + 1
                due.append(entry)
        return due

    async def _free_hands(self) -> int:
        """Return how many more the engine's workers may have in hand.

        A worker that has all of a long row in hand at once spends its time on keeping them, and brings the first to its
        end only with the last. What the scheduler has is in no hand, and is bounded by the queue alone.
        """
        elsewhere = self._context.progress.out_of_hand(self._context.world.monotonic())
        in_hand = await self._context.journal.call(Journal.launched_by_queue, elsewhere)
        return self._context.timing.in_hand - sum(in_hand.values()) - len(self._under_way)

    def _has_room(self, queue: str, taken: int) -> bool:
        policy = self._context.policy.value.policy.queues.get(queue)
        # A queue that the policy has lost bounds nothing: its commands go on to be refused.
        return policy is None or policy.limits.jobs is None or taken < policy.limits.jobs

    async def _start(self, command: NodeCommand) -> None:
        try:
            async with self._slots:
                await guarded(
                    self._context, self._pacing, command, "start", lambda: self._launch(command.submission_id)
                )
        finally:
            del self._under_way[command.submission_id]
            self._context.wakes.starting()

    async def _launch(self, submission_id: str) -> None:
        """Adopt the submission's process, or make it. Runs under the submission's lock."""
        entry = await self._context.journal.call(Journal.entry, submission_id)
        if entry is None or entry.state is not CommandState.ACKED:
            return
        command = entry.command
        found = await self._context.engine.find([submission_id])
        if submission_id in found:
            _log.info("process_adopted", execution_id=found[submission_id], **fields_of(command))
            await self._launched(command, found[submission_id])
        elif await self._context.journal.call(Journal.cancel_requested, submission_id):
            await self._tell_the_end(events.cancelled_before_launch(command, self._context.now()), command)
        else:
            await self._make(command)

    async def _make(self, command: NodeCommand) -> None:
        try:
            envelope = self._checked(command)
            workspace = self._context.home.workspace(command.submission_id)
            prefixes = self._context.policy.value.policy.input_prefixes
            submit = _submit_of(command)
            with self._context.tracing.step("fetch", command):
                await self._context.fetch(submit.payload_ref.input_uri, workspace, prefixes)
            if await self._context.journal.call(Journal.cancel_requested, command.submission_id):
                await self._tell_the_end(events.cancelled_before_launch(command, self._context.now()), command)
                return
            with self._context.tracing.step("launch", command):
                execution_id = await self._context.engine.launch(envelope, workspace)
        except RefusedJobError as error:
            await self._tell_the_end(await self._why_not_launched(command, error), command)
        else:
            await self._launched(command, execution_id)

    async def _why_not_launched(self, command: NodeCommand, error: RefusedJobError) -> ExecutionEvent:
        """Return the end of what was not launched; what may be tried again nobody wants to be once it is cancelled."""
        now = self._context.now()
        if error.retryable and await self._context.journal.call(Journal.cancel_requested, command.submission_id):
            return events.cancelled_before_launch(command, now)
        return events.refused(command, Failure(error.code, error.message, error.retryable), now)

    def _checked(self, command: NodeCommand) -> Envelope:
        """Check the command against the policy of now; the gateway may know an earlier one. Raises RefusedJobError."""
        policy, submit = self._context.policy.value.policy, _submit_of(command)
        broken = violations(policy, submit)
        if broken:
            raise RefusedJobError(Code.POLICY_REJECTED, "; ".join(f"{rule.field}: {rule}" for rule in broken))
        return Envelope(command, placement_for(policy, submit))

    async def _launched(self, command: NodeCommand, execution_id: str) -> None:
        accepted = events.accepted(command, execution_id, self._context.now())
        await self._context.journal.call(Journal.record_launch, command, accepted)
        _log.info("event_recorded", **fields_of_event(accepted))
        self._context.wakes.watching()
        self._context.wakes.sending()

    async def _tell_the_end(self, event: ExecutionEvent, command: NodeCommand) -> None:
        await self._context.journal.call(Journal.record_events, [event], done=True)
        _log.info("event_recorded", **fields_of_event(event))
        self._context.wakes.sending()
        with contextlib.suppress(FileNotFoundError):
            await asyncio.to_thread(shutil.rmtree, self._context.home.workspace(command.submission_id))


def _submit_of(command: NodeCommand) -> SubmitJobCommand:
    if command.submit is None:
        raise RefusedJobError(Code.INVALID_REQUEST, "the command says nothing of what to run")
    return command.submit


def _queue_of(command: NodeCommand) -> str:
    return command.submit.execution_profile.queue_name if command.submit else ""
