"""What the contracts' tests build on: one valid body of each surface, to be changed in one place."""

from collections.abc import Callable
from typing import Any

import pytest

from slipway_contracts.execution_event import ExecutionEvent, ExecutionState, event_id_for
from slipway_contracts.lifecycle import to_projection
from slipway_contracts.projection_update import ProjectionUpdate

Body = dict[str, Any]


@pytest.fixture
def command_body() -> Body:
    return {
        "tenant_id": "acme",
        "workspace_id": "alloys",
        "job_id": "job-1",
        "idempotency_key": "key-1",
        "management_node_id": "node-1",
        "execution_profile": {"queue_name": "short"},
        "resource_shape": {"cpu": 4, "memory_mib": 2048, "walltime_seconds": 600},
        "payload_ref": {"input_uri": "file:///inputs/job.yaml"},
        "requested_by": {"user_id": "ada"},
    }


@pytest.fixture
def event_of() -> Callable[..., Body]:
    """Give :func:`valid_event`, which a test may change field by field."""
    return valid_event


def valid_event(state: str, **changes: object) -> Body:
    """Return a valid event of ``state``; ``changes`` replace or add fields, and the id follows from them."""
    body: Body = {
        "tenant_id": "acme",
        "workspace_id": "alloys",
        "job_id": "job-1",
        "submission_id": "sub-1",
        "execution_id": "exec-1",
        "state": state,
        "occurred_at": "2026-01-31T12:00:00Z",
        "trace_id": "trace-1",
    }
    if state == "completed":
        body["result_ref"] = {"output_uri": "file:///results/job-1"}
    if state == "failed":
        body["error"] = {"code": "job_failed", "message": "it failed"}
    body |= changes
    body.setdefault("event_id", event_id_for(body["submission_id"], body["execution_id"], ExecutionState(state)))
    return body


@pytest.fixture
def update_of() -> Callable[..., ProjectionUpdate]:
    """Give the update that an event of a state becomes; ``attempt`` and the event's fields may be changed."""

    def build(state: ExecutionState, attempt: int = 1, **changes: object) -> ProjectionUpdate:
        return to_projection(ExecutionEvent.model_validate(valid_event(state.value, **changes)), attempt)

    return build
