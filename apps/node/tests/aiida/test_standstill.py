"""The engine's thread, looked at from outside: what waits for ever is told from what is at work."""

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from slipway_node.aiida.standstill import Standstill
from slipway_node.aiida.thread import EngineThread


@pytest.fixture
async def thread():
    made = EngineThread()
    await made.run(lambda: None)
    yield made
    made.close()


async def still_after_looks(thread: EngineThread, work: Callable[[threading.Event], None]) -> list[float]:
    """Look four times, as if each ten seconds, while the thread does ``work``."""
    told, now = threading.Event(), iter(range(0, 100, 10))
    standstill = Standstill(thread, lambda: float(next(now)))
    began = threading.Event()
    at_work = asyncio.create_task(thread.run(lambda: began.set() or work(told)))
    await asyncio.to_thread(began.wait)
    await asyncio.sleep(0.05)
    looks = []
    for _ in range(4):
        looks.append(standstill.seconds())
        await asyncio.sleep(0.5)
    told.set()
    await at_work
    return looks


def waits(told: threading.Event) -> None:
    told.wait()


def computes(told: threading.Event) -> None:
    while not told.is_set():
        sum(range(10_000))


def reads(told: threading.Event) -> None:
    with open("/dev/zero", "rb") as source:  # noqa: PTH123 - a device
        while not told.is_set():
            source.read(1 << 20)
            time.sleep(0.01)


async def test_a_call_that_does_nothing_stands_still_from_its_second_look_on(thread):
    assert await still_after_looks(thread, waits) == [0.0, 0.0, 10.0, 20.0]


@pytest.mark.parametrize("work", [computes, reads])
async def test_a_call_that_computes_or_reads_does_not(thread, work):
    assert await still_after_looks(thread, work) == [0.0] * 4


async def test_a_thread_that_has_nothing_to_do_does_not(thread):
    standstill = Standstill(thread, time.monotonic)
    assert [standstill.seconds() for _ in range(3)] == [0.0] * 3
