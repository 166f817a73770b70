"""Every code of the error table that the gateway answers, provoked over HTTP. The store's codes: tests/conformance."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from gateway_world import API, World, opened
from structlog.testing import capture_logs

from slipway_contracts.errors import ERRORS, Code

Provocation = Callable[[World], Awaitable[httpx.Response]]
PROVOCATIONS: dict[Code, Provocation] = {}


def provokes(code: Code) -> Callable[[Provocation], Provocation]:
    def register(provocation: Provocation) -> Provocation:
        PROVOCATIONS[code] = provocation
        return provocation

    return register


@provokes(Code.UNAUTHORIZED)
async def _unauthorized(world: World) -> httpx.Response:
    return await world.client.get(f"{API}/jobs")


@provokes(Code.FORBIDDEN)
async def _forbidden(world: World) -> httpx.Response:
    return await world.submit(world.command(workspace_id="elsewhere"))


@provokes(Code.NOT_FOUND)
async def _not_found(world: World) -> httpx.Response:
    return await world.user("GET", "/no-such-path")


@provokes(Code.METHOD_NOT_ALLOWED)
async def _method_not_allowed(world: World) -> httpx.Response:
    return await world.user("DELETE", "/jobs")


@provokes(Code.INVALID_REQUEST)
async def _invalid_request(world: World) -> httpx.Response:
    return await world.submit(world.command(colour="red"))


@provokes(Code.PAYLOAD_TOO_LARGE)
async def _payload_too_large(world: World) -> httpx.Response:
    return await world.submit(world.command(job_id="j" * 70_000))


@provokes(Code.MANAGEMENT_NODE_NOT_FOUND)
async def _node_not_found(world: World) -> httpx.Response:
    return await world.submit(world.command(management_node_id="node-none"))


@provokes(Code.IDEMPOTENCY_CONFLICT)
async def _idempotency_conflict(world: World) -> httpx.Response:
    job = world.command()
    await world.submit(job)
    return await world.submit({**job, "job_id": "another"})


@provokes(Code.JOB_ACTIVE)
async def _job_active(world: World) -> httpx.Response:
    job = world.command()
    await world.submit(job)
    return await world.submit({**job, "idempotency_key": "another"})


@provokes(Code.POLICY_REJECTED)
async def _policy_rejected(world: World) -> httpx.Response:
    return await world.submit(world.command(execution_profile={"queue_name": "gpu"}))


@provokes(Code.EXECUTION_UNAVAILABLE)
async def _execution_unavailable(world: World) -> httpx.Response:
    world.later(3600)
    return await world.submit()


@provokes(Code.INVALID_EVENT)
async def _invalid_event(world: World) -> httpx.Response:
    job = await world.taken()
    return await world.tell(job, "accepted", occurred_at="yesterday")


@provokes(Code.SUBMISSION_NOT_FOUND)
async def _submission_not_found(world: World) -> httpx.Response:
    job = await world.taken()
    return await world.tell({**job, "submission_id": "none"}, "accepted")


@provokes(Code.EVENT_ID_CONFLICT)
async def _event_id_conflict(world: World) -> httpx.Response:
    job = await world.taken()
    await world.run(job, "accepted", "running", "completed")
    return await world.tell(job, "completed", result_ref={"output_uri": "s3://results/other"})


@provokes(Code.EVENT_GAP)
async def _event_gap(world: World) -> httpx.Response:
    return await world.tell(await world.taken(), "running")


@provokes(Code.INVALID_TRANSITION)
async def _invalid_transition(world: World) -> httpx.Response:
    job = await world.taken()
    await world.run(job, "accepted", "failed")
    return await world.tell(job, "running")


@provokes(Code.JOIN_TOKEN_SPENT)
async def _join_token_spent(world: World) -> httpx.Response:
    body = {"token": "never-was", "public_key": world.nodes["lab"].public_key}
    return await world.client.post(f"{API}/nodes:enroll", json=body)


@provokes(Code.LEASE_LOST)
async def _lease_lost(world: World) -> httpx.Response:
    node = world.nodes["lab"]
    old = node.epoch
    node.agent_id, node.epoch = "a-newer-agent", None
    await world.beat(node)
    return await world.lease(node, epoch=old)


@provokes(Code.JOB_NOT_FOUND)
async def _job_not_found(world: World) -> httpx.Response:
    return await world.user("GET", "/jobs/none")


@provokes(Code.SUBMISSION_SUPERSEDED)
async def _submission_superseded(world: World) -> httpx.Response:
    job = await world.submitted()
    return await world.user("POST", f"/jobs/{job['job_id']}:cancel", {"submission_id": "an-earlier-one"})


@provokes(Code.JOB_TERMINAL)
async def _job_terminal(world: World) -> httpx.Response:
    job = await world.taken()
    await world.run(job, "accepted", "failed")
    return await world.user("POST", f"/jobs/{job['job_id']}:cancel")


@provokes(Code.QUOTA_EXCEEDED)
async def _quota_exceeded(world: World) -> httpx.Response:
    object.__setattr__(world.services, "settings", world.services.settings.model_copy(update={"max_open_jobs": 1}))
    await world.submitted()
    return await world.submit()


@provokes(Code.STREAM_NOT_SUPPORTED)
async def _stream_not_supported(world: World) -> httpx.Response:
    # What a store with live reads of its own says of itself, on the one that is here.
    world.services.store.follows_changes = False
    answers = [await world.user("GET", path) for path in ("/stream", "/jobs/some-job/stream")]
    assert len({answer.json()["detail"] for answer in answers}) == 1
    return answers[0]


@provokes(Code.INTERNAL_ERROR)
async def _internal_error(world: World) -> httpx.Response:
    # There is no known way to provoke a fault of ours, so one is put in: a clock that breaks.
    object.__setattr__(world.services, "clock", lambda: 1 / 0)
    return await world.submit()


SET_UP_APART = {Code.RATE_LIMITED, Code.PRODUCT_STORE_UNAVAILABLE}


def assert_is(code: Code, answer: httpx.Response) -> None:
    """The answer is the table's row for ``code``, as problem details."""
    spec = ERRORS[code]
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (spec.status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["status"], problem["retryable"], problem["title"]) == (spec.status, spec.retryable, spec.meaning)
    assert problem["type"].endswith(code)
    assert problem["detail"]
    assert len(problem["trace_id"]) == 32
    assert ("retry-after" in answer.headers) == (spec.status in {429, 503})
    assert ("www-authenticate" in answer.headers) == (spec.status == 401)


def test_each_code_the_gateway_answers_is_provoked() -> None:
    answered = {code for code, spec in ERRORS.items() if spec.answered_by == "gateway"}
    assert set(PROVOCATIONS) | SET_UP_APART == answered


@pytest.mark.parametrize("code", sorted(PROVOCATIONS))
async def test_the_code_comes_with_the_tables_status_and_retryable(world: World, code: Code) -> None:
    assert_is(code, await PROVOCATIONS[code](world))


@pytest.mark.parametrize("code", sorted(PROVOCATIONS))
async def test_the_problems_trace_id_finds_a_line_with_its_code(world: World, code: Code) -> None:
    with capture_logs() as lines:
        answer = await PROVOCATIONS[code](world)
    assert code in [line.get("code") for line in lines if line["trace_id"] == answer.json()["trace_id"]]


async def test_more_requests_in_flight_than_allowed_are_rate_limited(tmp_path: Path) -> None:
    async with opened(tmp_path, max_in_flight=1) as world:
        answers = await asyncio.gather(*(world.user("GET", "/jobs") for _ in range(8)))
        refused = [answer for answer in answers if answer.status_code != 200]
        assert refused
        assert_is(Code.RATE_LIMITED, refused[0])
        assert (await world.user("GET", "/jobs")).status_code == 200


async def test_a_store_that_is_locked_is_unavailable_and_then_back(world: World) -> None:
    other = sqlite3.connect(world.services.settings.data_dir / "slipway.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    command = world.command()
    try:
        assert_is(Code.PRODUCT_STORE_UNAVAILABLE, await world.submit(command))
    finally:
        other.execute("ROLLBACK")
        other.close()
    answer = await world.submit(command)
    assert answer.status_code == 202
    assert "Idempotent-Replayed" not in answer.headers
