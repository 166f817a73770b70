"""A load of prepared HTTP requests over a fixed number of connections, cheap enough not to be what is measured.

usage: python -m benchmarks.load PORT CONNECTIONS < requests.bin       (frames: 4-byte length, then the raw request)
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


class Connection(asyncio.Protocol):
    """One keep-alive connection with one request under way at a time."""

    def __init__(
        self, requests: Iterator[bytes], latencies_ms: list[float], statuses: collections.Counter[str]
    ) -> None:
        self.requests = requests
        self.latencies_ms = latencies_ms
        self.statuses = statuses
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.buffer = b""
        self.sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's transports do not derive from asyncio's
        self._next()

    def _next(self) -> None:
        request = next(self.requests, None)
        if request is None:
            self.transport.close()
            self.done.set_result(None)
            return
        self.sent_at = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Take an answer; when it is whole, send the next request."""
        self.buffer += data
        status = status_of(self.buffer)
        if status is None:
            return
        self.latencies_ms.append((time.perf_counter() - self.sent_at) * 1000)
        self.statuses[status] += 1
        self.buffer = b""
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the run when the server hangs up in the middle."""
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server hung up"))


async def run(port: int, connections: int, data: bytes) -> dict[str, object]:
    """Send every request once and return the figures."""
    requests = frames(data)
    latencies_ms: list[float] = []
    statuses: collections.Counter[str] = collections.Counter()
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    made = [
        await loop.create_connection(lambda: Connection(requests, latencies_ms, statuses), "127.0.0.1", port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(protocol.done for _, protocol in made))
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "per_second": len(latencies_ms) / seconds,
        "statuses": statuses,
        "median_ms": statistics.median(latencies_ms),
        "p99_ms": statistics.quantiles(latencies_ms, n=100)[98],
    }


if __name__ == "__main__":
    print(json.dumps(uvloop.run(run(int(sys.argv[1]), int(sys.argv[2]), sys.stdin.buffer.read()))))
