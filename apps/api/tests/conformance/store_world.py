"""What the store suites act with: a world of tenants, nodes and jobs around one store, with a clock of its own."""

import asyncio
import hashlib
import itertools
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from slipway_contracts.execution_event import (
    ExecutionError,
    ExecutionEvent,
    ExecutionState,
    ResultRef,
    SchedulerRef,
    event_id_for,
)
from slipway_contracts.lifecycle import to_projection
from slipway_contracts.node_policy import NodePolicy
from slipway_contracts.node_protocol import Capacity
from slipway_contracts.projection_update import ProjectionUpdate
from slipway_contracts.submit_job_command import SubmitJobCommand
from slipway_gateway.ports import (
    CancelRequest,
    Created,
    Enrolment,
    Heartbeat,
    HeartbeatRecorded,
    LeaseClaim,
    NewJoinToken,
    NewSubmission,
    NodeRecord,
    ProductStore,
    Scope,
    SubmissionKey,
    SubmissionRecord,
)

SCOPE = Scope("acme", "lab")
OTHER_WORKSPACE = Scope("acme", "plant")
OTHER_TENANT = Scope("umbrella", "lab")
T0 = datetime(2026, 1, 1, 12, tzinfo=UTC)
AT_ONCE = 32  # calls; the testing host answers one after the other, and each has its own few seconds


class World:
    """Builds what a test says and leaves the rest to defaults. Ids are deterministic: prefix and a running number."""

    def __init__(self, store: ProductStore, prefix: str = "") -> None:
        self.store = store
        self.now = T0
        self._prefix = prefix
        self._numbers = itertools.count(1)
        self._node_of: dict[str, str] = {}

    def id(self, noun: str) -> str:
        return f"{self._prefix}{noun}-{next(self._numbers)}"

    def tick(self, seconds: float = 1.0) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now

    # nodes
    async def token(self, tenant_id: str = SCOPE.tenant_id, *, ttl_seconds: float = 3600) -> str:
        digest = hashlib.sha256(self.id("token").encode()).hexdigest()
        await self.store.create_join_token(
            NewJoinToken(
                digest, tenant_id, "node-of-" + tenant_id, "admin", self.now, self.now + timedelta(seconds=ttl_seconds)
            )
        )
        return digest

    def enrolment(self, token: str, *, key: str = "k" * 43) -> Enrolment:
        return Enrolment(token, key, "1.0", self.id("node"), self.now)

    async def node(self, tenant_id: str = SCOPE.tenant_id, *, policy_version: str = "p1") -> str:
        """Enrol a node and start its agent; return its id."""
        record = await self.store.enroll_node(self.enrolment(await self.token(tenant_id)))
        assert isinstance(record, NodeRecord)
        started = await self.store.record_heartbeat(self.beat(record.management_node_id, policy_version=policy_version))
        assert isinstance(started, HeartbeatRecorded)
        return record.management_node_id

    def beat(
        self, node_id: str, *, agent_id: str = "agent-1", epoch: int | None = None, policy_version: str = "p1"
    ) -> Heartbeat:
        policy = NodePolicy(policy_version=policy_version, queues={}, input_prefixes=["data:"])
        return Heartbeat(node_id, agent_id, epoch, "1.0", policy, Capacity(jobs_max=4), {"disk": "ok"}, self.now)

    # submissions
    def command(
        self,
        node_id: str,
        *,
        scope: Scope = SCOPE,
        job_id: str | None = None,
        key: str | None = None,
        cpu: int = 1,
        session_id: str | None = None,
    ) -> SubmitJobCommand:
        return SubmitJobCommand.model_validate(
            {
                "tenant_id": scope.tenant_id,
                "workspace_id": scope.workspace_id,
                "job_id": job_id or self.id("job"),
                "idempotency_key": key or self.id("key"),
                "management_node_id": node_id,
                "execution_profile": {"queue_name": "default"},
                "resource_shape": {"cpu": cpu, "memory_mib": 100, "walltime_seconds": 60},
                "payload_ref": {"input_uri": "data:,x"},
                "requested_by": {"user_id": "ada", "session_id": session_id},
            }
        )

    def new(self, command: SubmitJobCommand, *, policy_version: str = "p1", max_open: int = 1_000) -> NewSubmission:
        return NewSubmission(
            submission_id=self.id("submission"),
            command_id=self.id("command"),
            command=command,
            intent_sha256=command.intent_sha256(),
            accepted_at=self.now,
            trace_id="trace-of-" + command.job_id,
            traceparent=None,
            policy_version=policy_version,
            max_open_submissions=max_open,
        )

    async def submit(
        self, node_id: str, *, scope: Scope = SCOPE, job_id: str | None = None, key: str | None = None
    ) -> SubmissionRecord:
        """Create a submission that is accepted; return its record."""
        verdict = await self.store.create_submission(
            self.new(self.command(node_id, scope=scope, job_id=job_id, key=key))
        )
        assert isinstance(verdict, Created), verdict
        return verdict.record

    def key_of(self, command: SubmitJobCommand) -> SubmissionKey:
        scope = Scope(command.tenant_id, command.workspace_id)
        return SubmissionKey(scope, command.idempotency_key, command.management_node_id)

    # events
    def update(
        self,
        record: SubmissionRecord,
        state: str,
        *,
        execution_id: str = "process-1",
        slurm_job_id: str | None = None,
        output_uri: str = "file:///out",
        error_code: str = "job_failed",
    ) -> ProjectionUpdate:
        """Return the update an event of ``record`` in ``state`` makes."""
        self._node_of[record.submission_id] = record.management_node_id
        execution_state = ExecutionState(state)
        event = ExecutionEvent(
            event_id=event_id_for(record.submission_id, execution_id, execution_state),
            tenant_id=record.tenant_id,
            workspace_id=record.workspace_id,
            job_id=record.job_id,
            submission_id=record.submission_id,
            execution_id=execution_id,
            state=execution_state,
            occurred_at=self.now,
            trace_id=record.trace_id,
            scheduler_ref=SchedulerRef(slurm_job_id=slurm_job_id) if slurm_job_id else None,
            result_ref=ResultRef(output_uri=output_uri) if state == "completed" else None,
            error=ExecutionError(code=error_code, message="why") if state == "failed" else None,
        )
        return to_projection(event, record.attempt)

    async def apply(self, *updates: ProjectionUpdate, synthesize_running: bool = False, node_id: str | None = None):
        """Apply ``updates`` as their submission's node, or as another."""
        node_id = node_id or self._node_of[updates[0].submission_id]
        return await self.store.apply_projection_updates(
            node_id, updates, received_at=self.now, synthesize_running=synthesize_running
        )

    async def drive(self, record: SubmissionRecord, *states: str) -> None:
        """Apply the events of ``states``, each of which must advance."""
        for state in states:
            [verdict] = await self.apply(self.update(record, state))
            assert type(verdict).__name__ == "Applied", verdict

    # commands
    def claim(
        self, node_id: str, *, epoch: int = 1, journal_id: str = "journal-1", max_commands: int = 100
    ) -> LeaseClaim:
        return LeaseClaim(node_id, epoch, journal_id, max_commands, self.now, self.now + timedelta(seconds=60))

    async def lease(self, node_id: str, **claim) -> list[str]:
        """Lease, and return the ids of the commands."""
        leased = await self.store.lease_commands(self.claim(node_id, **claim))
        return [command.command_id for command in leased.commands]

    async def ack(self, node_id: str, *command_ids: str, epoch: int = 1, journal_id: str = "journal-1"):
        return await self.store.ack_commands(node_id, epoch, journal_id, command_ids, self.now)

    async def take(self, node_id: str) -> list[str]:
        """Lease and ack whatever there is."""
        command_ids = await self.lease(node_id)
        if command_ids:
            await self.ack(node_id, *command_ids)
        return command_ids

    def cancel(
        self, record: SubmissionRecord, *, scope: Scope | None = None, submission_id: str | None = None
    ) -> CancelRequest:
        scope = scope or Scope(record.tenant_id, record.workspace_id)
        return CancelRequest(scope, record.job_id, submission_id, self.id("cancel"), "ada", self.now, "trace-of-cancel")

    # what stands
    async def state(self, record: SubmissionRecord) -> str:
        row = await self.store.get_job(Scope(record.tenant_id, record.workspace_id), record.job_id)
        assert row is not None
        return row.projection.projection_state.value

    async def changes(self, scope: Scope = SCOPE) -> list[int]:
        """Return every change number of the workspace, in order of number."""
        from slipway_gateway.ports import JobFilter

        page = await self.store.list_jobs(scope, JobFilter(limit=10_000))
        jobs = [job.job_id for job in page.projections]
        numbers = []
        for start in range(0, len(jobs), AT_ONCE):
            some = (self.store.timeline(scope, job_id) for job_id in jobs[start : start + AT_ONCE])
            numbers += [entry.change for timeline in await asyncio.gather(*some) for entry in timeline]
        return sorted(numbers)


def reidentified(new: NewSubmission) -> NewSubmission:
    """Return the same intent as another request would bring it, with ids drawn anew."""
    return replace(new, submission_id=str(uuid.uuid4()), command_id=str(uuid.uuid4()))
