"""How long AiiDA's workers wait for the lock on SQLite's record."""

import sqlite3
from typing import Any

from sqlalchemy import event
from sqlalchemy.pool import Pool

LOCKED_SECONDS = 30
"""Python's driver waits for 5. A worker whose write fails drops its process (ADR-0011); one that waits has it still."""


def wait_for_the_record() -> None:
    """Have each connection to SQLite that this process takes wait for so long; may be repeated."""
    if not event.contains(Pool, "checkout", _wait):
        event.listen(Pool, "checkout", _wait)


def _wait(connection: Any, *_: Any) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute(f"PRAGMA busy_timeout = {1000 * LOCKED_SECONDS}")
