"""Nodes older than the gateway, and emitters without Slipway-Contract (docs/contracts/execution-event.md)."""

from typing import Any

import httpx
import pytest
from gateway_world import World


async def tell(world: World, job: dict[str, Any], state: str, event_id: str, **changed: Any) -> httpx.Response:
    body = {**world.event(job, state), "event_id": event_id, **changed}
    node = world.nodes["lab"]
    return await world.node(node, f"/jobs/{job['job_id']}/events", body, headers={"Slipway-Contract": ""})


async def kinds(world: World, job: dict[str, Any]) -> list[tuple[str | None, bool]]:
    entries = (await world.user("GET", f"/jobs/{job['job_id']}/timeline")).json()["entries"]
    return [(entry.get("source_execution_state"), entry.get("synthesized", False)) for entry in entries[1:]]


@pytest.mark.idempotency("execution-event")
async def test_an_older_emitter_names_its_events_itself(world: World) -> None:
    job = await world.taken()
    answers = [await tell(world, job, "accepted", "event-1") for _ in range(2)]
    assert [answer.json()["idempotent"] for answer in answers] == [False, True]


async def test_a_running_that_an_older_emitter_left_out_is_put_in(world: World) -> None:
    job = await world.taken()
    await tell(world, job, "accepted", "event-1")
    answer = await tell(world, job, "completed", "event-2")
    assert answer.status_code == 200, answer.text
    assert await kinds(world, job) == [("accepted", False), ("running", True), ("completed", False)]
    assert await world.state(job) == "succeeded"


@pytest.mark.idempotency("execution-event")
async def test_the_same_id_with_other_content_is_a_conflict(world: World) -> None:
    job = await world.taken()
    await tell(world, job, "accepted", "event-1")
    await tell(world, job, "running", "event-2")
    answer = await tell(world, job, "completed", "event-2")
    assert (answer.status_code, answer.json()["code"]) == (409, "event_id_conflict")
    assert await world.state(job) == "running"


async def test_a_node_of_contract_1_has_to_name_its_events_as_agreed(world: World) -> None:
    job = await world.taken()
    answer = await world.tell(job, "accepted", event_id="event-1")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_event")


async def test_a_leased_command_tells_an_older_node_of_no_field_that_its_product_left_out(world: World) -> None:
    sent = world.command()
    await world.submit(sent)
    (command,) = (await world.lease(world.nodes["lab"])).json()["commands"]
    assert command["submit"] == sent


async def test_a_leased_command_tells_what_its_product_set(world: World) -> None:
    profile = {"queue_name": "default", "qos": "normal", "account": "chem"}
    await world.submit(world.command(execution_profile=profile))
    (command,) = (await world.lease(world.nodes["lab"])).json()["commands"]
    assert command["submit"]["execution_profile"] == profile
