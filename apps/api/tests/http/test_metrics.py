"""What the gateway counts, and what it must not tell."""

import re
from pathlib import Path

import pytest
from gateway_world import API, World
from prometheus_client.parser import text_string_to_metric_families


async def told(world: World) -> dict[tuple[str, ...], float]:
    """Return every sample by its name and label values."""
    answer = await world.client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(answer.text)
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


def refusals(counted: dict[tuple[str, ...], float]) -> dict[str, float]:
    """Return the counted refusals by code."""
    return {names[1]: value for names, value in counted.items() if names[0] == "slipway_refusals_total"}


async def test_requests_are_counted_by_route_and_status(world: World):
    job = await world.submitted()
    await world.user("GET", f"/jobs/{job['job_id']}")
    await world.user("GET", "/jobs/nobody")
    counted = await told(world)
    assert counted["slipway_requests_total", f"POST {API}/jobs:submit", "202"] == 1
    assert counted["slipway_requests_total", f"GET {API}/jobs/{{job_id}}", "200"] == 1
    assert counted["slipway_requests_total", f"GET {API}/jobs/{{job_id}}", "404"] == 1
    assert counted["slipway_request_seconds_count", f"POST {API}/jobs:submit"] == 1
    assert counted["slipway_refusals_total", "job_not_found"] == 1


async def test_a_submit_refused_inside_a_batch_counts_by_its_code_and_no_other_outcome_does(world: World):
    accepted = world.command()
    batch = [accepted, accepted, {**accepted, "job_id": "another"}, 7, {"job_id": "j"}]
    answer = await world.user("POST", "/jobs:batchSubmit", {"commands": batch})
    assert [outcome["status"] for outcome in answer.json()["outcomes"]] == [202, 202, 409, 400, 400]
    assert refusals(await told(world)) == {"idempotency_conflict": 1, "invalid_request": 2}


async def test_an_event_refused_inside_a_batch_counts_by_its_code_and_no_other_outcome_does(world: World):
    job = await world.taken()
    known, unknown = world.event(job, "accepted"), {**world.event(job, "accepted"), "state": "on_fire"}
    node = world.nodes["lab"]
    answer = await world.node(
        node, "/events:batchIngest", {"events": [known, known, unknown, world.event(job, "running")]}
    )
    assert [outcome["status"] for outcome in answer.json()["outcomes"]] == [200, 200, 400, 409]
    assert refusals(await told(world)) == {"invalid_event": 1, "event_gap": 1}


async def test_paths_that_are_none_count_as_one(world: World):
    for path in ("/a", "/b", f"{API}/nothing"):
        await world.client.get(path)
    counted = await told(world)
    assert counted["slipway_requests_total", "none", "404"] == 3
    assert not [names for names in counted if "/a" in names]


async def test_what_is_open_is_told_as_it_stands(world: World):
    counted = await told(world)
    assert counted["slipway_requests_in_flight",] == 1  # this one
    assert (counted["slipway_streams_open",], counted["slipway_long_polls_open",]) == (0, 0)


@pytest.mark.tenant_boundary("reads")
async def test_nothing_is_told_of_any_tenant(world: World):
    job = await world.taken()
    await world.run(job, "accepted", "running", "completed")
    answer = await world.client.get("/metrics")
    node = world.nodes["lab"].node_id
    for secret in (*(str(value) for value in job.values()), node):
        assert len(secret) < 4 or secret not in answer.text


async def test_the_gateways_page_names_every_metric_of_ours(world: World):
    page = (Path(__file__).parents[4] / "docs" / "how-to" / "gateway.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `(slipway_\w+)` \|", page, re.MULTILINE))
    await world.client.get(f"{API}/jobs")
    answer = await world.client.get("/metrics")
    served = {line.split()[2] for line in answer.text.splitlines() if line.startswith("# TYPE slipway_")}
    assert named == {name for name in served if not name.endswith("_created")}
