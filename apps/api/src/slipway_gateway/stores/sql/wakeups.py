"""Waking those who wait for a node's commands: this process's writes at once, other processes' by a watch.

Lives in the event loop's thread alone. A lease notes what it was read at (:meth:`Wakeups.read_at`); a wait that follows
returns at once when anything came since, so that no write between the two is missed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from slipway_gateway.ports import StoreUnavailableError

WATCH_SECONDS = 0.15
"""How long another process's write may go unnoticed; the watch costs one small query a turn, while somebody waits."""

_NEVER = -1  # equal to no count of arrivals

ForeignVersion = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Mark:
    """What a lease was read at."""

    arrivals: int
    foreign_version: ForeignVersion


class Wakeups:
    """Who waits for which node. ``foreign_version`` reads a value that other processes' commits change."""

    def __init__(self, foreign_version: Callable[[], Awaitable[ForeignVersion]]) -> None:
        self._foreign_version = foreign_version
        self._arrivals: dict[str, int] = {}
        self._marks: dict[str, _Mark] = {}
        self._waiting: dict[asyncio.Event, tuple[str, ForeignVersion | None]] = {}
        self._watch: asyncio.Task[None] | None = None

    def arrivals(self, node_id: str) -> int:
        """Return how often commands came for the node through this process."""
        return self._arrivals.get(node_id, 0)

    def arrived(self, node_ids: set[str]) -> None:
        """Commands were committed for the nodes: wake those who wait for them."""
        for node_id in node_ids:
            self._arrivals[node_id] = self._arrivals.get(node_id, 0) + 1
        for event, (node_id, _) in self._waiting.items():
            if node_id in node_ids:
                event.set()

    def read_at(self, node_id: str, arrivals: int, foreign_version: ForeignVersion, *, took_all: bool) -> None:
        """Note what a lease was read at; one that left commands behind is as if they came right after."""
        self._marks[node_id] = _Mark(arrivals if took_all else _NEVER, foreign_version)

    async def wait(self, node_id: str, timeout_seconds: float) -> None:
        """Return when commands may have come since the node's last lease was read, at the latest at the time-out."""
        mark = self._marks.get(node_id)
        if mark is not None and mark.arrivals != self.arrivals(node_id):
            return
        event = asyncio.Event()
        self._waiting[event] = (node_id, mark.foreign_version if mark else None)
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._watch_others())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_seconds):
                    await event.wait()
        finally:
            del self._waiting[event]

    async def close(self) -> None:
        """Wake everybody and stop watching."""
        for event in self._waiting:
            event.set()
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch

    async def _watch_others(self) -> None:
        """Look for other processes' commits until nobody waits."""
        while self._waiting:
            with suppress(StoreUnavailableError):  # the waiter's next lease will tell, if it lasts
                self._compare(await self._foreign_version())
            await asyncio.sleep(WATCH_SECONDS)

    def _compare(self, standing: ForeignVersion) -> None:
        for event, (node_id, read_at) in list(self._waiting.items()):
            if read_at is None:
                self._waiting[event] = (node_id, standing)
            elif read_at != standing:
                event.set()
