"""Bringing a SQLite store's schema to this version's.

A new store gets the schema as it stands; Alembic, which takes most of a second to import, runs only for an older one.
A test holds the two ways to the same schema.
"""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from slipway_gateway.ports import StoreUnavailableError
from slipway_gateway.stores.sql.revision import SCHEMA_REVISION
from slipway_gateway.stores.sql.sqlite import BUSY_TIMEOUT_SECONDS, TEXTS, connect, is_unavailability, schema_revision

MIGRATIONS = Path(__file__).parents[2] / "migrations"
# As Alembic makes it.
ALEMBIC_VERSION = (
    "CREATE TABLE alembic_version "
    "(version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)
_RETRY_SECONDS = 0.02


def is_current(path: Path) -> bool:
    """Tell whether the file at ``path`` exists and has this version's schema; raises StoreUnavailableError."""
    if not path.exists():
        return False
    try:
        with closing(connect(path, read_only=True)) as connection:
            return schema_revision(connection) == SCHEMA_REVISION
    except sqlite3.Error as error:
        raise StoreUnavailableError(f"{path} cannot be read: {error}") from error


def migrate_sqlite(path: Path) -> str:
    """Create or migrate the file at ``path`` and return its revision; raises StoreUnavailableError.

    The whole migration is one transaction under the write lock: of two processes that start together one migrates and
    the other finds it done.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _use_write_ahead_log(path)
        if not _created(path):
            _upgrade(path)
    except Exception as error:
        cause = getattr(error, "orig", None) or error  # what the driver said, where SQLAlchemy wraps it
        if is_unavailability(cause):
            raise StoreUnavailableError(f"{path} cannot be migrated: {cause}") from error
        raise
    if not is_current(path):
        raise StoreUnavailableError(f"{path} has a schema that this version does not know; it is a newer version's")
    return SCHEMA_REVISION


def _use_write_ahead_log(path: Path) -> None:
    """Set the journal mode, which stays with the file; the switch does not wait for locks, so it is tried again."""
    deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
    path.touch()
    with closing(connect(path, read_only=False)) as connection:
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_RETRY_SECONDS)
            else:
                return


def _created(path: Path) -> bool:
    """Create the schema in a file that has none; tell whether that was so."""
    with closing(connect(path, read_only=False)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            if connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                return False
            for statement in TEXTS.schema:
                connection.execute(statement)
            connection.execute(ALEMBIC_VERSION)
            connection.execute("INSERT INTO alembic_version VALUES (?)", (SCHEMA_REVISION,))
    return True


def _upgrade(path: Path) -> None:
    from alembic.command import upgrade
    from alembic.config import Config
    from alembic.util import CommandError
    from sqlalchemy import NullPool, create_engine, event

    engine = create_engine("sqlite://", poolclass=NullPool, creator=lambda: connect(path, read_only=False))

    # The driver is in autocommit mode (see connect), so SQLAlchemy's begin is ours to make.
    @event.listens_for(engine, "begin")
    def _begin(connection: object) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # type: ignore[attr-defined]

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        try:
            upgrade(config, "head")
        except CommandError as error:
            raise StoreUnavailableError(f"{path} cannot be migrated: {error}") from error
