"""The product store on SQL: each method hands one operation to a lane."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from slipway_contracts.lifecycle import Refused, Verdict
from slipway_contracts.projection_update import ProjectionUpdate
from slipway_contracts.reads import TimelineEntry
from slipway_gateway.ports import (
    Acked,
    CancelRecorded,
    CancelRequest,
    Changes,
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
from slipway_gateway.stores.sql import cancelling, leasing, nodes, projecting, reading, submitting
from slipway_gateway.stores.sql.lane import Lane
from slipway_gateway.stores.sql.sqlite import BUSY_TIMEOUT_SECONDS, connect
from slipway_gateway.stores.sql.wakeups import Wakeups

BEGIN_WRITE = "BEGIN IMMEDIATE"  # take the write lock first: a read that turns into a write may not wait for it
BEGIN_READ = "BEGIN"


class SqlProductStore:
    """The product store in one SQLite file; any number of processes may share the file.

    One lane writes. Reads have a lane for what every request asks, and one for pages, so that a long page keeps no
    submit waiting.
    """

    follows_changes = True

    def __init__(self, path: Path, *, busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS) -> None:
        reader = partial(connect, path, read_only=True, busy_timeout_seconds=busy_timeout_seconds)
        writer = partial(connect, path, read_only=False, busy_timeout_seconds=busy_timeout_seconds)
        self._wakeups = Wakeups(self._foreign_version)
        self._writes = Lane("writes", writer, BEGIN_WRITE, self._wakeups.arrived)
        self._lookups = Lane("lookups", reader, BEGIN_READ)
        self._pages = Lane("pages", reader, BEGIN_READ)

    async def submission_context(self, key: SubmissionKey) -> SubmissionContext:
        """See the port."""
        return (await self._lookups.submit(submitting.SUBMISSION_CONTEXTS, (key,)))[0]

    async def submission_contexts(self, keys: Sequence[SubmissionKey]) -> list[SubmissionContext]:
        """See the port."""
        return await self._lookups.submit(submitting.SUBMISSION_CONTEXTS, keys)

    async def create_submission(self, new: NewSubmission) -> SubmitVerdict:
        """See the port."""
        return (await self._writes.submit(submitting.CREATE_SUBMISSIONS, (new,)))[0]

    async def create_submissions(self, new: Sequence[NewSubmission]) -> list[SubmitVerdict]:
        """See the port."""
        return await self._writes.submit(submitting.CREATE_SUBMISSIONS, new)

    async def apply_projection_updates(
        self,
        management_node_id: str,
        updates: Sequence[ProjectionUpdate],
        *,
        received_at: datetime,
        synthesize_running: bool = False,
    ) -> list[Verdict]:
        """See the port."""
        application = projecting.Application(management_node_id, updates, received_at, synthesize_running)
        return await self._writes.submit(projecting.APPLY_UPDATES, application)

    async def create_join_token(self, token: NewJoinToken) -> None:
        """See the port."""
        await self._writes.submit(nodes.CREATE_JOIN_TOKEN, token)

    async def enroll_node(self, enrolment: Enrolment) -> NodeRecord | Refused:
        """See the port."""
        return await self._writes.submit(nodes.ENROLL_NODE, enrolment)

    async def find_node(
        self,
        management_node_id: str,
        *,
        fresh: bool = False,  # noqa: ARG002 - the port's word; nothing is remembered here
    ) -> NodeRecord | None:
        """See the port."""
        return await self._lookups.submit(nodes.FIND_NODE, management_node_id)

    async def record_heartbeat(self, beat: Heartbeat) -> HeartbeatRecorded | Refused:
        """See the port."""
        return await self._writes.submit(nodes.RECORD_HEARTBEAT, beat)

    async def lease_commands(self, claim: LeaseClaim) -> Leased | Refused:
        """See the port."""
        node_id = claim.management_node_id
        arrivals = self._wakeups.arrivals(node_id)
        outcome = await self._writes.submit(leasing.LEASE_COMMANDS, claim)
        if isinstance(outcome.answer, Leased):
            took_all = len(outcome.answer.commands) < claim.max_commands
            self._wakeups.read_at(node_id, arrivals, outcome.foreign_version, took_all=took_all)
        return outcome.answer

    async def ack_commands(
        self,
        management_node_id: str,
        epoch: int,
        journal_id: str,
        command_ids: Sequence[str],
        now: datetime,  # noqa: ARG002 - the port's word; a journal's hold has no time of its own here
    ) -> Acked | Refused:
        """See the port."""
        ack = leasing.Acknowledgement(management_node_id, epoch, journal_id, command_ids)
        return await self._writes.submit(leasing.ACK_COMMANDS, ack)

    async def wait_for_commands(self, management_node_id: str, timeout_seconds: float) -> None:
        """See the port."""
        await self._wakeups.wait(management_node_id, timeout_seconds)

    async def announce_key(self, management_node_id: str, next_public_key: str, now: datetime) -> NodeRecord:
        """See the port; raises LookupError for a node that does not exist."""
        return await self._writes.submit(nodes.ANNOUNCE, nodes.KeyChange(management_node_id, next_public_key, now))

    async def promote_key(self, management_node_id: str, public_key: str) -> None:
        """See the port."""
        await self._writes.submit(nodes.PROMOTE, nodes.KeyChange(management_node_id, public_key))

    async def set_draining(self, management_node_id: str, *, draining: bool, by: str, now: datetime) -> NodeRecord:
        """See the port; raises LookupError for a node that does not exist."""
        return await self._writes.submit(nodes.SET_DRAINING, nodes.Drain(management_node_id, draining, by, now))

    async def revoke_node(self, management_node_id: str, *, by: str, now: datetime, trace_id: str) -> int:
        """See the port; raises LookupError for a node that does not exist."""
        revocation = cancelling.Revocation(management_node_id, by, now, trace_id)
        return await self._writes.submit(cancelling.REVOKE, revocation)

    async def cancel_job(self, request: CancelRequest) -> CancelRecorded | Refused:
        """See the port."""
        return await self._writes.submit(cancelling.CANCEL_JOB, request)

    async def list_jobs(self, scope: Scope, filters: JobFilter) -> JobRows:
        """See the port."""
        page = reading.JobsOf(scope, filters, reading.position(filters.cursor))
        return await self._pages.submit(reading.LIST_JOBS, page)

    async def get_job(self, scope: Scope, job_id: str) -> JobRow | None:
        """See the port."""
        return await self._pages.submit(reading.GET_JOB, reading.JobOf(scope, job_id))

    async def timeline(self, scope: Scope, job_id: str) -> list[TimelineEntry] | None:
        """See the port."""
        return await self._pages.submit(reading.READ_TIMELINE, reading.JobOf(scope, job_id))

    async def changes(self, scope: Scope, job_id: str | None, *, after: int, limit: int) -> Changes | None:
        """See the port."""
        return await self._lookups.submit(reading.READ_CHANGES, reading.ChangesOf(scope, job_id, after, limit))

    async def standing(self, scope: Scope, job_id: str | None, *, limit: int) -> Standing | None:
        """See the port."""
        return await self._pages.submit(reading.READ_STANDING, reading.StandingOf(scope, job_id, limit))

    def changed(self, scope: Scope) -> AsyncGenerator[None, None]:
        """See the port."""
        return self._wakeups.changed((scope.tenant_id, scope.workspace_id))

    async def list_nodes(self, tenant_id: str) -> list[NodeRecord]:
        """See the port."""
        return await self._pages.submit(reading.LIST_NODES, tenant_id)

    async def check(self) -> None:
        """See the port."""
        if not await self._lookups.submit(reading.SCHEMA_IS_CURRENT, None):
            raise StoreUnavailableError("the store's schema is not this version's: run `slipway-gateway migrate`")

    async def close(self) -> None:
        """See the port."""
        await self._wakeups.close()
        for lane in (self._writes, self._lookups, self._pages):
            await lane.close()

    async def _foreign_version(self) -> tuple[int, int]:
        return await self._writes.submit(leasing.FOREIGN_VERSION, None)
