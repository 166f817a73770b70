"""Surface 2: what nodes report."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response
from pydantic import JsonValue, TypeAdapter

from slipway_contracts import CONTRACT_HEADER, CONTRACT_VERSION
from slipway_contracts.errors import ERRORS, Code
from slipway_contracts.execution_event import (
    BatchIngestRequest,
    BatchIngestResponse,
    EventOutcome,
    EventReceived,
    ExecutionEvent,
)
from slipway_contracts.fields import ID_PATTERN
from slipway_contracts.problem import FieldError
from slipway_gateway import context, logs
from slipway_gateway.openapi import refusals, takes
from slipway_gateway.ports import NodeRecord
from slipway_gateway.problems import ContractError, problem_of
from slipway_gateway.routes.answers import answer
from slipway_gateway.usecases import ingest_events

router = APIRouter(prefix="/api/runtime", tags=["events"])

Node = Annotated[NodeRecord, Depends(context.node)]

_CODES = (
    Code.INVALID_EVENT,
    Code.SUBMISSION_NOT_FOUND,
    Code.EVENT_ID_CONFLICT,
    Code.EVENT_GAP,
    Code.INVALID_TRANSITION,
    Code.PAYLOAD_TOO_LARGE,
)
_EVENT: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(dict[str, JsonValue])


def _delivery(request: Request, node: NodeRecord) -> ingest_events.Delivery:
    spoken = request.headers.get(CONTRACT_HEADER)
    if spoken not in (None, str(CONTRACT_VERSION)):
        error = FieldError(field=CONTRACT_HEADER, message=f"this gateway speaks contract {CONTRACT_VERSION}")
        raise ContractError(Code.INVALID_EVENT, f"contract {spoken} is not known here", [error])
    return ingest_events.Delivery(node, context.services_of(request).clock(), contract_1=spoken is not None)


@router.post(
    "/jobs/{job_id}/events",
    operation_id="ingestEvent",
    response_model=EventReceived,
    responses=refusals(*_CODES),
    openapi_extra=takes(ExecutionEvent),
)
async def ingest_event(request: Request, node: Node, job_id: Annotated[str, Path(pattern=ID_PATTERN)]) -> Response:
    """Report one state an execution reached."""
    delivery = _delivery(request, node)
    event = context.parse_as(await request.body(), _EVENT, Code.INVALID_EVENT)
    store = context.services_of(request).store
    (outcome,) = await ingest_events.ingest(store, delivery, [event], job_id=job_id)
    logs.ingested(node, event, outcome, request_trace_id=context.trace_id_of(request))
    if isinstance(outcome, ContractError):
        raise outcome
    return answer(EventReceived(idempotent=outcome.idempotent))


@router.post(
    "/events:batchIngest",
    operation_id="ingestEvents",
    response_model=BatchIngestResponse,
    responses=refusals(Code.INVALID_EVENT, Code.PAYLOAD_TOO_LARGE),
    openapi_extra=takes(BatchIngestRequest),
)
async def ingest_batch(request: Request, node: Node) -> Response:
    """Report up to 200 events, an outcome each."""
    delivery = _delivery(request, node)
    batch = await context.parsed(request, BatchIngestRequest, Code.INVALID_EVENT)
    services = context.services_of(request)
    outcomes = await ingest_events.ingest(services.store, delivery, batch.events)
    services.metrics.refused_among(outcomes)
    trace_id = context.trace_id_of(request)
    for event, outcome in zip(batch.events, outcomes, strict=True):
        logs.ingested(node, event, outcome, request_trace_id=trace_id)
    return answer(BatchIngestResponse(outcomes=[_outcome(outcome, trace_id) for outcome in outcomes]))


def _outcome(outcome: ingest_events.Outcome, trace_id: str) -> EventOutcome:
    if isinstance(outcome, ingest_events.Ingested):
        return EventOutcome(status=200, idempotent=outcome.idempotent)
    return EventOutcome(status=ERRORS[outcome.code].status, problem=problem_of(outcome, trace_id))
