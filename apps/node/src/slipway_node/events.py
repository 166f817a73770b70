"""Execution events, made of commands and observations. Pure (docs/contracts/execution-event.md)."""

import re
from datetime import datetime

from slipway_contracts.execution_event import (
    ExecutionError,
    ExecutionEvent,
    ExecutionState,
    ResultRef,
    SchedulerRef,
    event_id_for,
)
from slipway_contracts.fields import ID_PATTERN, TEXT_MAX_CHARS, rfc3339
from slipway_contracts.node_protocol import NodeCommand
from slipway_node.ports import Failure, Observation, Phase

UNTOLD = Failure("job_failed", "the job failed and nothing says why")


def accepted(command: NodeCommand, execution_id: str, at: datetime) -> ExecutionEvent:
    """Tell that a process exists. Carries no scheduler reference, so that a rebuilt one is equal."""
    return _event(command, execution_id, ExecutionState.ACCEPTED, at)


def running(command: NodeCommand, seen: Observation, at: datetime) -> ExecutionEvent:
    """Tell that the scheduler ran it; in hindsight too, where it had ended when it was looked at next."""
    begun = _not_after(seen.ended_at, at)
    return _event(
        command,
        seen.execution_id,
        ExecutionState.RUNNING,
        begun,
        status_detail=_evidence(seen),
        scheduler_ref=scheduler_ref(seen),
    )


def completed(command: NodeCommand, seen: Observation, result: ResultRef, at: datetime) -> ExecutionEvent:
    """Tell that it ended well and its results are published."""
    return _event(
        command,
        seen.execution_id,
        ExecutionState.COMPLETED,
        _not_after(seen.ended_at, at),
        scheduler_ref=scheduler_ref(seen),
        result_ref=result,
    )


def failed(command: NodeCommand, seen: Observation, result: ResultRef | None, at: datetime) -> ExecutionEvent:
    """Tell that it ended otherwise; ``result`` is what it left behind, where that could be published."""
    return _event(
        command,
        seen.execution_id,
        ExecutionState.FAILED,
        _not_after(seen.ended_at, at),
        scheduler_ref=scheduler_ref(seen),
        result_ref=result,
        error=_error(seen.failure or UNTOLD),
    )


def cancelled(command: NodeCommand, seen: Observation, at: datetime) -> ExecutionEvent:
    """Tell that it was killed."""
    return _event(
        command,
        seen.execution_id,
        ExecutionState.CANCELLED,
        _not_after(seen.ended_at, at),
        scheduler_ref=scheduler_ref(seen),
    )


def refused(command: NodeCommand, failure: Failure, at: datetime) -> ExecutionEvent:
    """Tell that no process came to be, and why."""
    return _event(command, command.submission_id, ExecutionState.FAILED, at, error=_error(failure))


def cancelled_before_launch(command: NodeCommand, at: datetime) -> ExecutionEvent:
    """Tell that it was cancelled while no process existed."""
    return _event(
        command, command.submission_id, ExecutionState.CANCELLED, at, status_detail="cancelled before it was launched"
    )


def cancelled_without_record(command: NodeCommand, execution_id: str, at: datetime) -> ExecutionEvent:
    """Tell that it was cancelled whose process the engine does not know any more."""
    detail = "cancelled; the node's record of it is gone"
    return _event(command, execution_id, ExecutionState.CANCELLED, at, status_detail=detail)


def scheduler_ref(seen: Observation) -> SchedulerRef | None:
    """Return the scheduler's own reference where it is known."""
    if seen.scheduler_job_id is None:
        return None
    placement = seen.envelope.placement
    return SchedulerRef(slurm_job_id=seen.scheduler_job_id, partition=placement.partition, qos=placement.qos)


def _event(
    command: NodeCommand, execution_id: str, state: ExecutionState, at: datetime, **more: object
) -> ExecutionEvent:
    return ExecutionEvent.model_validate(
        {
            "event_id": event_id_for(command.submission_id, execution_id, state),
            "tenant_id": command.tenant_id,
            "workspace_id": command.workspace_id,
            "job_id": command.job_id,
            "submission_id": command.submission_id,
            "execution_id": execution_id,
            "state": state,
            "occurred_at": at,
            "trace_id": command.trace_id,
            **more,
        }
    )


def _evidence(seen: Observation) -> str:
    job = f"scheduler job {seen.scheduler_job_id}" if seen.scheduler_job_id else "the node's own scheduler"
    if seen.phase is Phase.RUNNING:
        return f"{job} runs it"
    ended = f", and it ended at {rfc3339(seen.ended_at)}" if seen.ended_at else ", and it has ended"
    return f"{job} ran it{ended}, before it was looked at again"


def _error(failure: Failure) -> ExecutionError:
    """Return the failure within the wire's bounds."""
    code = failure.code if re.match(ID_PATTERN, failure.code) else UNTOLD.code
    message = failure.message if len(failure.message) <= TEXT_MAX_CHARS else failure.message[: TEXT_MAX_CHARS - 1] + "…"
    return ExecutionError(code=code, message=message, retryable=failure.retryable)


def _not_after(told: datetime | None, now: datetime) -> datetime:
    return now if told is None else min(told, now)
