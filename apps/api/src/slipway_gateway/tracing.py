"""OpenTelemetry spans of requests, where the environment asks for them (OTEL_TRACES_EXPORTER); else nothing is loaded.

A request's span is a child of its `traceparent`. Without one it begins the trace, whose id is then the `trace_id` that
Slipway tells everywhere, and its own context is what the node gets with the command.
"""

import os
import sys
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

SERVICE_NAME = "slipway-gateway"
_FIRST_SERVER_ERROR = 500
# Calls that tell of no flow: they come every few seconds for ever.
_HEARTBEAT = ":heartbeat"
_PROBES = frozenset({"/api/health", "/api/ready", "/metrics"})


def tracer() -> "Tracer | None":
    """Return what spans are made with, or None where nobody wants them.

    Exporters: `otlp` (HTTP, set up by OTEL_EXPORTER_OTLP_…) and `console` (JSON lines on stderr). Raises ValueError for
    another, and where the packages of the extra `otel` are not installed.
    """
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "none").strip().lower()
    if exporter in ("", "none") or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
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
                raise ValueError(f"OTEL_TRACES_EXPORTER={exporter}: there are otlp, console and none")
    except ImportError:
        raise ValueError("OTEL_TRACES_EXPORTER is set: install slipway-gateway[otel]") from None
    return provider.get_tracer("slipway.gateway")


class Traced:
    """One request as a span; ``scope`` gets the span's trace and context."""

    def __init__(self, tracer: "Tracer", scope: MutableMapping[str, Any]) -> None:
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._scope = scope
        carrier = {"traceparent": scope["slipway.traceparent"]} if scope["slipway.traceparent"] else {}
        parent = TraceContextTextMapPropagator().extract(carrier)
        self._span: Span = tracer.start_span(scope["method"], parent, trace.SpanKind.SERVER)
        self._active = trace.use_span(self._span, end_on_exit=True)
        found = self._span.get_span_context()
        scope["slipway.trace_id"] = trace.format_trace_id(found.trace_id)
        scope["slipway.traceparent"] = (
            f"00-{scope['slipway.trace_id']}-{trace.format_span_id(found.span_id)}-{found.trace_flags:02x}"
        )

    @staticmethod
    def wants(path: str) -> bool:
        """Tell whether requests at ``path``, which do not wait, are part of a flow."""
        return not path.endswith(_HEARTBEAT) and path not in _PROBES

    def __enter__(self) -> Self:
        self._active.__enter__()
        return self

    def __exit__(self, *_error: object) -> None:
        route = self._scope.get("route")
        if route is not None:
            self._span.update_name(f"{self._scope['method']} {route.path}")
            self._span.set_attribute("http.route", route.path)
        self._active.__exit__(None, None, None)

    def answered(self, status: int) -> None:
        """Note the answer's status."""
        from opentelemetry.trace import StatusCode

        self._span.set_attribute("http.response.status_code", status)
        if status >= _FIRST_SERVER_ERROR:
            self._span.set_status(StatusCode.ERROR)


def note(fields: dict[str, Any]) -> None:
    """Put a log line's fields on the span of the request that it tells of, where there is one."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is not None:
        trace.get_current_span().set_attributes(
            {f"slipway.{name}": str(value) for name, value in fields.items() if value is not None}
        )
