"""Subscribers live through a gateway that is killed again and again: each change once, in order."""

import asyncio
import contextlib
import random
from dataclasses import dataclass, field

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from event_reader import listening
from job_world import JobWorld
from local_stack import Gateway
from proxy import Fault, Proxy
from signed_node import SignedNode

from slipway import AsyncSlipway

STATES = ("accepted", "running", "completed")
KILLS = 20
JOBS = 250
CHANGES = 4 * JOBS  # submitted, accepted, running, completed
SUBSCRIBERS = 8
PAUSE_SECONDS = 0.05
JITTER_SECONDS = 0.02  # so that a kill meets any step of a request


@dataclass
class Subscriber:
    """Follows the workspace, or one job, and takes up where it was when the connection is lost."""

    world: JobWorld
    job_id: str | None
    seen: list[int] = field(default_factory=list)
    lost: int = 0

    async def follow(self, last: int) -> None:
        """Note the ids of changes until ``last`` was told."""
        while not self.seen or self.seen[-1] < last:
            with contextlib.suppress(httpx.HTTPError, StopAsyncIteration, TimeoutError):
                await self._take_up(last)
            self.lost += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def _take_up(self, last: int) -> None:
        since = str(self.seen[-1] if self.seen else 0)
        async with listening(self.world.url, self.world.token, self.job_id, last_event_id=since) as reader:
            while not self.seen or self.seen[-1] < last:
                event = await reader.next()
                if event.event != "end":
                    assert event.event == "change"  # what is kept is never reset
                    self.seen.append(int(event.id))


def work(world: JobWorld, first: dict) -> None:
    """Bring the jobs to their end, the first one last, so that its last change is the workspace's."""
    world.report(first, "accepted", "running")
    for _ in range(JOBS - 1):
        world.report(world.submit(), "accepted", "running", "completed")
    world.report(first, "completed")


async def kill_again_and_again(gateway: Gateway, watched: Subscriber, working: asyncio.Task[None]) -> None:
    """Kill the gateway at random moments, evenly over the changes, and start it again each time; raises as the work."""
    moments = random.Random(3)
    for kill in range(1, KILLS + 1):
        while len(watched.seen) < kill * CHANGES // (KILLS + 1):
            await asyncio.sleep(PAUSE_SECONDS / 10)
            if working.done():
                await working
        await asyncio.sleep(moments.uniform(0, JITTER_SECONDS))
        gateway.process.kill()
        await asyncio.to_thread(gateway.start)


async def test_the_work_outlives_a_gateway_that_is_killed_in_the_middle_of_its_answer(tmp_path):
    answers = iter([b"", b'{"ok": true}'])

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n" + next(answers))
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        gateway = Gateway(tmp_path / "data", tmp_path / "gateway.log", server.sockets[0].getsockname()[1])
        world = JobWorld(gateway, SignedNode(gateway, Ed25519PrivateKey.generate()), "physics", "token")
        assert await asyncio.to_thread(world._outlived, "POST", "/", {}) == {"ok": True}


@pytest.mark.timeout(240)
@pytest.mark.idempotency("projection-update")
async def test_each_subscriber_sees_each_change_once_through_twenty_kills(tmp_path):
    gateway = Gateway(tmp_path / "data", tmp_path / "gateway.log")
    gateway.start()
    try:
        world = JobWorld.at(gateway)
        first = world.submit()
        subscribers = [Subscriber(world, None) for _ in range(SUBSCRIBERS)]
        of_job = [Subscriber(world, first["job_id"]) for _ in range(SUBSCRIBERS)]
        following = [asyncio.create_task(each.follow(CHANGES)) for each in subscribers + of_job]
        working = asyncio.create_task(asyncio.to_thread(work, world, first))
        await kill_again_and_again(gateway, subscribers[0], working)
        await working
        await asyncio.wait_for(asyncio.gather(*following), 60)
    finally:
        gateway.process.stop()
    assert [each.seen for each in subscribers] == [list(range(1, CHANGES + 1))] * SUBSCRIBERS
    assert [each.seen for each in of_job] == [[1, 2, 3, CHANGES]] * SUBSCRIBERS
    assert all(each.lost >= KILLS / 2 for each in subscribers)  # the kills were felt


@pytest.mark.idempotency("projection-update")
@pytest.mark.parametrize("fault", [Fault.CUT, Fault.HALF_CLOSED])
async def test_a_reader_whose_link_fails_in_the_middle_is_told_each_change_once(tmp_path, fault):
    gateway = Gateway(tmp_path / "data", tmp_path / "gateway.log")
    gateway.start()
    try:
        world = JobWorld.at(gateway)
        with Proxy(gateway.port, delay_seconds=0.0) as link:
            strikes = [link.arm("/api/runtime/stream", fault, word) for word in (b'"running"', b'"completed"')]
            product = AsyncSlipway(f"http://127.0.0.1:{link.port}", world.token)
            working = asyncio.create_task(asyncio.to_thread(lambda: world.report(world.submit(), *STATES)))
            async with product, asyncio.timeout(30):
                told: list[int] = []
                async for change in product.stream(after=0):
                    told.append(change.change)
                    if len(told) > len(STATES):
                        break
            await working
    finally:
        gateway.process.stop()
    assert told == [1, 2, 3, 4]
    assert any(strike.met.is_set() for strike in strikes)
