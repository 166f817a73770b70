"""Waking those who wait for a node's commands or a workspace's changes.

This process's writes wake at once, other processes' by a watch.

Lives in the event loop's thread alone. A lease notes what it was read at (:meth:`Wakeups.read_at`); a wait that follows
returns at once when anything came since, so that no write between the two is missed.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from slipway_gateway.ports import StoreUnavailableError
from slipway_gateway.stores.sql.session import Topic

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
    """Who waits for what. ``foreign_version`` reads a value that other processes' commits change."""

    def __init__(self, foreign_version: Callable[[], Awaitable[ForeignVersion]]) -> None:
        self._foreign_version = foreign_version
        self._arrivals: dict[str, int] = {}
        self._marks: dict[str, _Mark] = {}
        self._waiting: dict[asyncio.Event, tuple[str, ForeignVersion | None]] = {}
        self._subscribed: dict[Topic, set[asyncio.Event]] = {}
        self._watched: ForeignVersion | None = None
        self._watch: asyncio.Task[None] | None = None
        self._closed = False

    def arrivals(self, node_id: str) -> int:
        """Return how often commands came for the node through this process."""
        return self._arrivals.get(node_id, 0)

    def arrived(self, topics: set[Topic]) -> None:
        """Something was committed for the topics: wake those who wait for them."""
        for topic in topics:
            if isinstance(topic, str):
                self._arrivals[topic] = self._arrivals.get(topic, 0) + 1
            for event in self._subscribed.get(topic, ()):
                event.set()
        for event, (node_id, _) in self._waiting.items():
            if node_id in topics:
                event.set()

    async def changed(self, topic: Topic) -> AsyncGenerator[None, None]:
        """Yield at once, and whenever something may have come for ``topic`` since the last time, until closed.

        What comes while the one who iterates is at work is not lost: the next turn is then at once.
        """
        event = asyncio.Event()
        event.set()
        self._subscribed.setdefault(topic, set()).add(event)
        try:
            while not self._closed:
                self._watch_on()
                await event.wait()
                event.clear()
                yield
        finally:
            events = self._subscribed[topic]
            events.discard(event)
            if not events:
                del self._subscribed[topic]

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
        self._watch_on()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_seconds):
                    await event.wait()
        finally:
            del self._waiting[event]

    async def close(self) -> None:
        """Wake everybody and stop watching."""
        self._closed = True
        self._wake((*self._waiting, *self._subscribers()))
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch

    def _subscribers(self) -> list[asyncio.Event]:
        return [event for events in self._subscribed.values() for event in events]

    @staticmethod
    def _wake(events: Iterable[asyncio.Event]) -> None:
        for event in events:
            event.set()

    def _watch_on(self) -> None:
        if not self._closed and (self._watch is None or self._watch.done()):
            self._watched = None
            self._watch = asyncio.create_task(self._watch_others())

    async def _watch_others(self) -> None:
        """Look for other processes' commits until nobody waits."""
        while self._waiting or self._subscribed:
            try:
                self._compare(await self._foreign_version())
            except StoreUnavailableError:  # the waiter's next read will tell, if it lasts
                self._watched = None
            await asyncio.sleep(WATCH_SECONDS)

    def _compare(self, standing: ForeignVersion) -> None:
        if standing != self._watched:  # also at the first look: what came before it is not known
            self._watched = standing
            self._wake(self._subscribers())
        for event, (node_id, read_at) in list(self._waiting.items()):
            if read_at is None:
                self._waiting[event] = (node_id, standing)
            elif read_at != standing:
                event.set()
