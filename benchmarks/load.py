"""A load of prepared HTTP requests over a fixed number of connections, cheap enough not to be what is measured.

usage: python -m benchmarks.load PORT CONNECTIONS [AGAIN] < requests.bin     (frames: 4-byte length, then the request)
What is answered with status AGAIN is sent again at once, on a new connection.
Prints one JSON object: seconds, statuses, latencies in milliseconds (median, p99).
"""

import asyncio
import collections
import json
import statistics
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import uvloop

HEADER_END = b"\r\n\r\n"
LENGTH = b"content-length:"


def frames(data: bytes) -> Iterator[bytes]:
    """Split length-prefixed requests."""
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 4 + length]
        at += 4 + length


def status_of(answer: bytes) -> str | None:
    """Return the status of an HTTP answer; None as long as it is not whole, since head and body may come apart."""
    head_end = answer.find(HEADER_END)
    if head_end < 0:
        return None
    head = answer[:head_end].lower()
    length = int(head[head.find(LENGTH) + len(LENGTH) :].split(b"\r\n", 1)[0])
    return head[9:12].decode() if len(answer) >= head_end + len(HEADER_END) + length else None


@dataclass
class Load:
    """What is still to be sent, and what became of the rest."""

    requests: collections.deque[bytes]
    again: str | None
    latencies_ms: list[float] = field(default_factory=list)
    statuses: collections.Counter[str] = field(default_factory=collections.Counter)


class Connection(asyncio.Protocol):
    """One keep-alive connection with one request under way at a time."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.buffer = b""
        self.request = b""
        self.sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's transports do not derive from asyncio's
        self._next()

    def _next(self) -> None:
        if not self.load.requests:
            self._close()
            return
        self.request = self.load.requests.popleft()
        self.sent_at = time.perf_counter()
        self.transport.write(self.request)

    def _close(self) -> None:
        self.transport.close()
        self.done.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Take an answer; when it is whole, send the next request."""
        self.buffer += data
        status = status_of(self.buffer)
        if status is None:
            return
        self.load.statuses[status] += 1
        if status == self.load.again:
            self.load.requests.appendleft(self.request)
            self._close()
            return
        self.load.latencies_ms.append((time.perf_counter() - self.sent_at) * 1000)
        self.buffer = b""
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the run when the server hangs up in the middle."""
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server hung up"))


async def run(port: int, connections: int, again: str | None, data: bytes) -> dict[str, object]:
    """Send every request once, and again where it was answered so; return the figures."""
    load = Load(collections.deque(frames(data)), again)
    loop = asyncio.get_running_loop()

    async def lane() -> None:
        while load.requests:
            _, protocol = await loop.create_connection(lambda: Connection(load), "127.0.0.1", port)
            await protocol.done

    began = time.perf_counter()
    await asyncio.gather(*(lane() for _ in range(connections)))
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "per_second": len(load.latencies_ms) / seconds,
        "statuses": load.statuses,
        "median_ms": statistics.median(load.latencies_ms),
        "p99_ms": statistics.quantiles(load.latencies_ms, n=100)[98],
    }


if __name__ == "__main__":
    port, connections, again = int(sys.argv[1]), int(sys.argv[2]), next(iter(sys.argv[3:]), None)
    print(json.dumps(uvloop.run(run(port, connections, again, sys.stdin.buffer.read()))))
