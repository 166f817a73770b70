"""One trace from submit to result: spans of a gateway and a node, over two processes and real AiiDA."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from local_stack import Gateway, Node, running, wait_until
from product import Product, Stack, counting_job

pytestmark = [pytest.mark.service("aiida"), pytest.mark.timeout(240)]
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CLICK = "00f067aa0ba902b7"
CLICKED = f"0x{CLICK}"


@pytest.fixture
def traced(tmp_path: Path) -> Iterator[Stack]:
    env = {"OTEL_TRACES_EXPORTER": "console"}
    shared = tmp_path / "shared"
    shared.mkdir()
    gateway = Gateway(tmp_path / "gateway", tmp_path / "gateway.log", env=env)
    node = Node(tmp_path / "node", tmp_path / "node.log", env=env)
    options = ["--scheduler", "direct", "--input-prefix", shared.as_uri()]
    with running(gateway, node, options=options) as node_id:
        yield Stack(gateway, node, Product(gateway.url, gateway.token(), node_id), shared)


def spans(stack: Stack) -> list[dict]:
    """Return the spans that both processes told of, by their begin."""
    logs = [process.log.read_text() for process in (stack.gateway.process, stack.node.process)]
    lines = [line for log in logs for line in log.splitlines() if line.startswith('{"name"')]
    return sorted(map(json.loads, lines), key=lambda span: span["start_time"])


def tree(found: list[dict]) -> str:
    """Render spans as an indented tree: service, name, milliseconds."""
    ids = {span["context"]["span_id"] for span in found}
    lines: list[str] = []

    def render(parent: str | None, depth: int) -> None:
        for span in found:
            above = span["parent_id"] if span["parent_id"] in ids else None
            if above != parent:
                continue
            took = datetime.fromisoformat(span["end_time"]) - datetime.fromisoformat(span["start_time"])
            service = span["resource"]["attributes"]["service.name"]
            lines.append(f"{'  ' * depth}{service}: {span['name']} {took.total_seconds() * 1000:.1f} ms")
            render(span["context"]["span_id"], depth + 1)

    render(None, 0)
    return "\n".join(lines)


def is_whole(found: list[dict]) -> bool:
    """Tell whether the last steps' spans are there, and each one's parent: a span is told at its end."""
    ids = {span["context"]["span_id"] for span in found} | {CLICKED}
    return {"finish", "report"} <= {span["name"] for span in found} and all(span["parent_id"] in ids for span in found)


def test_one_trace_tells_of_a_job_from_submit_to_result(traced: Stack) -> None:
    uri, _ = counting_job(traced.shared, 0.5)
    command = traced.product.command(uri)
    answer = traced.product.request("POST", "/jobs:submit", command, traceparent=f"00-{TRACE_ID}-{CLICK}-01")
    assert answer.json()["trace_id"] == TRACE_ID
    assert traced.product.wait(command["job_id"])["projection_state"] == "succeeded"

    def of_trace() -> list[dict]:
        return [span for span in spans(traced) if span["context"]["trace_id"] == f"0x{TRACE_ID}"]

    wait_until("all spans are told", lambda: is_whole(of_trace()))
    found = of_trace()
    print(tree(found))  # noqa: T201 - to be read by people, with `pytest -s`
    named = {(span["resource"]["attributes"]["service.name"], span["name"]): span for span in found}
    submit = named["slipway-gateway", "POST /api/runtime/jobs:submit"]
    assert submit["parent_id"] == CLICKED
    for step in ("take", "start", "finish", "run", "report"):
        assert named["slipway-node", step]["parent_id"] == submit["context"]["span_id"], step
        assert named["slipway-node", step]["attributes"]["slipway.job_id"] == command["job_id"]
    assert named["slipway-node", "launch"]["parent_id"] == named["slipway-node", "start"]["context"]["span_id"]
    assert named["slipway-node", "publish"]["parent_id"] == named["slipway-node", "finish"]["context"]["span_id"]
    reports = {span["context"]["span_id"] for span in found if span["name"] == "report"}
    ingest = named["slipway-gateway", "POST /api/runtime/events:batchIngest"]
    assert ingest["parent_id"] in reports
    ids = {span["context"]["span_id"] for span in found}
    assert all(span["parent_id"] in ids or span is submit for span in found)  # one tree, nothing beside it


def test_a_submit_without_a_trace_begins_one_that_the_node_goes_on_with(traced: Stack) -> None:
    uri, _ = counting_job(traced.shared, 0)
    command = traced.product.command(uri)
    trace_id = traced.product.request("POST", "/jobs:submit", command).json()["trace_id"]
    traced.product.wait(command["job_id"])
    services = {
        span["resource"]["attributes"]["service.name"]
        for span in spans(traced)
        if span["context"]["trace_id"] == f"0x{trace_id}"
    }
    assert services == {"slipway-gateway", "slipway-node"}
