"""What lies in the deployment, as the wire has it, read strictly into the port's records.

What is told beyond that is passed over, so that the functions may be newer than the gateway.
"""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Json, JsonValue, PlainValidator
from pydantic_core import from_json

from slipway_contracts.execution_event import ExecutionState, ResultRef, SchedulerRef
from slipway_contracts.fields import Id
from slipway_contracts.node_policy import NodePolicy
from slipway_contracts.node_protocol import Capacity, NodeState
from slipway_contracts.projection_update import ProjectionFailure, ProjectionState
from slipway_contracts.reads import Projection, TimelineEntry
from slipway_gateway.ports import NodeRecord, SubmissionRecord
from slipway_gateway.stores.times import micros, moment

_FIRST_MICROS, _LAST_MICROS = micros(datetime.min.replace(tzinfo=UTC)), micros(datetime.max.replace(tzinfo=UTC))


def _whole(value: Any) -> int:
    """Return a number of JavaScript's as the integer it is; 1.0 is one."""
    if type(value) is int or (isinstance(value, float) and value.is_integer()):
        return int(value)
    raise ValueError("must be a whole number")


def _time(value: Any) -> datetime:
    """Return a time; JavaScript rounds microseconds after 2255, and what it rounds out of the last year stays in it."""
    told = _whole(value)
    if told < _FIRST_MICROS:
        raise ValueError("must be in the years 1 to 9999")
    return moment(min(told, _LAST_MICROS))


def _result(value: Any) -> ResultRef:
    """Return a result, whose summary is told as text."""
    if not isinstance(value, dict) or not isinstance(value.get("summary", ""), str):
        raise ValueError("must be a result with its summary as text")  # noqa: TRY004 - the validator's exception
    told = {**value, "summary": from_json(value["summary"])} if "summary" in value else value
    return ResultRef.model_validate(told)


Whole = Annotated[int, PlainValidator(_whole)]
Time = Annotated[datetime, PlainValidator(_time)]
Result = Annotated[ResultRef, PlainValidator(_result)]


class Answer(BaseModel):
    """One answer, or a part of one."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class Node(Answer):
    """A node."""

    management_node_id: Id
    tenant_id: Id
    node_name: str
    state: NodeState
    public_key: str
    next_public_key: str | None = None
    epoch: Whole
    enrolled_at: Time
    last_seen_at: Time | None = None
    node_version: str | None = None
    policy: Json[NodePolicy] | None = None
    capacity: Json[Capacity] | None = None
    health: Json[dict[str, JsonValue]]

    def record(self) -> NodeRecord:
        """Return it as the port has it."""
        return NodeRecord(**dict(self))


class Submission(Answer):
    """A submission."""

    submission_id: Id
    tenant_id: Id
    workspace_id: Id
    job_id: Id
    attempt: Whole
    idempotency_key: str
    intent_sha256: str
    management_node_id: Id
    accepted_at: Time
    trace_id: Id

    def record(self) -> SubmissionRecord:
        """Return it as the port has it."""
        return SubmissionRecord(**dict(self))


class _Evidence(Answer):
    """What an execution leaves behind, in a projection and a timeline row alike."""

    job_id: Id
    submission_id: Id
    attempt: Whole
    projection_state: ProjectionState
    source_execution_state: ExecutionState | None = None
    execution_id: Id | None = None
    scheduler_ref: SchedulerRef | None = None
    result_ref: Result | None = None
    failure: ProjectionFailure | None = None
    display_message: str | None = None
    change: Whole
    trace_id: Id


class JobProjection(_Evidence):
    """A job's projection."""

    tenant_id: Id
    workspace_id: Id
    management_node_id: Id
    cancel_requested_at: Time | None = None
    submitted_at: Time
    updated_at: Time
    started_at: Time | None = None
    ended_at: Time | None = None

    def projection(self) -> Projection:
        """Return it as products read it; its freshness is not the store's to tell."""
        return Projection(**dict(self), stale=False)


class Entry(_Evidence):
    """A row of a job's timeline."""

    kind: str
    projection_event_id: Id
    synthesized: bool
    occurred_at: Time
    recorded_at: Time

    def entry(self) -> TimelineEntry:
        """Return it as products read it."""
        told = dict(self)
        return TimelineEntry(**{name: told[name] for name in TimelineEntry.model_fields})
