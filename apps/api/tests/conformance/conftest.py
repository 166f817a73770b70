"""The conformance suite's one seam: which store it runs on. A later store adds its name and its way to open."""

import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the suite's own module, importable by name from every test folder

from store_world import World
from testing_host import TestingHost

from slipway_gateway.stores import migrate, open_store
from slipway_gateway.stores.convex.store import ConvexProductStore


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory):
    """A SQLite file with this version's schema and nothing in it; tests copy it."""
    path = tmp_path_factory.mktemp("store") / "slipway.db"
    migrate(path)
    return path


@pytest.fixture(scope="session")
def testing_host():
    """Our functions on Convex's stand-in, one process for all tests."""
    host = TestingHost()
    yield host
    host.close()


@pytest.fixture(params=["sqlite", pytest.param("convex", marks=pytest.mark.service("pnpm"))])
async def store(request, tmp_path, migrated_file):
    match request.param:
        case "sqlite":
            opened = await open_store(shutil.copy(migrated_file, tmp_path / "slipway.db"))
        case "convex":
            host = request.getfixturevalue("testing_host")
            host.reset()
            opened = await host.opened()
        case other:
            raise LookupError(other)
    yield opened
    await opened.close()


@pytest.fixture
def deeds(request, store, tmp_path):
    """Read the audit, which no operation of the port tells: the action of each deed, oldest first."""
    if isinstance(store, ConvexProductStore):
        return request.getfixturevalue("testing_host").deeds

    def read():
        with closing(sqlite3.connect(tmp_path / "slipway.db")) as connection:
            return [action for (action,) in connection.execute("SELECT action FROM audit ORDER BY sequence")]

    return read


@pytest.fixture
def world(store):
    return World(store)


@pytest.fixture
async def node(world):
    """An enrolled node of tenant acme whose agent holds epoch 1."""
    return await world.node()
