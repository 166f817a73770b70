"""Streams: from an event's report to its subscribers, and what a thousand of them weigh."""

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

from job_world import JobWorld
from local_stack import Gateway

from benchmarks import report
from benchmarks.accept import resident_mib
from benchmarks.load import status_of
from benchmarks.report import Row
from slipway_contracts.execution_event import ExecutionState

ROUNDS, SECONDS, PER_SECOND, STREAMS = 3, 20, 100, 100
MANY = 1_000
P50_MS, P99_MS, MANY_MIB = 10.0, 50.0, 190.0  # 200 MB
STATES = (ExecutionState.ACCEPTED, ExecutionState.RUNNING, ExecutionState.COMPLETED)
SETTLED_SECONDS = 1.0
TOLD_LOOKS = 60  # a second apart, until every stream has been told


class Listener(asyncio.Protocol):
    """One stream, read raw: notes when the frame of each change came, as soon as its number was read."""

    def __init__(self, request: bytes, arrived: dict[int, list[float]]) -> None:
        self._request = request
        self._arrived = arrived
        self._rest = b""
        self.open = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Note the numbers in ``data``."""
        now = time.perf_counter()
        *whole, self._rest = (self._rest + data).split(b"\nid: ")
        for part in [*whole[1:], self._rest] if whole else []:
            number, newline, _ = part.partition(b"\n")
            if newline:
                self._arrived.setdefault(int(number), []).append(now)
        if whole and not self.open.done():
            self.open.set_result(None)
        if whole:
            self._rest = b""  # a number is never cut: each frame is written at once, and read whole on loopback


async def listen(world: JobWorld, count: int, arrived: dict[int, list[float]]) -> list[asyncio.Transport]:
    """Open ``count`` streams of the workspace; return once each has told where it begins."""
    where = urlsplit(world.url)
    request = f"GET /api/runtime/stream HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {world.token}\r\n\r\n".encode()
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: Listener(request, arrived), str(where.hostname), where.port or 0)
        for _ in range(count)
    ]
    await asyncio.gather(*(listener.open for _, listener in made))
    return [transport for transport, _ in made]


class Reporter(asyncio.Protocol):
    """One keep-alive connection that reports prepared events, one after another."""

    def __init__(self) -> None:
        self._answered: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take an answer; its head and its body may come apart."""
        self._got += data
        status = status_of(self._got)
        if self._answered is None or status is None:
            return
        if status == "200":
            self._answered.set_result(None)
        else:
            self._answered.set_exception(RuntimeError(self._got.decode()))

    async def report(self, request: bytes) -> float:
        """Send ``request``; return when it was answered."""
        assert self._transport is not None
        self._got, self._answered = b"", asyncio.get_running_loop().create_future()
        self._transport.write(request)
        await self._answered
        return time.perf_counter()


async def _round(world: JobWorld, arrived: dict[int, list[float]], first: int) -> tuple[list[float], list[float]]:
    """Report events at an even pace; return ms from when each was due, and from its answer, to each subscriber.

    One that had to wait for the answer to the one before was due all the same: a stall counts for all that it held up.
    """
    count = SECONDS * PER_SECOND
    jobs = [await asyncio.to_thread(world.submit) for _ in range(-(-count // len(STATES)))]
    base = first + len(jobs)
    requests = [
        world.node.signed(f"/api/runtime/jobs/{job['job_id']}/events", world.event(job, state))
        for job in jobs
        for state in STATES
    ][:count]
    where = urlsplit(world.url)
    _, reporter = await asyncio.get_running_loop().create_connection(Reporter, str(where.hostname), where.port or 0)
    times: list[tuple[float, float]] = []
    began = time.perf_counter()
    for index, request in enumerate(requests):
        due = began + index / PER_SECOND
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        times.append((due, await reporter.report(request)))
    await asyncio.sleep(SETTLED_SECONDS)
    from_due, from_answer = [], []
    for index, (due, answered) in enumerate(times):
        came = arrived[base + index + 1]
        if len(came) != STREAMS:
            raise RuntimeError(f"change {base + index + 1} came to {len(came)} of {STREAMS} streams")
        from_due += [1_000 * (moment - due) for moment in came]
        from_answer += [1_000 * (moment - answered) for moment in came]
    return from_due, from_answer


async def _latency(world: JobWorld) -> list[Row]:
    arrived: dict[int, list[float]] = {}
    transports = await listen(world, STREAMS, arrived)
    due: list[list[float]] = []
    answered: list[list[float]] = []
    changes = 0
    for number in range(ROUNDS):
        print(f"bench: streams, round {number + 1} of {ROUNDS}", file=sys.stderr)
        from_due, from_answer = await _round(world, arrived, changes)
        changes = max(arrived)
        due.append(from_due)
        answered.append(from_answer)
    for transport in transports:
        transport.close()
    note = f"{PER_SECOND} events/s, {STREAMS} streams, {SECONDS} s a round"
    return [
        report.delays("event due → subscriber", "ms", due, (P50_MS, P99_MS), note),
        report.delays("event answered → subscriber", "ms", answered, note=note),
    ]


async def _weight(gateway: Gateway, world: JobWorld) -> list[Row]:
    arrived: dict[int, list[float]] = {}
    transports = await listen(world, MANY, arrived)
    begun_at = max(arrived)
    arrived.clear()
    await asyncio.to_thread(world.submit_many, MANY)
    wanted = dict.fromkeys(range(begun_at + 1, begun_at + MANY + 1), MANY)
    for _ in range(TOLD_LOOKS):
        if {change: len(times) for change, times in arrived.items()} == wanted:
            break
        await asyncio.sleep(SETTLED_SECONDS)
    else:
        raise RuntimeError("not every change came to every stream once")
    now, most = (resident_mib(gateway.process.pid, word) for word in ("VmRSS", "VmHWM"))
    for transport in transports:
        transport.close()
    note = f"when each had been told {MANY} changes, and at the most"
    return [Row(f"resident with {MANY} streams", "MiB", [now, most], f"≤ {MANY_MIB:g} MiB", most <= MANY_MIB, note)]


def measure() -> list[Row]:
    """Measure latency at a steady rate, then the memory of many streams, on one gateway process."""
    return _on_a_gateway(_both)


async def _both(gateway: Gateway, world: JobWorld) -> list[Row]:
    return [*await _latency(world), *await _weight(gateway, world)]


def _on_a_gateway(work: Callable[[Gateway, JobWorld], Awaitable[list[Row]]]) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        gateway = Gateway(Path(folder) / "data", Path(folder) / "gateway.log", env={"SLIPWAY_MAX_OPEN_JOBS": "100000"})
        gateway.start()
        try:
            world = JobWorld.at(gateway)

            async def run() -> list[Row]:
                return await work(gateway, world)

            return asyncio.run(run())
        finally:
            gateway.process.stop()
