"""What is too large or malformed is refused with its code and field, and nothing is written."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from gateway_world import API, World

from slipway_contracts.submit_job_command import BATCH_MAX_COMMANDS, COMMAND_MAX_BYTES


async def in_chunks(body: bytes) -> AsyncIterator[bytes]:
    """A body without a Content-Length."""
    for start in range(0, len(body), 4096):
        yield body[start : start + 4096]


async def post(world: World, content: Any, path: str = "/jobs:submit") -> Any:
    headers = {"Authorization": f"Bearer {world.token()}"}
    return await world.client.post(f"{API}{path}", content=content, headers=headers)


async def jobs(world: World) -> list[Any]:
    return list((await world.user("GET", "/jobs")).json()["jobs"])


@pytest.mark.parametrize("send", [lambda body: body, in_chunks], ids=["with its length", "in chunks"])
async def test_a_body_over_the_limit_is_too_large_and_one_at_it_is_read(world: World, send: Any) -> None:
    over = await post(world, send(b" " * (COMMAND_MAX_BYTES + 1)))
    assert (over.status_code, over.json()["code"]) == (413, "payload_too_large")
    at = await post(world, send(b" " * COMMAND_MAX_BYTES))
    assert (at.status_code, at.json()["code"]) == (400, "invalid_request")
    assert await jobs(world) == []


async def test_a_batch_over_its_number_is_refused_whole(world: World) -> None:
    command = world.command()
    answer = await world.user("POST", "/jobs:batchSubmit", {"commands": [command] * (BATCH_MAX_COMMANDS + 1)})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert await jobs(world) == []


@pytest.mark.idempotency("submit-job-command")
async def test_a_batch_with_one_command_twice_is_one_submission(world: World) -> None:
    command = world.command()
    answer = await world.user("POST", "/jobs:batchSubmit", {"commands": [command, command]})
    outcomes = answer.json()["outcomes"]
    assert [outcome["status"] for outcome in outcomes] == [202, 202]
    assert outcomes[0]["accepted"] == outcomes[1]["accepted"]
    assert outcomes[1]["idempotent_replayed"]
    assert len(await jobs(world)) == 1


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"a":' * 10_000, b'{"job_id": "\xed\xa0\x80"}'], ids=range(7)
)
async def test_what_is_no_command_is_an_invalid_request(world: World, body: bytes) -> None:
    answer = await post(world, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request"), answer.text
    assert answer.json()["errors"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=many", "limit"),
        ("state=happy", "state"),
        ("submitted_after=2026-01-01T00:00:00", "submitted_after"),
        ("submitted_before=yesterday", "submitted_before"),
        ("management_node_id=a/b", "management_node_id"),
        ("workspace_id=a%20b", "workspace_id"),
    ],
)
async def test_a_query_that_does_not_hold_names_its_field(world: World, query: str, field: str) -> None:
    answer = await world.user("GET", f"/jobs?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request"), answer.text
    assert answer.json()["errors"][0]["field"].startswith(field)


@pytest.mark.parametrize("submission_id", [{}, [], 7, True, None])
async def test_an_event_of_something_that_is_no_id_is_an_invalid_event(world: World, submission_id: object) -> None:
    event = {**world.event(await world.taken(), "running"), "submission_id": submission_id}
    answer = await world.node(world.nodes["lab"], f"/jobs/{event['job_id']}/events", event)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_event")
    assert answer.json()["errors"][0]["field"] == "submission_id"


async def test_a_cursor_of_no_list_is_an_invalid_request(world: World) -> None:
    answer = await world.user("GET", "/jobs?cursor=nowhere")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


async def test_a_traceparent_is_carried_into_job_and_problem(world: World) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"Authorization": f"Bearer {world.token()}", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    accepted = await world.client.post(f"{API}/jobs:submit", json=world.command(), headers=headers)
    refused = await world.client.get(f"{API}/jobs/none", headers=headers)
    assert (accepted.json()["trace_id"], refused.json()["trace_id"]) == (trace, trace)
