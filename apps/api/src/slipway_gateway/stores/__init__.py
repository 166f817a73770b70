"""The stores behind the port :class:`slipway_gateway.ports.ProductStore`.

Each store's module is imported when it is asked for, so that a process pays for the one it uses.
"""

from pathlib import Path

from slipway_gateway.ports import ProductStore
from slipway_gateway.stores.access import Access
from slipway_gateway.stores.convex.address import is_convex

TIMEOUT_SECONDS = 5.0
SQLITE_URL_PREFIX = "sqlite:///"
NO_ACCESS = Access()


async def open_store(
    url_or_path: str | Path, access: Access = NO_ACCESS, *, timeout_seconds: float = TIMEOUT_SECONDS
) -> ProductStore:
    """Open the store at a SQLite file path, a ``sqlite:///`` or a ``convex+https://`` URL.

    A file whose schema is older is migrated first; functions on Convex are deployed by their owner. A statement waits
    ``timeout_seconds`` for another process's write lock, a call of Convex for its answer, before the store is out of
    reach.

    Raises ValueError for a URL of another kind or a secret that is none, StoreUnavailableError when the store cannot
    be opened in time. The store belongs to the running event loop.
    """
    if is_convex(url_or_path):
        from slipway_gateway.stores.convex.open import open_convex_store

        return await open_convex_store(str(url_or_path), access, call_seconds=timeout_seconds)
    from slipway_gateway.stores.sql.open import open_sqlite_store

    return await open_sqlite_store(sqlite_path(url_or_path), busy_timeout_seconds=timeout_seconds)


def check_named(url_or_path: str | Path, access: Access = NO_ACCESS) -> None:
    """Raise ValueError where the store's name or secret can open none; one over a network is asked, a file is not.

    Raises StoreUnavailableError where it does not answer, or as another version does.
    """
    if is_convex(url_or_path):
        schema_is_current(url_or_path, access)
    else:
        sqlite_path(url_or_path)


def migrate(url_or_path: str | Path, access: Access = NO_ACCESS) -> str:
    """Bring the store's schema to this version's and return its revision; safe to repeat and to run side by side.

    On Convex there is nothing to migrate: the functions bring their schema, and it is only looked at. Raises
    ValueError for a URL of another kind, StoreUnavailableError when the store cannot be written or is out of reach.
    """
    if is_convex(url_or_path):
        from slipway_gateway.stores.convex.open import check_convex

        return check_convex(str(url_or_path), access, call_seconds=TIMEOUT_SECONDS)
    from slipway_gateway.stores.sql.migrate import migrate_sqlite

    return migrate_sqlite(sqlite_path(url_or_path))


def schema_is_current(url_or_path: str | Path, access: Access = NO_ACCESS) -> bool:
    """Tell whether the store at ``url_or_path`` exists and has this version's schema; changes nothing."""
    if is_convex(url_or_path):
        from slipway_gateway.stores.convex.open import functions_are_current

        return functions_are_current(str(url_or_path), access, call_seconds=TIMEOUT_SECONDS)
    from slipway_gateway.stores.sql.migrate import is_current

    return is_current(sqlite_path(url_or_path))


def sqlite_path(url_or_path: str | Path) -> Path:
    """Return the file a SQLite URL or path names; raises ValueError for a URL of another kind."""
    if isinstance(url_or_path, str):
        if url_or_path.startswith(SQLITE_URL_PREFIX):
            return Path(url_or_path.removeprefix(SQLITE_URL_PREFIX))
        if "://" in url_or_path:
            kind = url_or_path.partition("://")[0]
            raise ValueError(
                f"{kind} is not a kind of store; use a path, sqlite:///PATH or convex+https://<deployment>.convex.site"
            )
    return Path(url_or_path)
