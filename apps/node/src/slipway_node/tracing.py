"""OpenTelemetry spans of the node's steps, where the environment asks for them (OTEL_TRACES_EXPORTER).

A step's span is a child of the context that came with its command, so that it survives the agent: the command is in the
journal. Without an exporter nothing is loaded and nothing is made.
"""

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from slipway_contracts.execution_event import ExecutionEvent
from slipway_contracts.node_protocol import NodeCommand
from slipway_node.agent.logs import fields_of

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Tracer

SERVICE_NAME = "slipway-node"
_NANOSECONDS = 1_000_000_000


class TracingSettingError(Exception):
    """The environment asks for spans that cannot be made here."""


class Tracing:
    """Makes spans with ``tracer``; with None it makes none."""

    def __init__(self, tracer: "Tracer | None" = None) -> None:
        self._tracer = tracer
        self._running: dict[str, datetime] = {}

    @property
    def on(self) -> bool:
        """Whether anybody wants spans."""
        return self._tracer is not None

    @contextmanager
    def step(self, name: str, command: NodeCommand) -> Iterator[str | None]:
        """Run one step of a submission as a span; yield its `traceparent`. A step within a step is its child."""
        if self._tracer is None:
            yield None
            return
        from opentelemetry import trace

        within = trace.get_current_span().get_span_context()
        same = within.is_valid and trace.format_trace_id(within.trace_id) == command.trace_id
        parent = None if same else _context_of(command)
        with self._tracer.start_as_current_span(name, parent, attributes=_attributes(command)) as span:
            context = span.get_span_context()
            found = trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id)
            yield f"00-{found[0]}-{found[1]}-{context.trace_flags:02x}"

    def runs(self, command: NodeCommand, at: datetime) -> None:
        """Note when an execution was seen to run; the engine tells no time of its own."""
        if self._tracer is not None:
            self._running.setdefault(command.submission_id, at)

    def ran(self, command: NodeCommand, ended: datetime, state: str) -> None:
        """Tell of an execution, from when this agent saw it run; none where it did not."""
        began = self._running.pop(command.submission_id, None)
        if self._tracer is None or began is None:
            return
        attributes = {**_attributes(command), "slipway.state": state}
        began = min(began, ended)
        span = self._tracer.start_span(
            "run", _context_of(command), attributes=attributes, start_time=_nanoseconds(began)
        )
        span.end(_nanoseconds(ended))


def configured() -> Tracing:
    """Return what the environment asks for: `otlp` (set up by OTEL_EXPORTER_OTLP_…), `console`, or none.

    Raises TracingSettingError for another exporter, and where the packages of the extra `otel` are not installed.
    """
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "none").strip().lower()
    if exporter in ("", "none") or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return Tracing()
    os.environ.setdefault("OTEL_SERVICE_NAME", SERVICE_NAME)
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor

        provider = TracerProvider(resource=Resource.create())
        match exporter:
            case "console":
                lines = ConsoleSpanExporter(out=sys.stderr, formatter=lambda span: span.to_json(indent=None) + "\n")
                provider.add_span_processor(SimpleSpanProcessor(lines))
            case "otlp":
                from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

                provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
            case _:
                raise TracingSettingError(f"OTEL_TRACES_EXPORTER={exporter}: there are otlp, console and none")
    except ImportError:
        raise TracingSettingError("OTEL_TRACES_EXPORTER is set: install slipway-node[otel]") from None
    return Tracing(provider.get_tracer("slipway.node"))


def _context_of(command: NodeCommand) -> "Context":
    """Return the context that the command came with; of its trace alone where it brought no span."""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carried = command.traceparent or f"00-{command.trace_id}-{secrets.token_hex(8)}-01"
    return TraceContextTextMapPropagator().extract({"traceparent": carried})


def _attributes(of: NodeCommand | ExecutionEvent) -> dict[str, str]:
    return {f"slipway.{name}": value for name, value in fields_of(of).items()}


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * _NANOSECONDS)
