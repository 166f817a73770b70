"""One thread that owns the journal's connection, so that a commit's wait for the disk never holds the loop up.

What the disk does not take is tried again until it does: each method is one transaction, which is then as if it had
never been tried. So nothing is acked, told or launched before it is written down, and a full disk makes the agent wait
instead of ending it.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Concatenate, ParamSpec, TypeVar

import structlog

from slipway_node import storage
from slipway_node.journal.journal import Journal

AGAIN_SECONDS = 1.0

_log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class JournalThread:
    """The journal for asyncio: ``await journal.call(Journal.unacked, 100)``."""

    def __init__(self, executor: ThreadPoolExecutor, journal: Journal) -> None:
        self._executor = executor
        self._journal = journal
        self._untaken: dict[object, str] = {}  # a waiting call → what the disk said last

    @classmethod
    async def open(cls, opener: Callable[[], Journal]) -> "JournalThread":
        """Open the journal in a thread of its own."""
        executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="slipway-journal")
        try:
            return cls(executor, await asyncio.wrap_future(executor.submit(opener)))
        except BaseException:
            executor.shutdown(wait=False)
            raise

    @property
    def trouble(self) -> str | None:
        """Why something waits to be written, where it does."""
        return next(iter(self._untaken.values()), None)

    async def call(self, method: Callable[Concatenate[Journal, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return ``method(journal, *args, **kwargs)``, however long the disk does not take it.

        A cancelled caller does not cut the transaction in half.
        """
        me = object()
        try:
            while True:
                try:
                    return await asyncio.wrap_future(self._executor.submit(method, self._journal, *args, **kwargs))
                except sqlite3.OperationalError as error:
                    if not storage.is_told_by(error) and error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                        raise
                    if not self._untaken:
                        _log.error("journal_not_written", detail=str(error))
                    self._untaken[me] = str(error)
                await asyncio.sleep(AGAIN_SECONDS)
        finally:
            self._untaken.pop(me, None)

    async def close(self) -> None:
        """Let what was begun end, close the file and end the thread."""
        await asyncio.wrap_future(self._executor.submit(self._journal.close))
        self._executor.shutdown(wait=True)
