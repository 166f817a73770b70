"""Opening the SQLite store: its file, its schema, its lanes."""

import asyncio
from pathlib import Path

from slipway_gateway.stores.sql.migrate import is_current, migrate_sqlite
from slipway_gateway.stores.sql.sqlite import BUSY_TIMEOUT_SECONDS
from slipway_gateway.stores.sql.store import SqlProductStore


async def open_sqlite_store(path: Path, *, busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS) -> SqlProductStore:
    """Open the store at ``path``, created or migrated first where needed; raises StoreUnavailableError."""
    await asyncio.to_thread(_prepare, path)
    return SqlProductStore(path, busy_timeout_seconds=busy_timeout_seconds)


def _prepare(path: Path) -> None:
    if not is_current(path):
        migrate_sqlite(path)
