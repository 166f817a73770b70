"""Rows of the tables as the port's records, and back."""

from dataclasses import dataclass, fields
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any

from pydantic import BaseModel, JsonValue, TypeAdapter

from slipway_contracts.execution_event import ExecutionState, ResultRef, SchedulerRef
from slipway_contracts.node_policy import NodePolicy
from slipway_contracts.node_protocol import Capacity, NodeState
from slipway_contracts.projection_update import ProjectionFailure, ProjectionState
from slipway_contracts.reads import JobChange, Projection
from slipway_gateway.ports import NodeRecord, SubmissionRecord
from slipway_gateway.stores.sql.statements import Row
from slipway_gateway.stores.times import micros, moment

_HEALTH: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(dict[str, JsonValue])
PARSED_POLICIES = 256
"""Policies kept parsed: a node's policy stands for days and every submit to it is judged by it."""


def _moment_or_none(value: int | None) -> datetime | None:
    return None if value is None else moment(value)


def document(model: BaseModel | None) -> str | None:
    """Return a model as the JSON text of its set, non-default fields."""
    return None if model is None else model.model_dump_json(exclude_defaults=True)


# A pure cache of a pure function of immutable text.
@lru_cache(maxsize=PARSED_POLICIES)
def _policy(text: str) -> NodePolicy:
    return NodePolicy.model_validate_json(text)


SUBMISSION_WIDTH = 10
"""Columns of a SubmissionRecord, in its order: how a row of the submissions table begins."""


def submission_record(row: Row) -> SubmissionRecord:
    """Return the record that the first columns of a submissions row hold."""
    submission, tenant, workspace, job, attempt, key, intent, node, accepted, trace_id = row[:SUBMISSION_WIDTH]
    return SubmissionRecord(submission, tenant, workspace, job, attempt, key, intent, node, moment(accepted), trace_id)


def submission_row(record: SubmissionRecord) -> Row:
    """Return the first columns of a submissions row."""
    return (
        record.submission_id,
        record.tenant_id,
        record.workspace_id,
        record.job_id,
        record.attempt,
        record.idempotency_key,
        record.intent_sha256,
        record.management_node_id,
        micros(record.accepted_at),
        record.trace_id,
    )


def node_record(row: Row) -> NodeRecord:
    """Return the record of a whole nodes row."""
    (node_id, tenant, name, state, key, next_key, epoch, enrolled, seen, version, policy, capacity, health, _) = row
    return NodeRecord(
        management_node_id=node_id,
        tenant_id=tenant,
        node_name=name,
        state=NodeState(state),
        public_key=key,
        next_public_key=next_key,
        epoch=epoch,
        enrolled_at=moment(enrolled),
        last_seen_at=_moment_or_none(seen),
        node_version=version,
        policy=None if policy is None else _policy(policy),
        capacity=None if capacity is None else Capacity.model_validate_json(capacity),
        health=_HEALTH.validate_json(health),
    )


def health_document(health: dict[str, JsonValue]) -> str:
    """Return a node's health as JSON text."""
    return _HEALTH.dump_json(health).decode()


@dataclass(slots=True)
class ProjectionRow:
    """A projections row, its columns in order; changed in place and then written."""

    tenant_id: str
    workspace_id: str
    job_id: str
    submission_id: str
    attempt: int
    projection_state: str
    source_execution_state: str | None
    management_node_id: str
    execution_id: str | None
    scheduler_ref: str | None
    result_ref: str | None
    failure: str | None
    display_message: str | None
    cancel_requested_at: int | None
    submitted_at: int
    updated_at: int
    started_at: int | None
    ended_at: int | None
    change: int
    trace_id: str
    submitted_change: int

    @property
    def key(self) -> Row:
        """The job: (tenant, workspace, job)."""
        return (self.tenant_id, self.workspace_id, self.job_id)

    def as_row(self) -> Row:
        """Return the columns in order."""
        return _columns(self)

    def slurm_job_id(self) -> str | None:
        """Return the scheduler's job id, where it is known."""
        return scheduler_job_id(self.scheduler_ref)


_columns = attrgetter(*(column.name for column in fields(ProjectionRow)))


def scheduler_job_id(scheduler_ref: str | None) -> str | None:
    """Return the job id in a stored scheduler reference."""
    return None if scheduler_ref is None else SchedulerRef.model_validate_json(scheduler_ref).slurm_job_id


def _parsed(model: type[BaseModel], text: str | None) -> Any:
    return None if text is None else model.model_validate_json(text)


def projection(row: Row) -> Projection:
    """Return a projections row as products read it; its freshness is not the store's to tell."""
    of = ProjectionRow(*row)
    return Projection(
        tenant_id=of.tenant_id,
        workspace_id=of.workspace_id,
        job_id=of.job_id,
        submission_id=of.submission_id,
        attempt=of.attempt,
        projection_state=ProjectionState(of.projection_state),
        source_execution_state=of.source_execution_state and ExecutionState(of.source_execution_state),
        management_node_id=of.management_node_id,
        execution_id=of.execution_id,
        scheduler_ref=_parsed(SchedulerRef, of.scheduler_ref),
        result_ref=_parsed(ResultRef, of.result_ref),
        failure=_parsed(ProjectionFailure, of.failure),
        display_message=of.display_message,
        cancel_requested_at=_moment_or_none(of.cancel_requested_at),
        submitted_at=moment(of.submitted_at),
        updated_at=moment(of.updated_at),
        started_at=_moment_or_none(of.started_at),
        ended_at=_moment_or_none(of.ended_at),
        change=of.change,
        stale=False,
        trace_id=of.trace_id,
    )


def timeline_entry(row: Row) -> JobChange:
    """Return a whole timeline row as products read it, in a timeline or on a stream."""
    (_, _, change, kind, event_id, job, submission, attempt, state, source, execution, *rest) = row
    (scheduler_ref, result_ref, failure, message, synthesized, occurred, recorded, trace_id) = rest
    return JobChange(
        change=change,
        job_id=job,
        kind=kind,
        projection_event_id=event_id,
        submission_id=submission,
        attempt=attempt,
        projection_state=ProjectionState(state),
        source_execution_state=source and ExecutionState(source),
        execution_id=execution,
        scheduler_ref=_parsed(SchedulerRef, scheduler_ref),
        result_ref=_parsed(ResultRef, result_ref),
        failure=_parsed(ProjectionFailure, failure),
        display_message=message,
        synthesized=bool(synthesized),
        occurred_at=moment(occurred),
        recorded_at=moment(recorded),
        trace_id=trace_id,
    )
