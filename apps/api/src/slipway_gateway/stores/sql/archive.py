"""A SQLite store's records, all read or all written, while nobody else has the store open.

Both are one transaction: what is read is one state of the store, and what is written is there as a whole or not at
all, whenever the process is killed. SQLite keeps neither in memory.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import chain, groupby, islice, zip_longest
from operator import itemgetter
from pathlib import Path

from slipway_gateway.ports import StoreUnavailableError
from slipway_gateway.stores.archive.format import ArchiveError
from slipway_gateway.stores.archive.kinds import KINDS, Row
from slipway_gateway.stores.archive.tally import Tally
from slipway_gateway.stores.sql.migrate import migrate_sqlite
from slipway_gateway.stores.sql.revision import SCHEMA_REVISION
from slipway_gateway.stores.sql.sqlite import TEXTS, connect, schema_revision
from slipway_gateway.stores.sql.statements import GROUP_MAX, Insert, Query

BUSY_SECONDS = 1.0
"""How long another's last statement is waited for; a gateway that serves has the store open all the time."""
EVERY = {kind: Query(f"every_{kind}") for kind in KINDS}
COUNT = {kind: Query(f"count_{kind}") for kind in KINDS}
INSERTS = {
    "node": Insert("insert_nodes"),
    "agent_start": Insert("insert_starts"),
    "join_token": Insert("insert_tokens"),
    "submission": Insert("insert_submissions"),
    "command": Insert("insert_commands"),
    "projection": Insert("insert_projections"),
    "entry": Insert("insert_timeline"),
    "workspace": Insert("insert_workspaces"),
    "deed": Insert("insert_audit"),
}
Records = Iterable[tuple[str, Row]]


class SqliteRecords:
    """The records of a store inside the transaction that is open on it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __iter__(self) -> Iterator[tuple[str, Row]]:
        """Yield each with its kind, in the order of an archive."""
        for kind, query in EVERY.items():
            for row in self._connection.execute(*TEXTS.bound(query, {})):
                yield kind, row

    def counts(self) -> dict[str, int]:
        """Return how many there are of each kind."""
        return {kind: self._connection.execute(*TEXTS.bound(query, {})).fetchone()[0] for kind, query in COUNT.items()}

    def tally(self) -> Tally:
        """Count them one by one."""
        tally = Tally()
        for kind, row in self:
            tally.add(kind, row)
        return tally

    def insert(self, records: Records) -> None:
        """Write ``records``, a statement for a group of one kind."""
        for kind, group in groupby(records, key=itemgetter(0)):
            while rows := [row for _, row in islice(group, GROUP_MAX)]:
                self._connection.execute(TEXTS.sized(INSERTS[kind], len(rows)), list(chain.from_iterable(rows)))


@contextmanager
def reading(path: Path) -> Iterator[SqliteRecords]:
    """Open the store to read all of it; raises ArchiveError where it is none, or in use."""
    if not path.is_file():
        raise ArchiveError(f"{path} is not there")
    with _transaction(path, read_only=True) as records:
        yield records


def fill(path: Path, records: Records, expected: Tally) -> bool:
    """Write ``records`` into the store, which is made where there is none; False where it holds just these already.

    Raises ArchiveError where it holds anything else, or is in use; then nothing was written.
    """
    if _is_blank(path):
        migrate_sqlite(path)
    with _transaction(path, read_only=False) as held:
        if any(held.counts().values()):
            if all(here == there for here, there in zip_longest(held, records)):
                return False
            raise ArchiveError(f"{path} holds something already: an import goes into an empty store")
        held.insert(records)
        difference = expected.differs_from(held.tally())
        if difference is not None:
            raise ArchiveError(f"{path} came to hold {difference}: nothing was imported")
    return True


@contextmanager
def _transaction(path: Path, *, read_only: bool) -> Iterator[SqliteRecords]:
    try:
        with closing(
            connect(path, read_only=read_only, exclusive=True, busy_timeout_seconds=BUSY_SECONDS)
        ) as connection:
            connection.execute("BEGIN" if read_only else "BEGIN IMMEDIATE")
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()
            revision = schema_revision(connection)
            if revision is None:
                raise ArchiveError(f"{path} holds no store")
            if revision != SCHEMA_REVISION:
                raise ArchiveError(f"{path} is of schema {revision}: run `slipway-gateway migrate` of this version")
            yield SqliteRecords(connection)
            connection.execute("COMMIT")  # closed without it, the transaction leaves nothing
    except sqlite3.Error as error:
        raise _told(path, error) from error


def _is_blank(path: Path) -> bool:
    """Tell whether there is no file, or a database without a table, as a process that was killed leaves it."""
    if not path.exists():
        return True
    try:
        with closing(connect(path, read_only=True)) as connection:
            return connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None
    except sqlite3.Error as error:
        raise _told(path, error) from error


def _told(path: Path, error: sqlite3.Error) -> Exception:
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_BUSY:
        return ArchiveError(f"{path} is in use: stop every gateway on it first")
    if code == sqlite3.SQLITE_NOTADB:
        return ArchiveError(f"{path} holds no store")
    if isinstance(error, sqlite3.IntegrityError):
        return ArchiveError(f"{path} does not take what is to be imported, whose records contradict each other")
    return StoreUnavailableError(f"{path}: {error}")
