"""The calls of the contract as plain data: what is asked, and what answers. Both clients send the same."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pydantic import BaseModel

from slipway.errors import InputRefusedError
from slipway.views import JobView, ProjectionView
from slipway_contracts.cancel_job_command import CancelAccepted, CancelJobCommand
from slipway_contracts.errors import Code
from slipway_contracts.fields import ID_PATTERN
from slipway_contracts.reads import JobPage, NodeList, Timeline
from slipway_contracts.submit_job_command import BatchSubmitResponse, SubmitJobAccepted, SubmitJobCommand

Body = TypeVar("Body", bound=BaseModel)
Query = Mapping[str, str | int | list[str] | None]
_RUNTIME = "/api/runtime"


@dataclass(frozen=True, slots=True)
class Call(Generic[Body]):
    """One request; ``content`` is JSON, and empty where there is none."""

    method: str
    path: str
    answer: type[Body]
    content: str = ""
    query: Query = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


def submit(command: SubmitJobCommand, traceparent: str | None) -> Call[SubmitJobAccepted]:
    """Return the call of surface 1."""
    content = command.model_dump_json(exclude_none=True)
    return Call("POST", f"{_RUNTIME}/jobs:submit", SubmitJobAccepted, content, headers=trace(traceparent))


def submit_batch(content: str, traceparent: str | None) -> Call[BatchSubmitResponse]:
    """Return the call of surface 1 for many commands."""
    return Call("POST", f"{_RUNTIME}/jobs:batchSubmit", BatchSubmitResponse, content, headers=trace(traceparent))


def cancel(
    job_id: str, submission_id: str | None, workspace_id: str | None, traceparent: str | None
) -> Call[CancelAccepted]:
    """Return the call of surface 5."""
    content = "" if submission_id is None else CancelJobCommand(submission_id=submission_id).model_dump_json()
    query = {"workspace_id": workspace_id}
    return Call("POST", _job_path(job_id, ":cancel"), CancelAccepted, content, query, trace(traceparent))


def job(job_id: str, workspace_id: str | None) -> Call[JobView]:
    """Return the read of projection and command."""
    return Call("GET", _job_path(job_id), JobView, query={"workspace_id": workspace_id})


def projection(job_id: str, workspace_id: str | None) -> Call[ProjectionView]:
    """Return the read of the projection alone."""
    return Call("GET", _job_path(job_id, "/projection"), ProjectionView, query={"workspace_id": workspace_id})


def timeline(job_id: str, workspace_id: str | None) -> Call[Timeline]:
    """Return the read of all changes so far."""
    return Call("GET", _job_path(job_id, "/timeline"), Timeline, query={"workspace_id": workspace_id})


def jobs(query: Query) -> Call[JobPage]:
    """Return the read of one page."""
    return Call("GET", f"{_RUNTIME}/jobs", JobPage, query=query)


def nodes() -> Call[NodeList]:
    """Return the read of the tenant's nodes, which are no workspace's."""
    return Call("GET", f"{_RUNTIME}/nodes", NodeList)


def stream_path(job_id: str | None) -> str:
    """Return where the changes of a job, or of the workspace, are streamed."""
    return f"{_RUNTIME}/stream" if job_id is None else _job_path(job_id, "/stream")


def trace(traceparent: str | None) -> dict[str, str]:
    """Return the W3C trace headers: of ``traceparent``, else of the caller's span where OpenTelemetry has one."""
    if traceparent is not None:
        return {"traceparent": traceparent}
    try:
        from opentelemetry.propagate import inject
    except ImportError:  # the caller does not trace
        return {}
    headers: dict[str, str] = {}
    inject(headers)
    return headers


def _job_path(job_id: str, rest: str = "") -> str:
    return f"{_RUNTIME}/jobs/{_checked_id(job_id)}{rest}"


def _checked_id(job_id: str) -> str:
    """Refuse what is no id before it becomes part of a path."""
    if not re.fullmatch(ID_PATTERN, job_id) or job_id in {".", ".."}:
        raise InputRefusedError(
            Code.INVALID_REQUEST, "job_id", f"{job_id!r} is not an id", "letters, digits and . _ ~ -, at most 128"
        )
    return job_id
