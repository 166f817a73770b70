"""What products read: jobs, projections, timelines, nodes (docs/contracts/reads.md)."""

from enum import StrEnum

from pydantic import Field, JsonValue

from slipway_contracts.execution_event import ExecutionState, ResultRef, SchedulerRef
from slipway_contracts.fields import Id, ProductModel, UtcTime
from slipway_contracts.node_policy import NodePolicy
from slipway_contracts.node_protocol import Capacity, NodeState
from slipway_contracts.projection_update import ProjectionFailure, ProjectionState
from slipway_contracts.submit_job_command import SubmitJobCommand

PAGE_MAX = 200
STREAM_KEPT_CHANGES = 10_000
"""How many changes a workspace's stream may be behind and still be told each; one further behind is reset."""
STREAM_HEARTBEAT_SECONDS = 15.0
"""Silence on a stream after which a comment is sent, so that proxies keep it and both ends notice a broken line."""
LAST_EVENT_ID_PATTERN = r"^[0-9]{1,18}$"


class Projection(ProductModel):
    """A job's state as a person sees it. ``stale`` and ``node_last_seen_at`` tell freshness, which is not state.

    These, the seconds, and the words where the node told none are worked out at each read (enrichment.py).
    """

    tenant_id: Id
    workspace_id: Id
    job_id: Id
    submission_id: Id
    attempt: int
    projection_state: ProjectionState
    source_execution_state: ExecutionState | None = None
    management_node_id: Id
    execution_id: Id | None = None
    scheduler_ref: SchedulerRef | None = None
    result_ref: ResultRef | None = None
    failure: ProjectionFailure | None = None
    display_message: str | None = Field(default=None, description="Where the job stands, in plain words")
    cancel_requested_at: UtcTime | None = None
    submitted_at: UtcTime
    updated_at: UtcTime
    started_at: UtcTime | None = None
    ended_at: UtcTime | None = None
    queued_seconds: float | None = Field(
        default=None, description="Until it ran, or ended without; up to now where it still waits"
    )
    running_seconds: float | None = Field(
        default=None, description="Until it ended; up to now where it runs; unset where it has not begun"
    )
    change: int = Field(description="The workspace's change counter at the last change")
    node_last_seen_at: UtcTime | None = None
    stale: bool = Field(description="True while the node is overdue and the job is not terminal")
    trace_id: Id


class Job(ProductModel):
    """A job's projection and the command of its current submission."""

    projection: Projection
    command: SubmitJobCommand


class JobPage(ProductModel):
    """Jobs, newest submission first. ``next_cursor`` None is the last page."""

    jobs: list[Projection]
    next_cursor: str | None = None


class TimelineEntry(ProductModel):
    """One change of a job. ``kind``: submitted, event, cancel_requested, cancelled, revoked."""

    change: int
    kind: str
    projection_event_id: Id
    submission_id: Id
    attempt: int
    projection_state: ProjectionState
    source_execution_state: ExecutionState | None = None
    execution_id: Id | None = None
    scheduler_ref: SchedulerRef | None = None
    result_ref: ResultRef | None = None
    failure: ProjectionFailure | None = None
    display_message: str | None = None
    synthesized: bool = False
    occurred_at: UtcTime
    recorded_at: UtcTime
    trace_id: Id


class JobChange(TimelineEntry):
    """One change of a job as a stream tells it; the event's id is ``change``."""

    job_id: Id


class StreamReset(ProductModel):
    """The state now, where a stream cannot tell each change: it begins here, and changes after ``change`` follow."""

    change: int = Field(description="The workspace's change counter that this state stands at")
    jobs: list[Projection] = Field(description="The job; or the workspace's jobs, newest submission first, one page")
    next_cursor: str | None = Field(default=None, description="Where the list of jobs goes on; unset when this is all")


class StreamEndReason(StrEnum):
    """Why a stream ends."""

    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - a word, no secret
    CLOSING = "closing"


class StreamEnd(ProductModel):
    """A stream's last event, which has no id."""

    reason: StreamEndReason = Field(description="`token_expired`: bring a new token; `closing`: connect again")


class Timeline(ProductModel):
    """A job's changes, oldest first, over all its attempts."""

    job_id: Id
    entries: list[TimelineEntry]


class NodeView(ProductModel):
    """A node of the tenant, as its product and admins see it."""

    management_node_id: Id
    node_name: Id
    state: NodeState
    overdue: bool
    last_seen_at: UtcTime | None = None
    enrolled_at: UtcTime
    node_version: str | None = None
    policy: NodePolicy | None = None
    capacity: Capacity | None = None
    health: dict[str, JsonValue] = Field(default_factory=dict)


class NodeList(ProductModel):
    """The tenant's nodes, by name."""

    nodes: list[NodeView]


class Health(ProductModel):
    """Whether the process is alive (`/api/health`), or its Product SoR in reach (`/api/ready`)."""

    status: str
    version: str
