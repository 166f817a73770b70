"""What the use cases ask of the Product SoR.

Each method of :class:`ProductStore` is one atomic operation with plain data in and out: no session, transaction or
query object crosses the port, so that a method can be one SQL transaction or one Convex mutation. Every store passes
one conformance suite (apps/api/tests/conformance). Time, ids and randomness come in as arguments.

A store that cannot be reached in time raises :class:`StoreUnavailableError`; nothing else crosses the port as an
exception. What the contract refuses comes back as :class:`Refused`.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from pydantic import JsonValue

from slipway_contracts.lifecycle import Refused, Verdict
from slipway_contracts.node_policy import NodePolicy
from slipway_contracts.node_protocol import Capacity, CommandKind, NodeState
from slipway_contracts.projection_update import ProjectionState, ProjectionUpdate
from slipway_contracts.reads import JobChange, Projection, TimelineEntry
from slipway_contracts.submit_job_command import SubmitJobCommand


class CursorError(ValueError):
    """A cursor that no page of this list gave out."""


class StoreUnavailableError(Exception):
    """The Product SoR did not answer in time; the outcome of a write is unknown and its retry is safe."""


class UnfinishedImportError(StoreUnavailableError):
    """The store is being filled from another one, or that was broken off: it is none yet."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The one tenant and workspace a request acts in; comes from the credential only."""

    tenant_id: str
    workspace_id: str


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """A node as the Product SoR knows it. Keys are raw Ed25519 public keys, base64url."""

    management_node_id: str
    tenant_id: str
    node_name: str
    state: NodeState
    public_key: str
    next_public_key: str | None
    epoch: int
    enrolled_at: datetime
    last_seen_at: datetime | None = None
    node_version: str | None = None
    policy: NodePolicy | None = None
    capacity: Capacity | None = None
    health: dict[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SubmissionRecord:
    """A submission with its idempotency record; immutable."""

    submission_id: str
    tenant_id: str
    workspace_id: str
    job_id: str
    attempt: int
    idempotency_key: str
    intent_sha256: str
    management_node_id: str
    accepted_at: datetime
    trace_id: str


@dataclass(frozen=True, slots=True)
class SubmissionKey:
    """What a submit is looked up by, before any check."""

    scope: Scope
    idempotency_key: str
    management_node_id: str


@dataclass(frozen=True, slots=True)
class SubmissionContext:
    """What stands before a submit: the record under its key, and the node of this tenant, if they exist."""

    existing: SubmissionRecord | None
    node: NodeRecord | None


@dataclass(frozen=True, slots=True)
class NewSubmission:
    """A judged submission to commit. ``policy_version`` is the policy it was judged by; a stale one is not written."""

    submission_id: str
    command_id: str
    command: SubmitJobCommand
    intent_sha256: str
    accepted_at: datetime
    trace_id: str
    traceparent: str | None
    policy_version: str
    max_open_submissions: int


@dataclass(frozen=True, slots=True)
class Created:
    """The submission is committed."""

    record: SubmissionRecord


@dataclass(frozen=True, slots=True)
class Replayed:
    """The same intent was committed before under this key."""

    record: SubmissionRecord


@dataclass(frozen=True, slots=True)
class StalePolicy:
    """The node's policy or state changed since it was read: read it and judge again."""


SubmitVerdict = Created | Replayed | StalePolicy | Refused
"""Refused: idempotency_conflict, job_active or quota_exceeded."""


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """A cancel of a job's current submission; ``submission_id`` is a precondition."""

    scope: Scope
    job_id: str
    submission_id: str | None
    command_id: str
    requested_by: str
    requested_at: datetime
    trace_id: str


@dataclass(frozen=True, slots=True)
class CancelRecorded:
    """The cancel is committed: at once (``cancelled``), or as a command to the node."""

    submission_id: str
    projection_state: ProjectionState
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class NewJoinToken:
    """A join token to store, hashed (hex SHA-256)."""

    token_sha256: str
    tenant_id: str
    node_name: str
    created_by: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A node's enrolment by token; ``management_node_id`` is used when the token is still unspent."""

    token_sha256: str
    public_key: str
    node_version: str | None
    management_node_id: str
    enrolled_at: datetime


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A node's heartbeat. ``epoch`` None is an agent's start, made idempotent by ``agent_id``."""

    management_node_id: str
    agent_id: str
    epoch: int | None
    node_version: str
    policy: NodePolicy
    capacity: Capacity
    health: dict[str, JsonValue]
    received_at: datetime


@dataclass(frozen=True, slots=True)
class HeartbeatRecorded:
    """The epoch the agent holds, and what the node may do."""

    epoch: int
    state: NodeState


@dataclass(frozen=True, slots=True)
class LeaseClaim:
    """An agent's claim on commands. What it leases is its own until ``expires_at`` or a higher epoch."""

    management_node_id: str
    epoch: int
    journal_id: str
    max_commands: int
    now: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class LeasedCommand:
    """A command as it goes to the node; ``command`` is None for a cancel."""

    command_id: str
    kind: CommandKind
    submission: SubmissionRecord
    traceparent: str | None
    expires_at: datetime
    command: SubmitJobCommand | None


@dataclass(frozen=True, slots=True)
class Leased:
    """The leased commands, oldest first."""

    commands: tuple[LeasedCommand, ...]


@dataclass(frozen=True, slots=True)
class Acked:
    """An outcome for each command id, in order: True when it is the node's, False when it was withdrawn."""

    held: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs to list; None is any. ``before`` is the opaque position of a page's end (change of submission)."""

    states: frozenset[ProjectionState] = frozenset()
    management_node_id: str | None = None
    submitted_after: datetime | None = None
    submitted_before: datetime | None = None
    cursor: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class JobRows:
    """A page of projections, newest submission first; freshness fields are filled in by the use case."""

    projections: tuple[Projection, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job's projection and its current submission's command."""

    projection: Projection
    command: SubmitJobCommand


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes in order, and the workspace's counter at the moment they were read."""

    position: int
    changes: tuple[JobChange, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of jobs, and the workspace's counter that it stands at."""

    position: int
    jobs: JobRows


class ProductStore(Protocol):
    """The Product SoR. Reads see every write that was answered before (read your own write).

    ``follows_changes`` tells whether :meth:`changes`, :meth:`standing` and :meth:`changed` may be called: a store that
    has live reads of its own need not have these.
    """

    @property
    def follows_changes(self) -> bool:
        """Tell whether a stream can be read from this store."""
        ...

    # surface 1
    async def submission_context(self, key: SubmissionKey) -> SubmissionContext:
        """Read what a submit is judged by, in one read."""
        ...

    async def submission_contexts(self, keys: Sequence[SubmissionKey]) -> list[SubmissionContext]:
        """Read what a batch of submits is judged by, in one read where the store takes it in one."""
        ...

    async def create_submission(self, new: NewSubmission) -> SubmitVerdict:
        """Commit one submission: record, command, projection, timeline row and change counter.

        A record under the same key decides first (Replayed or idempotency_conflict), then an open submission of the
        job (job_active), the policy version (StalePolicy) and the quota (quota_exceeded).
        """
        ...

    async def create_submissions(self, new: Sequence[NewSubmission]) -> list[SubmitVerdict]:
        """Commit several, each as :meth:`create_submission` would, in order and in one transaction.

        Where that is more than the store takes in one it is several, and what came before one that fails is committed.
        """
        ...

    # surfaces 2 and 3
    async def apply_projection_updates(
        self,
        management_node_id: str,
        updates: Sequence[ProjectionUpdate],
        *,
        received_at: datetime,
        synthesize_running: bool = False,
    ) -> list[Verdict]:
        """Apply a node's updates, each submission's through :func:`slipway_contracts.lifecycle.fold`, in one call.

        Receipt, compare, projection, timeline row and change counter of an update commit together or not at all. A
        terminal state closes the submission. The target is a submission of this node and of the job that the update
        names, else projection_target_not_found; in the tenant and workspace it names, else forbidden. After a
        submission's first refusal its later updates are refused as gaps. A revoked node is refused with forbidden.
        """
        ...

    # surface 4
    async def create_join_token(self, token: NewJoinToken) -> None:
        """Store a join token's hash, with an audit row."""
        ...

    async def enroll_node(self, enrolment: Enrolment) -> NodeRecord | Refused:
        """Spend a token on a node, or return the node it was spent on with the same key; else join_token_spent."""
        ...

    async def find_node(self, management_node_id: str, *, fresh: bool = False) -> NodeRecord | None:
        """Return a node by id, of whatever tenant (to check its signature).

        A store may answer from memory unless ``fresh``: memory may allow, never refuse. Whatever a node's request then
        writes is written only if the node's key is still the remembered one; else the store is unavailable once, and
        has forgotten.
        """
        ...

    async def record_heartbeat(self, beat: Heartbeat) -> HeartbeatRecorded | Refused:
        """Store liveness and policy; at a start (epoch None, new agent_id) raise the epoch. Lower epoch: lease_lost.

        One that was received before the node was last seen stores nothing but its start.
        """
        ...

    async def lease_commands(self, claim: LeaseClaim) -> Leased | Refused:
        """Lease commands that are pending, whose lease expired or was an older epoch's, or acked in another journal.

        Only commands of submissions that are not terminal. A draining node is still given what it was sent before
        and cancels. Lower epoch: lease_lost.
        """
        ...

    async def ack_commands(
        self, management_node_id: str, epoch: int, journal_id: str, command_ids: Sequence[str], now: datetime
    ) -> Acked | Refused:
        """Record that commands are durable in the journal; repeated acks hold. Lower epoch: lease_lost."""
        ...

    async def wait_for_commands(self, management_node_id: str, timeout_seconds: float) -> None:
        """Return when commands may have come for the node, at the latest after ``timeout_seconds``.

        Woken by this process's own writes at once, by another process's within a bounded delay. Never misses a write
        made after the preceding :meth:`lease_commands` began.
        """
        ...

    async def announce_key(self, management_node_id: str, next_public_key: str, now: datetime) -> NodeRecord:
        """Store the next public key beside the current one."""
        ...

    async def promote_key(self, management_node_id: str, public_key: str) -> None:
        """Make the announced key the only one, at its first use."""
        ...

    async def set_draining(self, management_node_id: str, *, draining: bool, by: str, now: datetime) -> NodeRecord:
        """Stop or resume giving the node new submissions; a revoked node stays revoked."""
        ...

    async def revoke_node(self, management_node_id: str, *, by: str, now: datetime, trace_id: str) -> int:
        """Revoke the node and fail its open submissions with node_revoked; return how many.

        The node is revoked in the first transaction, and nothing is given to it or taken from it any more. A store may
        take several more to close what is open; repeated, the call closes what an interrupted one left.
        """
        ...

    # surface 5
    async def cancel_job(self, request: CancelRequest) -> CancelRecorded | Refused:
        """Record a cancel: terminal at once when the node has not acked, else a command to it.

        Refused: job_not_found, submission_superseded, job_terminal. A cancel of a cancelled job, or a second cancel of
        a running one, is recorded again without effect.
        """
        ...

    # reads
    async def list_jobs(self, scope: Scope, filters: JobFilter) -> JobRows:
        """Return a page of a workspace's jobs by keyset; raises CursorError for a cursor of no list."""
        ...

    async def get_job(self, scope: Scope, job_id: str) -> JobRow | None:
        """Return one job."""
        ...

    async def timeline(self, scope: Scope, job_id: str) -> list[TimelineEntry] | None:
        """Return a job's changes, oldest first; None when there is no such job."""
        ...

    async def changes(self, scope: Scope, job_id: str | None, *, after: int, limit: int) -> Changes | None:
        """Return a workspace's changes (of one job, if named) after ``after``, oldest first, at most ``limit``.

        None when there is no such job.
        """
        ...

    async def standing(self, scope: Scope, job_id: str | None, *, limit: int) -> Standing | None:
        """Return a job, or the first ``limit`` of a workspace's as :meth:`list_jobs` does; None for no such job."""
        ...

    def changed(self, scope: Scope) -> AsyncGenerator[None, None]:
        """Yield at once, and then whenever the workspace may have changed since the last time; several count as one.

        Woken by this process's own writes at once, by another process's within a bounded delay. Ends with the store.
        """
        ...

    async def list_nodes(self, tenant_id: str) -> list[NodeRecord]:
        """Return a tenant's nodes, by name."""
        ...

    # the process
    async def check(self) -> None:
        """Return when the Product SoR answers and its schema is this version's; raise StoreUnavailableError else."""
        ...

    async def close(self) -> None:
        """Finish what is under way and let go of everything."""
        ...
