"""The conformance suite's one seam: which store it runs on. A later store adds its name and its way to open."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the suite's own module, importable by name from every test folder

from store_world import World

from slipway_gateway.stores import migrate, open_store


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory):
    """A SQLite file with this version's schema and nothing in it; tests copy it."""
    path = tmp_path_factory.mktemp("store") / "slipway.db"
    migrate(path)
    return path


@pytest.fixture(params=["sqlite"])
async def store(request, tmp_path, migrated_file):
    match request.param:
        case "sqlite":
            opened = await open_store(shutil.copy(migrated_file, tmp_path / "slipway.db"))
        case other:
            raise LookupError(other)
    yield opened
    await opened.close()


@pytest.fixture
def world(store):
    return World(store)


@pytest.fixture
async def node(world):
    """An enrolled node of tenant acme whose agent holds epoch 1."""
    return await world.node()
