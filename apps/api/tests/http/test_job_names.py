"""A job may be called as a path of the gateway ends, and is read as any other."""

from collections.abc import Iterator

import pytest
from gateway_world import API, World
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

NAMES = ["stream", "health", "ready", "metrics", "projection", "jobs"]


@pytest.fixture
def spans(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """The spans that the gateway makes."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(world.edge, "_tracer", provider.get_tracer("test"))
    yield exporter
    provider.shutdown()


def full_of_streams(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.edge, "_max_streams", 0)


@pytest.mark.parametrize("name", NAMES)
async def test_a_jobs_read_is_no_stream_whatever_it_is_called(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    await world.submitted(job_id=name)
    full_of_streams(world, monkeypatch)
    answer = await world.user("GET", f"/jobs/{name}")
    assert answer.status_code == 200, answer.text
    assert answer.json()["projection"]["job_id"] == name


@pytest.mark.parametrize("path", ["/stream", "/jobs/any/stream", "/jobs/stream/stream"])
async def test_a_stream_is_one_of_whatever_job(world: World, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    full_of_streams(world, monkeypatch)
    answer = await world.user("GET", path)
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")


@pytest.mark.parametrize("name", NAMES)
async def test_a_jobs_read_has_its_span_whatever_it_is_called(
    world: World, spans: InMemorySpanExporter, name: str
) -> None:
    await world.user("GET", f"/jobs/{name}")
    assert [span.name for span in spans.get_finished_spans()] == [f"GET {API}/jobs/{{job_id}}"]


async def test_what_comes_for_ever_has_no_span(world: World, spans: InMemorySpanExporter) -> None:
    node = world.nodes["lab"]
    await world.beat(node)
    await world.lease(node)
    for path in ("/api/health", "/api/ready", "/metrics", f"{API}/stream", f"{API}/jobs/any/stream"):
        await world.client.get(path)
    assert not spans.get_finished_spans()
