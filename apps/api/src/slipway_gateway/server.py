"""Running the application under uvicorn: a ready line, long polls that end at shutdown, no access log."""

import asyncio
import gc
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from slipway_contracts import IDEMPOTENT_REPLAYED_HEADER
from slipway_gateway import logs
from slipway_gateway.app import build, serving
from slipway_gateway.edge import Edge
from slipway_gateway.metrics import Metrics
from slipway_gateway.routes.event_stream import ABORT
from slipway_gateway.settings import Settings
from slipway_gateway.tracing import tracer

SHUTDOWN_SECONDS = 10
BACKLOG = 2048
PREFLIGHT_SECONDS = 600
WRITE_BUFFER_BYTES = 16 * 1024
# Objects made between collections of the youngest, and collections until the next generation's. A request makes some
# thousand and nearly all die with it; Python's own 700 would walk through the living ones at every request.
COLLECTION_THRESHOLDS = (50_000, 20, 100)


class Server(uvicorn.Server):
    """Ends long polls as soon as it is asked to stop, so that a stop takes no long poll's time."""

    def __init__(self, config: uvicorn.Config, application: FastAPI) -> None:
        super().__init__(config)
        self._application = application

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take SIGTERM and SIGINT as a wish to end; uvicorn's own raises them again, and a clean end is no failure."""
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self.handle_exit, signum, None)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say where in one line."""
        await super().startup(sockets)
        calm_the_collector()
        if self.started and sockets:
            host, port = sockets[0].getsockname()[:2]
            print(f"slipway-gateway ready at http://{host}:{port}", flush=True)  # noqa: T201 - what a caller waits for

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let long polls and streams end, then everything else."""
        self._application.state.services.stop()
        await super().shutdown(sockets)


def calm_the_collector() -> None:
    """Leave what was loaded out of every later collection, and collect by the requests' measure."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTION_THRESHOLDS)


class Protocol(HttpToolsProtocol):
    """Lets the application drop the connection: what cannot be written to cannot be ended well either.

    Little waits to be written, since what waits is held by every one of a thousand streams.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Begin a connection."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)

    def on_message_begin(self) -> None:
        """Begin a request, with `slipway.abort` among its extensions."""
        super().on_message_begin()
        self.scope["extensions"] = {ABORT: {"abort": self.transport.abort}}


def _for_browsers(edge: Edge, origins: Sequence[str]) -> Edge | CORSMiddleware:
    """Return ``edge``, answering pages of ``origins`` as browsers ask for it (CORS)."""
    if not origins:
        return edge
    return CORSMiddleware(
        edge,
        allow_origins=origins,
        allow_methods=("GET", "POST"),
        allow_headers=("Authorization", "Content-Type", "Last-Event-ID", "traceparent"),
        expose_headers=(IDEMPOTENT_REPLAYED_HEADER, "Retry-After"),
        max_age=PREFLIGHT_SECONDS,
    )


def run(settings: Settings) -> int:
    """Serve until a signal; return the exit code. Raises OSError when the address cannot be bound."""
    logs.configure()
    listener = socket.create_server((settings.host, settings.port), backlog=BACKLOG)
    metrics = Metrics()
    application = build(serving(settings, metrics))
    edge = Edge(application, settings.max_in_flight, settings.max_streams, metrics, tracer())
    config = uvicorn.Config(
        _for_browsers(edge, settings.cors_origins),
        loop="uvloop",
        http=Protocol,
        lifespan="on",
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        server_header=False,
    )
    server = Server(config, application)
    server.run(sockets=[listener])
    return 0 if server.started else 1
