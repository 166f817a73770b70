"""One thread that owns the journal's connection, so that a commit's wait for the disk never holds the loop up."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Concatenate, ParamSpec, TypeVar

from slipway_node.journal.journal import Journal

P = ParamSpec("P")
T = TypeVar("T")


class JournalThread:
    """The journal for asyncio: ``await journal.call(Journal.unacked, 100)``."""

    def __init__(self, executor: ThreadPoolExecutor, journal: Journal) -> None:
        self._executor = executor
        self._journal = journal

    @classmethod
    async def open(cls, opener: Callable[[], Journal]) -> "JournalThread":
        """Open the journal in a thread of its own."""
        executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="slipway-journal")
        try:
            return cls(executor, await asyncio.wrap_future(executor.submit(opener)))
        except BaseException:
            executor.shutdown(wait=False)
            raise

    async def call(self, method: Callable[Concatenate[Journal, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return ``method(journal, *args, **kwargs)``; a cancelled caller does not cut the transaction in half."""
        return await asyncio.wrap_future(self._executor.submit(method, self._journal, *args, **kwargs))

    async def close(self) -> None:
        """Let what was begun end, close the file and end the thread."""
        await asyncio.wrap_future(self._executor.submit(self._journal.close))
        self._executor.shutdown(wait=True)
