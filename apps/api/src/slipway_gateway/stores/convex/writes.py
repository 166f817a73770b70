"""Writes that wake: carried to their end whether or not the caller stays, and whoever waits is woken after them."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


class Writes:
    """What is under way. ``arrived`` tells of nodes that something came for."""

    def __init__(self, arrived: Callable[[Iterable[str]], None]) -> None:
        self._arrived = arrived
        self._under_way: set[asyncio.Task[Any]] = set()

    async def close(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def waking(self, node_ids: Iterable[str], writing: Coroutine[Any, Any, T]) -> T:
        """Write, and then wake the nodes, also where the answer was lost and what was written is not known."""

        async def write() -> T:
            try:
                return await writing
            finally:
                self._arrived(node_ids)

        return await self.to_its_end(write())

    async def to_its_end(self, writing: Coroutine[Any, Any, T]) -> T:
        """Write, whether or not the caller stays: what wakes is to come after what was written."""
        task = asyncio.create_task(writing)
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # it is the caller's, who may have left
