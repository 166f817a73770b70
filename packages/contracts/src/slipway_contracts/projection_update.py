"""Surface 3: ProjectionUpdate, gateway → Product SoR (docs/contracts/projection-update.md)."""

from enum import StrEnum

from pydantic import Field

from slipway_contracts.execution_event import ExecutionState, ResultRef, SchedulerRef
from slipway_contracts.fields import Id, PositiveInt, ProductModel, Text, UtcTime


class ProjectionState(StrEnum):
    """What the product's users see of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ProjectionFailure(ProductModel):
    """Why a job failed, for people and for a retry button."""

    code: Id
    message: Text
    retryable: bool = False


class ProjectionUpdate(ProductModel):
    """One forward move of one job's projection."""

    projection_event_id: Id = Field(description="Derived from event_id; the timeline row's key and the receipt")
    tenant_id: Id
    workspace_id: Id
    job_id: Id
    submission_id: Id
    projection_state: ProjectionState
    source_execution_state: ExecutionState
    occurred_at: UtcTime
    trace_id: Id
    attempt: PositiveInt | None = Field(
        default=None, description="1 for a job's first submission; left out, that of its submission"
    )
    execution_id: Id | None = Field(default=None, description="The AiiDA process UUID; immutable once seen")
    display_message: Text | None = None
    result_ref: ResultRef | None = None
    failure: ProjectionFailure | None = None
    scheduler_ref: SchedulerRef | None = None
    synthesized: bool = Field(default=False, description="Filled in by the gateway for an older emitter")
