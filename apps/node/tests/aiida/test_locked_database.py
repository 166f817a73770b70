"""AiiDA's database is held by another writer, as on a busy machine, when the agent has something to write."""

import contextlib
import sqlite3
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from slipway_node.aiida import patience, profile, queries, submission
from slipway_node.aiida.profile import SchedulerKind
from slipway_node.aiida.thread import EngineThread
from slipway_node.ports import EngineUnavailableError

pytestmark = pytest.mark.service("aiida")

EXTRA = "slipway_test"


@pytest.fixture
async def thread(homes, monkeypatch):
    """Load the profile in a thread that waits for other writers but shortly."""
    monkeypatch.setattr(patience, "LOCKED_SECONDS", 0)
    running = EngineThread()
    await running.run(profile.load, homes(SchedulerKind.DIRECT, "zeromq"))
    await running.run(_have_patience, 50)
    yield running
    await running.run(_have_patience, 5_000)
    running.close()


def _have_patience(milliseconds: int) -> None:
    from aiida.manage.manager import get_manager

    get_manager().get_profile_storage().get_session().execute(text(f"PRAGMA busy_timeout={milliseconds}"))
    profile.end_transaction()


def _stored() -> str:
    from aiida.orm import CalcJobNode

    return str(CalcJobNode().store().uuid)


def _set_extra(execution_id: str) -> None:
    queries.node_of(execution_id).base.extras.set(EXTRA, "")


def _set_variable(_execution_id: str) -> None:
    from aiida.manage.manager import get_manager

    get_manager().get_profile_storage().set_global_variable(EXTRA, "")


def _seal(execution_id: str) -> None:
    submission.seal([execution_id])


@contextlib.contextmanager
def another_writer() -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(profile.storage_folder() / "database.sqlite", isolation_level=None)) as it:
        it.execute("BEGIN IMMEDIATE")
        yield
        it.execute("ROLLBACK")


@pytest.mark.parametrize("write", [_set_extra, _set_variable, _seal])
async def test_a_write_that_finds_the_database_locked_is_done_at_the_next_try(thread, write):
    execution_id = await thread.run(_stored)

    with another_writer():
        with pytest.raises(EngineUnavailableError, match="database is locked"):
            await thread.run(write, execution_id)
        assert await thread.run(queries.has_ended, execution_id) is False  # looks go on

    await thread.run(write, execution_id)
