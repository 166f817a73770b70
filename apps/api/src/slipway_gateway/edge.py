"""The outermost layer, plain ASGI: a trace id for every request, bounded bodies, bounded work in flight."""

import contextlib
import os
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from fastapi import Request

from slipway_contracts.errors import Code
from slipway_contracts.node_protocol import HEARTBEAT_MAX_BYTES
from slipway_contracts.submit_job_command import BATCH_MAX_BYTES, COMMAND_MAX_BYTES
from slipway_gateway.metrics import Metrics
from slipway_gateway.problems import ContractError
from slipway_gateway.refusing import refuse
from slipway_gateway.tracing import Traced

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# W3C Trace Context: version 00 ends here, a later one may go on; version ff, and ids of zeros alone, are none.
_TRACEPARENT = re.compile(rb"((?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2})(-.*)?")
LENGTH_DIGITS = 18  # more than any body has, and cheap to read
# No id has a colon, so no job or node can be called what ends as a long poll or a batch does; but one may be "stream".
_LONG_POLL = ":lease"
_STREAM_END = "/stream"
_STREAM = re.compile(r"/api/runtime/(jobs/[^/]+/)?stream")
_BATCHES = (":batchSubmit", ":batchIngest")


def body_limit_bytes(path: str) -> int:
    """Return the most bytes a body at ``path`` may have (docs/contracts/README.md, limits)."""
    if path.endswith(_BATCHES):
        return BATCH_MAX_BYTES
    return HEARTBEAT_MAX_BYTES if path.endswith(":heartbeat") else COMMAND_MAX_BYTES


class Edge:
    """Wraps ``app``; more than ``max_in_flight`` requests at once are refused with rate_limited.

    Long polls do not count: they wait, they do not work; streams have a count of their own, ``max_streams``. The counts
    are of this process and of this moment only.
    """

    def __init__(
        self, app: App, max_in_flight: int, max_streams: int, metrics: Metrics, tracer: "Tracer | None" = None
    ) -> None:
        self._app = app
        self._max_in_flight = max_in_flight
        self._in_flight = 0
        self._max_streams = max_streams
        self._streams = 0
        self._long_polls = 0
        self._metrics = metrics
        self._tracer = tracer
        metrics.gauge("slipway_requests_in_flight", "Requests at work", lambda: self._in_flight)
        metrics.gauge("slipway_streams_open", "Streams open", lambda: self._streams)
        metrics.gauge("slipway_long_polls_open", "Nodes that wait for commands", lambda: self._long_polls)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = _read_headers(scope)
        limit = body_limit_bytes(scope["path"])
        if length is not None and length > limit:
            await self._refuse(Code.PAYLOAD_TOO_LARGE, f"the body is over {limit} bytes", scope, receive, send)
            return
        if scope["path"].endswith(_LONG_POLL):
            self._long_polls += 1
            try:
                await self._serve(scope, _bounded(receive, limit), send, waits=True)
            finally:
                self._long_polls -= 1
            return
        if scope["path"].endswith(_STREAM_END) and _STREAM.fullmatch(scope["path"]):
            await self._serve_stream(scope, _bounded(receive, limit), send)
            return
        if self._in_flight >= self._max_in_flight:
            detail = f"{self._max_in_flight} requests are in flight in this process"
            await self._refuse(Code.RATE_LIMITED, detail, scope, receive, send)
            return
        self._in_flight += 1
        try:
            await self._serve(scope, receive if length is not None else _bounded(receive, limit), send)
        finally:
            self._in_flight -= 1

    async def _serve_stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._streams >= self._max_streams:
            detail = f"{self._max_streams} streams are open in this process"
            await self._refuse(Code.RATE_LIMITED, detail, scope, receive, send)
            return
        self._streams += 1
        try:
            await self._serve(scope, receive, send, waits=True)
        finally:
            self._streams -= 1

    async def _serve(self, scope: Scope, receive: Receive, send: Send, *, waits: bool = False) -> None:
        """Serve a request; one that ``waits`` for what may never come is neither timed nor traced."""
        began = time.perf_counter()
        answer = _Answer(send)
        if self._tracer is None or waits or not Traced.wants(scope["path"]):
            await self._answered(scope, receive, answer)
        else:
            with Traced(self._tracer, scope) as traced:
                await self._answered(scope, receive, answer)
                traced.answered(answer.status)
        self._metrics.answered(scope, answer.status, None if waits else time.perf_counter() - began)

    async def _answered(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        # A fault was answered and logged by the application's handler, which then passes it on to be logged once more.
        with contextlib.suppress(Exception):
            await self._app(scope, receive, answer)

    async def _refuse(self, code: Code, detail: str, scope: Scope, receive: Receive, send: Send) -> None:
        answer = refuse(Request(scope), ContractError(code, detail), self._metrics)
        answer.headers["Connection"] = "close"  # the body was not read, so the connection cannot be used again
        await answer(scope, receive, send)


class _Answer:
    """Sends, and remembers the status; 0 is that of a request whose client left before there was one."""

    __slots__ = ("_send", "status")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    def __call__(self, message: MutableMapping[str, Any]) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        return self._send(message)


def _read_headers(scope: Scope) -> int | None:
    """Set the trace of ``scope`` from its traceparent, or a new one; return the Content-Length, if it has one."""
    length: int | None = None
    scope["slipway.trace_id"] = trace_id = None
    scope["slipway.traceparent"] = None
    for name, value in scope["headers"]:
        if name == b"content-length":
            length = int(value.lstrip(b"0")[:LENGTH_DIGITS] or b"0") if value.isdigit() else None
        elif name == b"traceparent" and (match := _TRACEPARENT.fullmatch(value)):
            if match[3] and value.startswith(b"00"):
                continue
            trace_id = match[2].decode()
            scope["slipway.traceparent"] = match[1].decode()
    scope["slipway.trace_id"] = trace_id or os.urandom(16).hex()
    return length


def _bounded(receive: Receive, limit: int) -> Receive:
    """Return ``receive`` counting the body: it is refused as soon as it is over ``limit``, not when it was read."""
    read = 0

    async def counted() -> MutableMapping[str, Any]:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > limit:
            raise ContractError(Code.PAYLOAD_TOO_LARGE, f"the body is over {limit} bytes")
        return message

    return counted
