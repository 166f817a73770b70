"""What the stores' own tests share: a migrated file with stores of a short patience on it, and Convex's functions."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "conformance"))  # the store suites share one world

from store_world import World
from testing_host import TestingHost

from slipway_gateway.stores import migrate
from slipway_gateway.stores.sql.open import open_sqlite_store

BUSY_TIMEOUT_SECONDS = 0.3


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "slipway.db"
    migrate(path)
    return path


@pytest.fixture
def file(tmp_path, migrated_file):
    """A SQLite file of this version's schema."""
    return Path(shutil.copy(migrated_file, tmp_path / "slipway.db"))


@pytest.fixture
async def open_another(file):
    """Open one more store on the file; all are closed at the end."""
    stores = []

    async def opened():
        stores.append(await open_sqlite_store(file, busy_timeout_seconds=BUSY_TIMEOUT_SECONDS))
        return stores[-1]

    yield opened
    for each in stores:
        await each.close()


@pytest.fixture
async def store(open_another):
    return await open_another()


@pytest.fixture
def world(store):
    return World(store)


@pytest.fixture
async def node(world):
    return await world.node()


@pytest.fixture(scope="session")
def testing_host():
    host = TestingHost()
    yield host
    host.close()
