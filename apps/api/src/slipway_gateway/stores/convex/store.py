"""The product store on Convex: each method is one call of our functions."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import NoReturn, TypeVar

from slipway_contracts.errors import Code
from slipway_contracts.lifecycle import Refused, Verdict
from slipway_contracts.projection_update import ProjectionUpdate
from slipway_contracts.reads import TimelineEntry
from slipway_gateway.ports import (
    Acked,
    CancelRecorded,
    CancelRequest,
    Changes,
    CursorError,
    Enrolment,
    Heartbeat,
    HeartbeatRecorded,
    JobFilter,
    JobRow,
    JobRows,
    LeaseClaim,
    Leased,
    NewJoinToken,
    NewSubmission,
    NodeRecord,
    Scope,
    Standing,
    StoreUnavailableError,
    SubmissionContext,
    SubmissionKey,
    SubmitVerdict,
)
from slipway_gateway.stores.convex import answers, requests
from slipway_gateway.stores.convex.asking import Asking
from slipway_gateway.stores.convex.batches import answered, applied_in_turn, fitting_submissions, some_of
from slipway_gateway.stores.convex.client import Functions
from slipway_gateway.stores.convex.deployment import look_at
from slipway_gateway.stores.convex.documents import Node
from slipway_gateway.stores.convex.memory import NodeMemory
from slipway_gateway.stores.convex.wakeups import Wakeups
from slipway_gateway.stores.convex.writes import Writes

_POSITION_DIGITS = 15  # of a counter, which JavaScript counts exactly

T = TypeVar("T")


class ConvexProductStore:
    """The product store in one Convex deployment; any number of gateways may share it.

    ``sole_gateway`` promises that there is one: then nobody else's writes are looked for.
    """

    follows_changes = False

    def __init__(self, functions: Functions, *, sole_gateway: bool = False, allow_testing: bool = False) -> None:
        self._functions = functions
        self._allow_testing = allow_testing
        self._nodes = NodeMemory()
        self._asking = Asking(functions, self._nodes)
        self._wakeups = Wakeups(None if sole_gateway else self._has_commands)
        self._writes = Writes(self._wakeups.arrived)

    async def submission_context(self, key: SubmissionKey) -> SubmissionContext:
        """See the port."""
        return (await self.submission_contexts((key,)))[0]

    async def submission_contexts(self, keys: Sequence[SubmissionKey]) -> list[SubmissionContext]:
        """See the port."""

        async def read(some: Sequence[SubmissionKey]) -> list[SubmissionContext]:
            asked = {"keys": [requests.submission_key(key) for key in some]}
            told = await self._asking.ask("submission-contexts", answers.Contexts, asked)
            return told.of(some)

        contexts = await answered(keys, read)
        for context in contexts:
            self._nodes.learn(context.node)
        return contexts

    async def create_submission(self, new: NewSubmission) -> SubmitVerdict:
        """See the port."""
        return (await self.create_submissions((new,)))[0]

    async def create_submissions(self, new: Sequence[NewSubmission]) -> list[SubmitVerdict]:
        """See the port; what one transaction cannot take goes in several, in order."""

        async def create(rest: Sequence[NewSubmission]) -> list[SubmitVerdict]:
            some = fitting_submissions(rest)
            asked = {"submissions": [requests.new_submission(each) for each in some]}
            told = await self._asking.ask("create-submissions", answers.Submitted, asked)
            return list(map(answers.submit_verdict, some, some_of(told.verdicts, some)))

        return await self._writes.waking({each.command.management_node_id for each in new}, answered(new, create))

    async def apply_projection_updates(
        self,
        management_node_id: str,
        updates: Sequence[ProjectionUpdate],
        *,
        received_at: datetime,
        synthesize_running: bool = False,
    ) -> list[Verdict]:
        """See the port; what one transaction cannot take goes in several, in order."""

        async def apply(some: Sequence[ProjectionUpdate]) -> list[Verdict]:
            asked = {
                "updates": [requests.projection_update(update) for update in some],
                "received_at": received_at,
                "synthesize_running": synthesize_running,
            }
            told = await self._asking.of_node("apply-projection-updates", answers.Updated, management_node_id, asked)
            return list(map(answers.update_verdict, some, some_of(told.verdicts, some)))

        verdicts = await applied_in_turn(updates, apply)
        for verdict in verdicts:
            self._doubt(verdict, management_node_id)
        return verdicts

    async def create_join_token(self, token: NewJoinToken) -> None:
        """See the port."""
        await self._asking.ask("create-join-token", answers.Nothing, requests.flat(token))

    async def enroll_node(self, enrolment: Enrolment) -> NodeRecord | Refused:
        """See the port."""
        told = await self._asking.ask("enroll-node", answers.ENROLLED, requests.flat(enrolment))
        return told.refused() if isinstance(told, answers.Refusal) else self._learnt(told.node)

    async def find_node(self, management_node_id: str, *, fresh: bool = False) -> NodeRecord | None:
        """See the port."""
        remembered = None if fresh else self._nodes.get(management_node_id)
        if remembered is not None:
            return remembered
        told = await self._asking.ask("find-node", answers.FoundNode, {"management_node_id": management_node_id})
        return None if told.node is None else self._learnt(told.node)

    async def record_heartbeat(self, beat: Heartbeat) -> HeartbeatRecorded | Refused:
        """See the port."""
        node_id = beat.management_node_id
        beating = self._asking.of_node("record-heartbeat", answers.RECORDED, node_id, requests.heartbeat(beat))
        # An older agent that waits for commands is to hear at once that it has lost the node.
        told = await (beating if beat.epoch is not None else self._writes.waking({node_id}, beating))
        if isinstance(told, answers.Refusal):
            return self._refused(told, node_id)
        return HeartbeatRecorded(told.epoch, told.state)

    async def lease_commands(self, claim: LeaseClaim) -> Leased | Refused:
        """See the port."""
        if self._wakeups.is_quiet(claim):
            return Leased(())
        node_id = claim.management_node_id
        arrivals, sent_again = self._wakeups.arrivals(node_id), self._functions.sent_again
        told = None
        try:
            told = await self._asking.of_node("lease-commands", answers.LEASED, node_id, requests.flat(claim))
        finally:
            if told is None or sent_again != self._functions.sent_again:
                self._wakeups.gave(claim)  # an answer was lost, and what it gave may be out
        if isinstance(told, answers.Refusal):
            return self._refused(told, node_id)
        self._wakeups.leased(claim, arrivals, len(told.commands))
        return Leased(tuple(command.leased() for command in told.commands))

    async def ack_commands(
        self, management_node_id: str, epoch: int, journal_id: str, command_ids: Sequence[str], now: datetime
    ) -> Acked | Refused:
        """See the port."""
        asked = {"epoch": epoch, "journal_id": journal_id, "command_ids": list(command_ids), "now": now}
        told = await self._asking.of_node("ack-commands", answers.ACKED, management_node_id, asked)
        if isinstance(told, answers.Refusal):
            return self._refused(told, management_node_id)
        return Acked(tuple(_one_for_each(told.held, command_ids)))

    async def wait_for_commands(self, management_node_id: str, timeout_seconds: float) -> None:
        """See the port."""
        await self._wakeups.wait(management_node_id, timeout_seconds)

    async def announce_key(self, management_node_id: str, next_public_key: str, now: datetime) -> NodeRecord:
        """See the port."""
        asked = {"next_public_key": next_public_key, "now": now}
        told = await self._asking.of_node("announce-key", answers.StandingNode, management_node_id, asked)
        return self._learnt(told.node)

    async def promote_key(self, management_node_id: str, public_key: str) -> None:
        """See the port."""
        asked = {"management_node_id": management_node_id, "public_key": public_key}
        await self._asking.ask("promote-key", answers.Nothing, asked)
        self._nodes.promoted(management_node_id, public_key)

    async def set_draining(self, management_node_id: str, *, draining: bool, by: str, now: datetime) -> NodeRecord:
        """See the port."""
        asked = {"management_node_id": management_node_id, "draining": draining, "by": by, "now": now}
        return self._learnt((await self._asking.ask("set-draining", answers.StandingNode, asked)).node)

    async def revoke_node(self, management_node_id: str, *, by: str, now: datetime, trace_id: str) -> int:
        """See the port; the functions finish what a gateway that ends in the middle leaves."""
        self._nodes.forget(management_node_id)
        asked = {"management_node_id": management_node_id, "by": by, "now": now, "trace_id": trace_id}
        failed, more = 0, True
        while more:
            step = self._asking.ask("revoke-node", answers.Revoked, asked)
            told = await self._writes.waking({management_node_id}, step)
            failed, more = failed + told.failed, told.more
        return failed

    async def cancel_job(self, request: CancelRequest) -> CancelRecorded | Refused:
        """See the port."""
        return await self._writes.to_its_end(self._cancel(request))

    async def _cancel(self, request: CancelRequest) -> CancelRecorded | Refused:
        told = await self._asking.ask("cancel-job", answers.CANCELLED, requests.cancel(request))
        if isinstance(told, answers.Refusal):
            return told.refused()
        self._wakeups.arrived({told.management_node_id})
        return CancelRecorded(told.submission_id, told.projection_state, told.requested_at)

    async def list_jobs(self, scope: Scope, filters: JobFilter) -> JobRows:
        """See the port."""
        asked = requests.job_filter(scope, filters, _position(filters.cursor))
        told = await self._asking.ask("list-jobs", answers.Page, asked)
        projections = tuple(each.projection() for each in told.projections)
        return JobRows(projections, None if told.next is None else str(told.next))

    async def get_job(self, scope: Scope, job_id: str) -> JobRow | None:
        """See the port."""
        told = await self._asking.ask("get-job", answers.FoundJob, {**requests.flat(scope), "job_id": job_id})
        if told.projection is None or told.command is None:
            return None
        return JobRow(told.projection.projection(), told.command)

    async def timeline(self, scope: Scope, job_id: str) -> list[TimelineEntry] | None:
        """See the port."""
        told = await self._asking.ask("timeline", answers.Timeline, {**requests.flat(scope), "job_id": job_id})
        return [each.entry() for each in told.entries] or None

    async def changes(self, scope: Scope, job_id: str | None, *, after: int, limit: int) -> Changes | None:
        """Never called: this store follows no changes."""
        _not_followed(scope, job_id, after, limit)

    async def standing(self, scope: Scope, job_id: str | None, *, limit: int) -> Standing | None:
        """Never called: this store follows no changes."""
        _not_followed(scope, job_id, limit)

    def changed(self, scope: Scope) -> AsyncGenerator[None, None]:
        """Never called: this store follows no changes."""
        _not_followed(scope)

    async def list_nodes(self, tenant_id: str) -> list[NodeRecord]:
        """See the port."""
        told = await self._asking.ask("list-nodes", answers.Nodes, {"tenant_id": tenant_id})
        return [each.record() for each in told.nodes]

    async def check(self) -> None:
        """See the port; raises as :func:`look_at` does."""
        await look_at(self._asking, allow_testing=self._allow_testing)

    async def close(self) -> None:
        """See the port."""
        self._wakeups.close()
        await self._writes.close()
        await self._functions.close()

    def _refused(self, refusal: answers.Refusal, management_node_id: str) -> Refused:
        refused = refusal.refused()
        self._doubt(refused, management_node_id)
        return refused

    def _doubt(self, verdict: Verdict, management_node_id: str) -> None:
        """Forget a node that is refused as revoked nodes are: its next request is judged by what stands."""
        if isinstance(verdict, Refused) and verdict.code is Code.FORBIDDEN:
            self._nodes.forget(management_node_id)

    def _learnt(self, node: Node) -> NodeRecord:
        record = node.record()
        self._nodes.learn(record)
        return record

    async def _has_commands(self, claim: LeaseClaim, now: datetime) -> bool:
        asked = {
            "management_node_id": claim.management_node_id,
            "epoch": claim.epoch,
            "journal_id": claim.journal_id,
            "now": now,
        }
        return (await self._asking.ask("has-commands", answers.Waiting, asked)).waiting


def _one_for_each(told: Sequence[T], asked: Sequence[object]) -> Sequence[T]:
    if len(told) != len(asked):
        raise StoreUnavailableError(f"{len(told)} answers to {len(asked)} questions")
    return told


def _position(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _POSITION_DIGITS):
        raise CursorError("not a cursor of this list")
    return int(cursor)


def _not_followed(*_asked: object) -> NoReturn:
    raise NotImplementedError("Convex tells of changes by its own subscriptions")
