"""What is answered as a problem is found in the log by its trace id, with whose job it was, and is counted once."""

from collections.abc import Iterator, MutableMapping
from typing import Any

import httpx
import pytest
from gateway_world import API, World
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from slipway_gateway.ports import StoreUnavailableError

Lines = list[MutableMapping[str, Any]]
SECRET = "SECRET-77ab"


@pytest.fixture
def told() -> Iterator[Lines]:
    """What the gateway logs."""
    with capture_logs() as lines:
        yield lines


def breaks(world: World, fault: Exception) -> None:
    """Have ``fault`` raised within every call that asks for the time."""

    def clock() -> None:
        raise fault

    object.__setattr__(world.services, "clock", clock)


async def refusals(world: World) -> dict[str, float]:
    """Return what the gateway counted as refused, by code."""
    text = (await world.client.get("/metrics")).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {sample.labels["code"]: sample.value for sample in samples if sample.name == "slipway_refusals_total"}


FAULTS = [(StoreUnavailableError("locked"), 503), (RuntimeError("no such luck"), 500)]


@pytest.mark.parametrize(("fault", "status"), FAULTS, ids=["503", "500"])
async def test_a_fault_in_a_submit_names_its_job(world: World, told: Lines, fault: Exception, status: int) -> None:
    breaks(world, fault)
    command = world.command()
    assert (await world.submit(command)).status_code == status
    (line,) = told
    fields = ("tenant_id", "workspace_id", "job_id", "management_node_id", "idempotency_key")
    assert {name: line.get(name) for name in fields} == {name: command[name] for name in fields}


@pytest.mark.parametrize(("fault", "status"), FAULTS, ids=["503", "500"])
async def test_a_fault_in_a_nodes_call_names_the_node(world: World, told: Lines, fault: Exception, status: int) -> None:
    breaks(world, fault)
    node = world.nodes["lab"]
    assert (await world.beat(node)).status_code == status
    assert [line.get("management_node_id") for line in told] == [node.node_id]


def lines_of(told: Lines, answer: httpx.Response) -> Lines:
    """Return the lines that the trace id of the answered problem finds."""
    return [line for line in told if line["trace_id"] == answer.json()["trace_id"]]


@pytest.mark.parametrize(
    ("method", "path", "size", "code"),
    [
        ("GET", f"{API}/nothing", 0, "not_found"),
        ("DELETE", f"{API}/jobs", 0, "method_not_allowed"),
        ("POST", f"{API}/jobs:submit", 70_000, "payload_too_large"),
    ],
)
async def test_what_reaches_no_route_has_its_line_and_its_count(
    world: World, told: Lines, method: str, path: str, size: int, code: str
) -> None:
    answer = await world.client.request(method, path, params={"token": SECRET}, content=SECRET * size)
    (line,) = lines_of(told, answer)
    assert (line["code"], line["method"], line["path"]) == (code, method, path)
    assert SECRET not in str(line)
    assert await refusals(world) == {code: 1}


@pytest.mark.parametrize(
    ("limit", "path"), [("max_in_flight", "/jobs"), ("max_streams", "/stream")], ids=["requests", "streams"]
)
async def test_what_is_too_much_for_the_process_has_its_line_and_its_count(
    world: World, told: Lines, monkeypatch: pytest.MonkeyPatch, limit: str, path: str
) -> None:
    with monkeypatch.context() as full:
        full.setattr(world.edge, f"_{limit}", 0)
        answer = await world.user("GET", path)
    (line,) = lines_of(told, answer)
    assert (line["code"], line["path"]) == ("rate_limited", f"{API}{path}")
    assert await refusals(world) == {"rate_limited": 1}


@pytest.mark.parametrize(
    ("fault", "code"),
    [(StoreUnavailableError("locked"), "product_store_unavailable"), (KeyError("x"), "internal_error")],
)
async def test_a_fault_has_one_line_and_its_count(world: World, told: Lines, fault: Exception, code: str) -> None:
    breaks(world, fault)
    answer = await world.submit()
    assert [line["code"] for line in lines_of(told, answer)] == [code]
    assert await refusals(world) == {code: 1}


async def test_an_event_refused_in_a_batch_is_found_by_its_problem_and_by_its_own_trace(
    world: World, told: Lines
) -> None:
    job = await world.taken()
    answer = await world.node(world.nodes["lab"], "/events:batchIngest", {"events": [world.event(job, "running")]})
    problem = answer.json()["outcomes"][0]["problem"]
    (line,) = [line for line in told if line["event"] == "event refused"]
    assert (line["trace_id"], line["request_trace_id"]) == (job["trace_id"], problem["trace_id"])


async def test_a_refused_event_of_the_requests_own_trace_names_it_once(world: World, told: Lines) -> None:
    job = await world.taken()
    traceparent = {"traceparent": f"00-{job['trace_id']}-{'b' * 16}-01"}
    batch = {"events": [world.event(job, "running")]}
    await world.node(world.nodes["lab"], "/events:batchIngest", batch, headers=traceparent)
    (line,) = [line for line in told if line["event"] == "event refused"]
    assert (line["trace_id"], line.get("request_trace_id")) == (job["trace_id"], None)


async def test_a_refused_event_without_a_trace_of_its_own_has_the_requests(world: World, told: Lines) -> None:
    event = {**world.event(await world.taken(), "accepted"), "trace_id": 7}
    answer = await world.node(world.nodes["lab"], "/events:batchIngest", {"events": [event]})
    (line,) = [line for line in told if line["event"] == "event refused"]
    assert line["trace_id"] == answer.json()["outcomes"][0]["problem"]["trace_id"]
