"""What our functions are asked, as the wire has it: times in microseconds, nothing that is None.

A document whose keys are the user's or the node's goes as JSON text, since Convex forbids some keys.
"""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from pydantic_core import to_json

from slipway_contracts.projection_update import ProjectionUpdate
from slipway_gateway.ports import (
    CancelRequest,
    Enrolment,
    Heartbeat,
    JobFilter,
    LeaseClaim,
    NewJoinToken,
    NewSubmission,
    Scope,
    SubmissionKey,
)
from slipway_gateway.stores.times import micros

Told = dict[str, Any]


def body(told: Mapping[str, Any]) -> bytes:
    """Return ``told`` as JSON."""
    return to_json(_plain(told))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return micros(value)
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value


def flat(record: NewJoinToken | Enrolment | LeaseClaim | Scope) -> Told:
    """Return a record whose fields are the wire's."""
    return {each.name: getattr(record, each.name) for each in fields(record)}


def submission_key(key: SubmissionKey) -> Told:
    """Return what a submit is looked up by."""
    return {
        **flat(key.scope),
        "idempotency_key": key.idempotency_key,
        "management_node_id": key.management_node_id,
    }


def new_submission(new: NewSubmission) -> Told:
    """Return a judged submission; the intent's own fields stand beside its text, to be looked up by."""
    command = new.command
    return {
        "submission_id": new.submission_id,
        "command_id": new.command_id,
        "tenant_id": command.tenant_id,
        "workspace_id": command.workspace_id,
        "job_id": command.job_id,
        "idempotency_key": command.idempotency_key,
        "intent_sha256": new.intent_sha256,
        "management_node_id": command.management_node_id,
        "accepted_at": new.accepted_at,
        "trace_id": new.trace_id,
        "traceparent": new.traceparent,
        "command": command.model_dump_json(exclude_defaults=True),
        "policy_version": new.policy_version,
        "max_open_submissions": new.max_open_submissions,
    }


def projection_update(update: ProjectionUpdate) -> Told:
    """Return an update; whether one was filled in for an older emitter is the functions' own to know."""
    told: Told = update.model_dump(mode="json", exclude={"synthesized", "occurred_at", "result_ref"})
    told["occurred_at"] = update.occurred_at
    if update.result_ref is not None:
        summary = update.result_ref.summary
        told["result_ref"] = update.result_ref.model_dump(mode="json", exclude={"summary"})
        told["result_ref"]["summary"] = None if summary is None else to_json(summary).decode()
    return told


def heartbeat(beat: Heartbeat) -> Told:
    """Return a heartbeat."""
    return {
        "management_node_id": beat.management_node_id,
        "agent_id": beat.agent_id,
        "epoch": beat.epoch,
        "node_version": beat.node_version,
        "policy": beat.policy.model_dump_json(exclude_defaults=True),
        "policy_version": beat.policy.policy_version,
        "capacity": beat.capacity.model_dump_json(exclude_defaults=True),
        "health": to_json(beat.health, inf_nan_mode="null").decode(),
        "received_at": beat.received_at,
    }


def cancel(request: CancelRequest) -> Told:
    """Return a cancel."""
    return {
        **flat(request.scope),
        "job_id": request.job_id,
        "submission_id": request.submission_id,
        "command_id": request.command_id,
        "requested_by": request.requested_by,
        "requested_at": request.requested_at,
        "trace_id": request.trace_id,
    }


def job_filter(scope: Scope, filters: JobFilter, before: int | None) -> Told:
    """Return which page of whose jobs is asked for."""
    return {
        **flat(scope),
        "states": sorted(filters.states),
        "management_node_id": filters.management_node_id,
        "submitted_after": filters.submitted_after,
        "submitted_before": filters.submitted_before,
        "before": before,
        "limit": filters.limit,
    }
