"""The stores behind the port :class:`slipway_gateway.ports.ProductStore`.

Each store's module is imported when it is asked for, so that a process pays for the one it uses.
"""

from pathlib import Path

from slipway_gateway.ports import ProductStore

BUSY_TIMEOUT_SECONDS = 5.0
SQLITE_URL_PREFIX = "sqlite:///"


async def open_store(url_or_path: str | Path, *, busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS) -> ProductStore:
    """Open the store at a SQLite file path or a ``sqlite:///`` URL, migrating it first when its schema is older.

    A statement waits ``busy_timeout_seconds`` for another process's write lock before the store is out of reach.

    Raises ValueError for a URL of another kind, StoreUnavailableError when the file cannot be opened in time. The
    store belongs to the running event loop.
    """
    from slipway_gateway.stores.sql.open import open_sqlite_store

    return await open_sqlite_store(sqlite_path(url_or_path), busy_timeout_seconds=busy_timeout_seconds)


def migrate(url_or_path: str | Path) -> str:
    """Bring the store's schema to this version's and return its revision; safe to repeat and to run side by side.

    Raises ValueError for a URL of another kind, StoreUnavailableError when the file cannot be written.
    """
    from slipway_gateway.stores.sql.migrate import migrate_sqlite

    return migrate_sqlite(sqlite_path(url_or_path))


def schema_is_current(url_or_path: str | Path) -> bool:
    """Tell whether the store at ``url_or_path`` exists and has this version's schema; changes nothing."""
    from slipway_gateway.stores.sql.migrate import is_current

    return is_current(sqlite_path(url_or_path))


def sqlite_path(url_or_path: str | Path) -> Path:
    """Return the file a SQLite URL or path names; raises ValueError for a URL of another kind."""
    if isinstance(url_or_path, str):
        if url_or_path.startswith(SQLITE_URL_PREFIX):
            return Path(url_or_path.removeprefix(SQLITE_URL_PREFIX))
        if "://" in url_or_path:
            raise ValueError(f"{url_or_path.partition('://')[0]} is not a kind of store; use a path or sqlite:///PATH")
    return Path(url_or_path)
