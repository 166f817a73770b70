"""Spans of the agent's steps, where somebody wants them."""

import asyncio

import httpx
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import format_trace_id

from slipway_node.journal import Journal, OutboxState
from slipway_node.ports import Phase
from slipway_node.tracing import Tracing

EVENTS = 3  # accepted, running, completed


async def until_pending(lab, count: int) -> None:
    """Wait until so many events are in the outbox."""
    while True:
        journal: Journal = lab.journal()
        pending = journal.tally().outbox.get(OutboxState.PENDING, 0)
        journal.close()
        if pending == count:
            return
        await asyncio.sleep(0.01)


async def test_what_waited_for_a_gateway_is_told_each_in_its_own_trace(lab):
    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    lab.tracing = Tracing(provider.get_tracer("test"))
    lab.engine.first_phase = Phase.FINISHED
    lab.gateway.answer_with = lambda call: httpx.Response(502) if call == "batchIngest" else None
    submissions = [lab.submit("j1"), lab.submit("j2")]
    async with lab.agent():
        await until_pending(lab, EVENTS * len(submissions))
        spans.clear()
        lab.gateway.answer_with = None
        for submission_id in submissions:
            await lab.ended(submission_id)
    reports = [span for span in spans.get_finished_spans() if span.name == "report"]
    traces = {lab.gateway.targets[submission_id].trace_id for submission_id in submissions}
    assert len(traces) == len(submissions)
    assert {format_trace_id(span.context.trace_id) for span in reports} == traces
