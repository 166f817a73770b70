"""A journal that cannot be used, told from one that is not there: what is in it is not to be taken for nothing."""

import contextlib
import sqlite3
from collections.abc import Iterator

from slipway_node import storage

_BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class JournalUnusableError(Exception):
    """The journal's file gives nothing out now, or takes nothing: it is locked, or its disk says no."""


class JournalBrokenError(JournalUnusableError):
    """The journal's file is none any more, and waiting makes none of it."""


def is_broken(error: sqlite3.Error) -> bool:
    """Tell whether SQLite says that the file is no database, or one that is broken."""
    return storage.sqlite_code(error) in _BROKEN


def unusable(error: sqlite3.Error) -> JournalUnusableError:
    """Return what an error that was met with the journal's file says of it."""
    kind = JournalBrokenError if is_broken(error) else JournalUnusableError
    return kind(f"journal.db cannot be used: {error}")


@contextlib.contextmanager
def told_as_unusable() -> Iterator[None]:
    """Raise JournalUnusableError for what SQLite raises within."""
    try:
        yield
    except sqlite3.Error as error:
        raise unusable(error) from error
