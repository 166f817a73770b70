"""SQLite: connections, what their failures mean, and running statements on them; nothing else speaks to the driver."""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway_gateway.stores.sql.revision import SCHEMA_REVISION
from slipway_gateway.stores.sql.statements import Insert, Keyed, Query, Row, grouped, texts_of

if TYPE_CHECKING:
    from slipway_gateway.stores.sql.session import Topic

TEXTS = texts_of("sqlite")
BUSY_TIMEOUT_SECONDS = 5.0
"""How long a statement waits for another process's lock before the store counts as out of reach."""
CACHED_STATEMENTS = 512
CACHE_KIB = 16 * 1024
CHECKPOINT_PAGES = 16_000  # 64 MiB of log between checkpoints: fewer pauses, and a bounded log


def connect(
    path: Path, *, read_only: bool, exclusive: bool = False, busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS
) -> sqlite3.Connection:
    """Open the existing database at ``path``; raises sqlite3.Error. A missing file is not created.

    From its first statement on nobody else may have an ``exclusive`` connection's database open, also to read.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=busy_timeout_seconds,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=CACHED_STATEMENTS,
    )
    try:
        for pragma in (
            f"locking_mode = {'EXCLUSIVE' if exclusive else 'NORMAL'}",
            "synchronous = FULL",
            "foreign_keys = ON",
            "temp_store = MEMORY",
            f"cache_size = -{CACHE_KIB}",
            f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
            f"query_only = {int(read_only)}",
        ):
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def is_unavailability(error: BaseException) -> bool:
    """Tell whether ``error`` is the database's condition (locked, full, broken, gone) rather than one operation's."""
    return (
        isinstance(error, sqlite3.OperationalError | sqlite3.InternalError | OSError)
        or type(error) is sqlite3.DatabaseError
    )


def schema_revision(connection: sqlite3.Connection) -> str | None:
    """Return the schema's revision, None where there is none."""
    with (
        suppress(sqlite3.OperationalError),
        closing(connection.execute("SELECT version_num FROM alembic_version")) as cursor,
    ):
        row = cursor.fetchone()
        return str(row[0]) if row else None
    return None


class SqliteSession:
    """Statements inside the transaction that a lane holds open, and the topics that they brought something for.

    ``generation`` counts the lane's connections.
    """

    __slots__ = ("_connection", "_generation", "arrivals")

    def __init__(self, connection: sqlite3.Connection, generation: int) -> None:
        self._connection = connection
        self._generation = generation
        self.arrivals: set[Topic] = set()

    def rows(self, query: Query, **values: Any) -> list[Row]:
        """Run ``query`` and return its rows."""
        return self._connection.execute(*TEXTS.bound(query, values)).fetchall()

    def run(self, query: Query, **values: Any) -> int:
        """Run ``query`` and return how many rows it changed."""
        return self._connection.execute(*TEXTS.bound(query, values)).rowcount

    def run_each(self, query: Query, values: Iterable[dict[str, Any]]) -> None:
        """Run ``query`` once for each of ``values``."""
        for each in values:
            self._connection.execute(*TEXTS.bound(query, each))

    def rows_of(self, statement: Keyed, keys: Sequence[Row]) -> list[Row]:
        """Return the rows under ``keys``, in no order."""
        found: list[Row] = []
        for size, flat in grouped(keys):
            found += self._connection.execute(TEXTS.sized(statement, size), flat).fetchall()
        return found

    def run_on(self, statement: Keyed, keys: Sequence[Row]) -> None:
        """Run ``statement`` on the rows under ``keys``."""
        for size, flat in grouped(keys):
            self._connection.execute(TEXTS.sized(statement, size), flat)

    def insert(self, statement: Insert, rows: Sequence[Row]) -> None:
        """Insert ``rows``, a statement for each group of them."""
        for size, flat in grouped(rows):
            self._connection.execute(TEXTS.sized(statement, size), flat)

    def foreign_version(self) -> tuple[int, int]:
        """Return a value that changes when another connection commits, or this one is a new one."""
        return self._generation, int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def schema_is_current(self) -> bool:
        """Tell whether the schema is this version's."""
        return schema_revision(self._connection) == SCHEMA_REVISION
