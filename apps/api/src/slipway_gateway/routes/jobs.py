"""Surfaces 1 and 5, and the reads of jobs."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response
from pydantic import Field, JsonValue, ValidationError
from pydantic_core import to_json

from slipway_contracts import IDEMPOTENT_REPLAYED_HEADER
from slipway_contracts.cancel_job_command import CancelAccepted, CancelJobCommand
from slipway_contracts.errors import ERRORS, Code
from slipway_contracts.fields import ID_PATTERN, ProductModel, UtcTime
from slipway_contracts.projection_update import ProjectionState
from slipway_contracts.reads import PAGE_MAX, Job, JobPage, Projection, Timeline
from slipway_contracts.submit_job_command import (
    BATCH_MAX_COMMANDS,
    COMMAND_MAX_BYTES,
    BatchSubmitRequest,
    BatchSubmitResponse,
    SubmitJobAccepted,
    SubmitJobCommand,
    SubmitOutcome,
)
from slipway_gateway import context, logs, refusing
from slipway_gateway.auth.users import Caller
from slipway_gateway.openapi import refusals, takes
from slipway_gateway.ports import JobFilter
from slipway_gateway.problems import ContractError, field_errors, problem_of
from slipway_gateway.routes.answers import answer
from slipway_gateway.usecases import cancel, reads, submit

router = APIRouter(prefix="/api/runtime", tags=["jobs"])

ACCEPTED = 202
REPLAYED = {IDEMPOTENT_REPLAYED_HEADER: "true"}

User = Annotated[Caller, Depends(context.user)]
JobId = Annotated[str, Path(pattern=ID_PATTERN)]
Workspace = Annotated[str | None, Query(pattern=ID_PATTERN, description="Needed where the token lists several")]

_SUBMIT_CODES = (
    Code.INVALID_REQUEST,
    Code.MANAGEMENT_NODE_NOT_FOUND,
    Code.IDEMPOTENCY_CONFLICT,
    Code.JOB_ACTIVE,
    Code.PAYLOAD_TOO_LARGE,
    Code.POLICY_REJECTED,
    Code.QUOTA_EXCEEDED,
    Code.EXECUTION_UNAVAILABLE,
)


def _admission(request: Request, caller: Caller) -> submit.Admission:
    services = context.services_of(request)
    return submit.Admission(
        caller=caller,
        now=services.clock(),
        trace_id=context.trace_id_of(request),
        traceparent=context.traceparent_of(request),
        max_open=services.settings.max_open_jobs,
        overdue_seconds=services.settings.node_overdue_seconds,
        known=services.known_nodes,
    )


@router.post(
    "/jobs:submit",
    operation_id="submitJob",
    status_code=ACCEPTED,
    response_model=SubmitJobAccepted,
    responses=refusals(*_SUBMIT_CODES),
    openapi_extra=takes(SubmitJobCommand),
)
async def submit_job(request: Request, caller: User) -> Response:
    """Submit a job: 202 once its submission is committed, or the first answer again for a replay."""
    command = await context.parsed(request, SubmitJobCommand)
    context.know(request, **logs.about(command))
    done = await submit.submit(context.services_of(request).store, _admission(request, caller), command)
    logs.submitted(command, done)
    return answer(done.accepted, ACCEPTED, REPLAYED if done.replayed else None)


class _Batch(ProductModel):
    """A batch whose commands are still to be read, so that one that does not hold takes none of the others with it."""

    commands: list[JsonValue] = Field(min_length=1, max_length=BATCH_MAX_COMMANDS)


def _command(value: JsonValue) -> SubmitJobCommand | ContractError:
    if len(to_json(value)) > COMMAND_MAX_BYTES:
        return ContractError(Code.PAYLOAD_TOO_LARGE, f"the command is over {COMMAND_MAX_BYTES} bytes")
    try:
        return SubmitJobCommand.model_validate(value)
    except ValidationError as error:
        return ContractError(Code.INVALID_REQUEST, "the command does not hold", field_errors(error))


@router.post(
    "/jobs:batchSubmit",
    operation_id="submitJobs",
    response_model=BatchSubmitResponse,
    responses=refusals(Code.INVALID_REQUEST, Code.PAYLOAD_TOO_LARGE),
    openapi_extra=takes(BatchSubmitRequest),
)
async def submit_jobs(request: Request, caller: User) -> Response:
    """Submit up to 500 jobs, an outcome each."""
    batch = await context.parsed(request, _Batch)
    services, admission = context.services_of(request), _admission(request, caller)
    commands = [_command(each) for each in batch.commands]
    outcomes = await submit.submit_batch(services.store, admission, commands)
    for command, outcome in zip(commands, outcomes, strict=True):
        _note(request, command, outcome)
    return answer(BatchSubmitResponse(outcomes=[_outcome(outcome, admission.trace_id) for outcome in outcomes]))


def _note(request: Request, command: SubmitJobCommand | ContractError, outcome: submit.Outcome) -> None:
    """Log one outcome of a batch, and count a refusal, as those of a single submit are."""
    if isinstance(outcome, submit.Submitted) and isinstance(command, SubmitJobCommand):
        logs.submitted(command, outcome)
    elif isinstance(outcome, ContractError):
        part = {} if isinstance(command, ContractError) else logs.about(command)
        refusing.note(request, outcome, context.services_of(request).metrics, part=part)


def _outcome(outcome: submit.Outcome, trace_id: str) -> SubmitOutcome:
    if isinstance(outcome, submit.Submitted):
        return SubmitOutcome(status=ACCEPTED, idempotent_replayed=outcome.replayed, accepted=outcome.accepted)
    return SubmitOutcome(status=ERRORS[outcome.code].status, problem=problem_of(outcome, trace_id))


@router.post(
    "/jobs/{job_id}:cancel",
    operation_id="cancelJob",
    status_code=ACCEPTED,
    response_model=CancelAccepted,
    responses=refusals(
        Code.INVALID_REQUEST, Code.JOB_NOT_FOUND, Code.SUBMISSION_SUPERSEDED, Code.JOB_TERMINAL, Code.PAYLOAD_TOO_LARGE
    ),
    openapi_extra=takes(CancelJobCommand, required=False),
)
async def cancel_job(request: Request, caller: User, job_id: JobId, workspace_id: Workspace = None) -> Response:
    """Cancel a job: 202 once the cancel is recorded."""
    body = await request.body()
    command = context.parse(body, CancelJobCommand, Code.INVALID_REQUEST) if body else CancelJobCommand()
    services, scope = context.services_of(request), caller.scope(workspace_id)
    accepted = await cancel.cancel(
        services.store,
        scope,
        job_id,
        command,
        by=caller.user_id,
        now=services.clock(),
        trace_id=context.trace_id_of(request),
    )
    logs.cancel_recorded(scope, accepted)
    return answer(accepted, ACCEPTED)


def _filters(
    state: Annotated[list[ProjectionState] | None, Query(description="Repeatable; any when left out")] = None,
    management_node_id: Annotated[str | None, Query(pattern=ID_PATTERN)] = None,
    submitted_after: Annotated[UtcTime | None, Query(description="RFC 3339")] = None,
    submitted_before: Annotated[UtcTime | None, Query(description="RFC 3339")] = None,
    cursor: Annotated[str | None, Query(max_length=256)] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 50,
) -> JobFilter:
    return JobFilter(
        states=frozenset(state or ()),
        management_node_id=management_node_id,
        submitted_after=submitted_after,
        submitted_before=submitted_before,
        cursor=cursor,
        limit=limit,
    )


@router.get("/jobs", operation_id="listJobs", response_model=JobPage, responses=refusals(Code.INVALID_REQUEST))
async def list_jobs(
    request: Request, caller: User, filters: Annotated[JobFilter, Depends(_filters)], workspace_id: Workspace = None
) -> Response:
    """List the workspace's jobs, newest submission first."""
    services = context.services_of(request)
    overdue = services.settings.node_overdue_seconds
    scope = caller.scope(workspace_id)
    return answer(await reads.list_jobs(services.store, scope, filters, now=services.clock(), overdue_seconds=overdue))


async def _job(request: Request, caller: Caller, job_id: str, workspace_id: str | None) -> Job:
    services = context.services_of(request)
    overdue = services.settings.node_overdue_seconds
    scope = caller.scope(workspace_id)
    return await reads.read_job(services.store, scope, job_id, now=services.clock(), overdue_seconds=overdue)


_NO_JOB = refusals(Code.INVALID_REQUEST, Code.JOB_NOT_FOUND)


@router.get("/jobs/{job_id}", operation_id="getJob", response_model=Job, responses=_NO_JOB)
async def get_job(request: Request, caller: User, job_id: JobId, workspace_id: Workspace = None) -> Response:
    """Read a job: its projection and the command of its current submission."""
    return answer(await _job(request, caller, job_id, workspace_id))


@router.get("/jobs/{job_id}/projection", operation_id="getProjection", response_model=Projection, responses=_NO_JOB)
async def get_projection(request: Request, caller: User, job_id: JobId, workspace_id: Workspace = None) -> Response:
    """Read a job's projection."""
    return answer((await _job(request, caller, job_id, workspace_id)).projection)


@router.get("/jobs/{job_id}/timeline", operation_id="getTimeline", response_model=Timeline, responses=_NO_JOB)
async def get_timeline(request: Request, caller: User, job_id: JobId, workspace_id: Workspace = None) -> Response:
    """Read a job's changes, oldest first, over all its attempts."""
    store, scope = context.services_of(request).store, caller.scope(workspace_id)
    return answer(await reads.read_timeline(store, scope, job_id))
