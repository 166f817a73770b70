"""Surface 2: ExecutionEvent, management node → gateway (docs/contracts/execution-event.md)."""

import json
import uuid
from enum import StrEnum
from typing import Any, Self

from pydantic import Field, JsonValue, field_validator, model_validator

from slipway_contracts.fields import Flag, Id, JsonObject, NodeModel, Text, Uri, UtcTime
from slipway_contracts.problem import Problem

EVENT_BATCH_MAX = 200
SUMMARY_MAX_BYTES = 4 * 1024
EVENT_MAX_BYTES = 64 * 1024

_EVENT_NAMESPACE = uuid.UUID("8e0f2f0a-3f53-5b0e-8d0e-2b6f5f3f7c11")


class ExecutionState(StrEnum):
    """What the node says of an execution."""

    ACCEPTED = "accepted"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


def event_id_for(submission_id: str, execution_id: str, state: ExecutionState) -> str:
    """Derive the event's id (UUIDv5), so that an event rebuilt after a loss is the same event."""
    return str(uuid.uuid5(_EVENT_NAMESPACE, f"{submission_id}/{execution_id}/{state.value}"))


class SchedulerRef(NodeModel):
    """The scheduler's own reference, where the execution is one calculation job."""

    slurm_job_id: Id = Field(description="The scheduler's job id; immutable once seen")
    partition: Text | None = None
    qos: Text | None = None


class ResultRef(NodeModel):
    """Where the results lie and what they say in short."""

    output_uri: Uri = Field(description="Folder of retrieved files and results.json")
    metadata_uri: Uri | None = Field(default=None, description="AiiDA archive of the job's provenance")
    summary: JsonObject | None = Field(default=None, description="Parsed outputs in short, at most 4 KiB")

    @field_validator("summary")
    @classmethod
    def _bounded(cls, summary: dict[str, Any] | None) -> dict[str, Any] | None:
        if summary is not None and len(json.dumps(summary).encode()) > SUMMARY_MAX_BYTES:
            raise ValueError(f"summary is over {SUMMARY_MAX_BYTES} bytes of JSON")
        return summary


class ExecutionError(NodeModel):
    """Why an execution failed."""

    code: Id
    message: Text
    retryable: Flag = Field(default=False, description="Whether submitting the job again may help")


class ExecutionEvent(NodeModel):
    """One state an execution reached; delivered at least once, applied exactly once."""

    event_id: Id = Field(description="UUIDv5 of (submission_id, execution_id, state)")
    tenant_id: Id
    workspace_id: Id
    job_id: Id
    submission_id: Id
    execution_id: Id = Field(description="The AiiDA process UUID; the submission_id where no process ever came to be")
    state: ExecutionState
    occurred_at: UtcTime
    trace_id: Id
    status_detail: Text | None = None
    scheduler_ref: SchedulerRef | None = None
    result_ref: ResultRef | None = Field(default=None, description="Required when completed")
    error: ExecutionError | None = Field(default=None, description="Required when failed")

    @model_validator(mode="after")
    def _says_how_it_ended(self) -> Self:
        if self.state is ExecutionState.COMPLETED and self.result_ref is None:
            raise ValueError("result_ref is required when state is completed")
        if self.state is ExecutionState.FAILED and self.error is None:
            raise ValueError("error is required when state is failed")
        return self


class EventReceived(NodeModel):
    """The answer to an event that is, or already was, in the projection."""

    ok: bool = True
    idempotent: bool = Field(description="True when this event had been applied before")


class BatchIngestRequest(NodeModel):
    """Several events, in order for each submission; each is validated and answered on its own."""

    events: list[dict[str, JsonValue]] = Field(min_length=1, max_length=EVENT_BATCH_MAX)


class EventOutcome(NodeModel):
    """One event's outcome in a batch."""

    status: int = Field(description="The HTTP status the event would have had alone")
    idempotent: bool = False
    problem: Problem | None = None


class BatchIngestResponse(NodeModel):
    """Outcomes in the order of the events."""

    outcomes: list[EventOutcome]
