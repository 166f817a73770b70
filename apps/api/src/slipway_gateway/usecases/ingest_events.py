"""Apply ExecutionEvents to the projection (docs/contracts/execution-event.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, assert_never

from pydantic import ValidationError
from pydantic_core import to_json

from slipway_contracts.compatibility import UnknownWordError, normalise
from slipway_contracts.errors import Code
from slipway_contracts.execution_event import EVENT_MAX_BYTES, ExecutionEvent, event_id_for
from slipway_contracts.lifecycle import Applied, Duplicate, Refused, Verdict, to_projection
from slipway_contracts.problem import FieldError
from slipway_gateway.ports import NodeRecord, ProductStore
from slipway_gateway.problems import ContractError, field_errors

EVENT_CODES: Mapping[Code, Code] = {
    Code.FORBIDDEN: Code.FORBIDDEN,
    Code.PROJECTION_TARGET_NOT_FOUND: Code.SUBMISSION_NOT_FOUND,
    Code.PROJECTION_EVENT_ID_CONFLICT: Code.EVENT_ID_CONFLICT,
    Code.INVALID_PROJECTION_UPDATE: Code.INVALID_EVENT,
    Code.INVALID_PROJECTION_TRANSITION: Code.INVALID_TRANSITION,
}
"""Surface 3's code → surface 2's word for it; a gap is event_gap instead."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Who delivers, when, and whether in contract 1 (else in an older emitter's words)."""

    node: NodeRecord
    received_at: datetime
    contract_1: bool


@dataclass(frozen=True, slots=True)
class Ingested:
    """``event`` is in the projection; ``idempotent`` when it already was."""

    event: ExecutionEvent
    idempotent: bool


Outcome = Ingested | ContractError
T = TypeVar("T")


async def ingest(
    store: ProductStore, delivery: Delivery, events: Sequence[Mapping[str, Any]], *, job_id: str | None = None
) -> list[Outcome]:
    """Apply events in order, each answered on its own, all that hold in one call of the store.

    After a submission's first event that fails, its later ones are not tried and answer event_gap. ``job_id`` is the
    path's, where the path names one: an event of another job does not hold.
    """
    read = [_read(event, job_id, contract_1=delivery.contract_1) for event in events]
    named = [
        event.submission_id if isinstance(event, ExecutionEvent) else _submission_named_in(raw)
        for raw, event in zip(events, read, strict=True)
    ]
    tried = _gaps_behind_failures(named, read)
    verdicts = iter(await _verdicts(store, delivery, [event for event in tried if isinstance(event, ExecutionEvent)]))
    outcomes = [_outcome(event, next(verdicts)) if isinstance(event, ExecutionEvent) else event for event in tried]
    return _gaps_behind_failures(named, outcomes)


async def _verdicts(store: ProductStore, delivery: Delivery, events: Sequence[ExecutionEvent]) -> Sequence[Verdict]:
    if not events:
        return ()
    return await store.apply_projection_updates(
        delivery.node.management_node_id,
        [to_projection(event) for event in events],
        received_at=delivery.received_at,
        synthesize_running=not delivery.contract_1,
    )


def _gaps_behind_failures(
    named: Sequence[str | None], outcomes: Sequence[T | ContractError]
) -> list[T | ContractError]:
    """Return ``outcomes`` with everything that follows a submission's first failure as a gap."""
    failed: set[str] = set()
    told: list[T | ContractError] = []
    for submission_id, outcome in zip(named, outcomes, strict=True):
        if submission_id in failed:
            told.append(ContractError(Code.EVENT_GAP, "an earlier event of this submission was refused"))
            continue
        if isinstance(outcome, ContractError) and submission_id is not None:
            failed.add(submission_id)
        told.append(outcome)
    return told


def _submission_named_in(raw: Mapping[str, Any]) -> str | None:
    """Return the submission an event that fails belongs to, in either spelling; anything may stand there."""
    named = raw.get("submission_id", raw.get("submissionId"))
    return named if isinstance(named, str) else None


def _read(event: Mapping[str, Any], job_id: str | None, *, contract_1: bool) -> ExecutionEvent | ContractError:
    """Return the event as contract 1 has it, or invalid_event with the fields that do not hold."""
    if len(to_json(event)) > EVENT_MAX_BYTES:
        return ContractError(Code.PAYLOAD_TOO_LARGE, f"the event is over {EVENT_MAX_BYTES} bytes")
    try:
        read = ExecutionEvent.model_validate(event if contract_1 else normalise(event))
    except ValidationError as error:
        return ContractError(Code.INVALID_EVENT, "the event does not hold", field_errors(error))
    except UnknownWordError as error:
        return _invalid(error.field, str(error))
    if job_id is not None and read.job_id != job_id:
        return _invalid("job_id", "is not the path's")
    if contract_1 and read.event_id != event_id_for(read.submission_id, read.execution_id, read.state):
        return _invalid("event_id", "must be the UUIDv5 of (submission_id, execution_id, state)")
    return read


def _outcome(event: ExecutionEvent, verdict: Verdict) -> Outcome:
    match verdict:
        case Applied():
            return Ingested(event, idempotent=False)
        case Duplicate():
            return Ingested(event, idempotent=True)
        case Refused(code, detail, gap):
            return ContractError(Code.EVENT_GAP if gap else EVENT_CODES[code], detail)
        case _:
            assert_never(verdict)


def _invalid(field: str, message: str) -> ContractError:
    return ContractError(Code.INVALID_EVENT, f"{field} {message}", [FieldError(field=field, message=message)])
