"""The streams of changes (docs/contracts/reads.md, "Streams")."""

from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.responses import Response

from slipway_contracts.errors import Code
from slipway_contracts.reads import LAST_EVENT_ID_PATTERN, JobChange, StreamEnd, StreamReset
from slipway_gateway import context
from slipway_gateway.auth.users import Caller
from slipway_gateway.openapi import refusals, streams
from slipway_gateway.routes.event_stream import EventStream
from slipway_gateway.routes.jobs import JobId, User, Workspace
from slipway_gateway.usecases.streams import Question

router = APIRouter(prefix="/api/runtime", tags=["streams"])

LastEventId = Annotated[
    str | None,
    Header(alias="Last-Event-ID", pattern=LAST_EVENT_ID_PATTERN, description="The last event seen; 0 is before all"),
]
_EVENTS = streams({"reset": StreamReset, "change": JobChange, "end": StreamEnd})


async def _stream(
    request: Request, caller: Caller, job_id: str | None, workspace_id: str | None, last_event_id: str | None
) -> Response:
    services = context.services_of(request)
    question = Question(
        scope=caller.scope(workspace_id),
        job_id=job_id,
        after=None if last_event_id is None else int(last_event_id),
        until=caller.expires_at,
        clock=services.clock,
        overdue_seconds=services.settings.node_overdue_seconds,
    )
    return EventStream(await services.streams.open(question))


@router.get(
    "/jobs/{job_id}/stream",
    operation_id="streamJob",
    status_code=200,
    response_class=Response,
    responses=_EVENTS | refusals(Code.INVALID_REQUEST, Code.JOB_NOT_FOUND, Code.STREAM_NOT_SUPPORTED),
)
async def stream_job(
    request: Request, caller: User, job_id: JobId, workspace_id: Workspace = None, last_event_id: LastEventId = None
) -> Response:
    """Follow one job: its state now, or what came after `Last-Event-ID`, and then every change as it comes."""
    return await _stream(request, caller, job_id, workspace_id, last_event_id)


@router.get(
    "/stream",
    operation_id="streamWorkspace",
    status_code=200,
    response_class=Response,
    responses=_EVENTS | refusals(Code.INVALID_REQUEST, Code.STREAM_NOT_SUPPORTED),
)
async def stream_workspace(
    request: Request, caller: User, workspace_id: Workspace = None, last_event_id: LastEventId = None
) -> Response:
    """Follow the workspace: its jobs now, or what came after `Last-Event-ID`, and then every change as it comes."""
    return await _stream(request, caller, None, workspace_id, last_event_id)
