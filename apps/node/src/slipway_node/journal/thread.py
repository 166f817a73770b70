"""One thread that owns the journal's connection, so that a commit's wait for the disk never holds the loop up.

What the disk does not take is tried again until it does: each method is one transaction, which is then as if it had
never been tried. So nothing is acked, told or launched before it is written down, and a full disk makes the agent wait
instead of ending it. So does one that is full when the journal is to be opened.
"""

import asyncio
import functools
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Concatenate, ParamSpec, TypeVar

import structlog

from slipway_node import storage
from slipway_node.journal.journal import Journal
from slipway_node.journal.trouble import is_broken, unusable

AGAIN_SECONDS = 1.0

_log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class JournalThread:
    """The journal for asyncio: ``await journal.call(Journal.unacked, 100)``."""

    def __init__(self, opener: Callable[[], Journal]) -> None:
        self._opener = opener
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="slipway-journal")
        self._journal: Journal | None = None
        self._unopened: str | None = None  # what the disk said
        self._untaken: dict[object, str] = {}  # a waiting call → what the disk said last

    @classmethod
    async def open(cls, opener: Callable[[], Journal]) -> "JournalThread":
        """Open the journal in a thread of its own; where its disk does not let it be opened, the first call does.

        Raises JournalUnusableError where that is not the disk's word or another's lock, and what ``opener`` raises.
        """
        thread = cls(opener)
        try:
            await asyncio.wrap_future(thread._executor.submit(thread._opened))
        except BaseException as error:
            if not _may_pass(error):
                thread._executor.shutdown(wait=False)
                if isinstance(error, sqlite3.Error):
                    raise unusable(error) from error
                raise
            thread._unopened = str(error)
            _log.error("journal_not_opened", detail=str(error))
        return thread

    @property
    def is_open(self) -> bool:
        """Tell whether it could be opened yet."""
        return self._journal is not None

    @property
    def trouble(self) -> str | None:
        """Why something waits to be written, where it does."""
        waiting = next(iter(self._untaken.values()), None)
        return waiting if self.is_open else waiting or self._unopened

    async def call(self, method: Callable[Concatenate[Journal, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return ``method(journal, *args, **kwargs)``, however long the disk does not take it.

        A cancelled caller does not cut the transaction in half. Raises JournalBrokenError.
        """
        me = object()
        try:
            while True:
                try:
                    work = functools.partial(self._done, method, *args, **kwargs)
                    return await asyncio.wrap_future(self._executor.submit(work))
                except sqlite3.DatabaseError as error:
                    if is_broken(error):
                        raise unusable(error) from error
                    if not _may_pass(error):
                        raise
                    if not self._untaken:
                        _log.error("journal_not_written", detail=str(error))
                    self._untaken[me] = str(error)
                await asyncio.sleep(AGAIN_SECONDS)
        finally:
            self._untaken.pop(me, None)

    async def close(self) -> None:
        """Let what was begun end, close the file and end the thread."""
        if self._journal is not None:
            await asyncio.wrap_future(self._executor.submit(self._journal.close))
        self._executor.shutdown(wait=True)

    def _done(self, method: Callable[Concatenate[Journal, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return method(self._opened(), *args, **kwargs)

    def _opened(self) -> Journal:
        if self._journal is None:
            self._journal = self._opener()
        return self._journal


def _may_pass(error: BaseException) -> bool:
    """Tell whether it is the disk's word, or another's lock on the file."""
    if not isinstance(error, sqlite3.OperationalError):
        return False
    return storage.is_told_by(error) or storage.sqlite_code(error) == sqlite3.SQLITE_BUSY
