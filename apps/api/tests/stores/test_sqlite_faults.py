"""A database that is locked, full, broken or gone: StoreUnavailableError, nothing half, and recovery by itself."""

import asyncio
import sqlite3
from contextlib import closing

import pytest
from store_world import SCOPE, World

from slipway_gateway.ports import Created, StoreUnavailableError
from slipway_gateway.stores.sql.session import Operation, each
from slipway_gateway.stores.sql.sqlite import SqliteSession


@pytest.fixture
def blocker(file):
    """Another connection that can hold the write lock."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        yield connection


async def test_a_write_lock_held_too_long_is_unavailable_and_then_over(world: World, node, blocker):
    new = world.new(world.command(node))
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailableError):
        await world.store.create_submission(new)
    blocker.execute("ROLLBACK")
    assert isinstance(await world.store.create_submission(new), Created)


async def test_a_write_lock_held_shortly_is_waited_for(world: World, node, blocker):
    blocker.execute("BEGIN IMMEDIATE")
    writing = asyncio.create_task(world.submit(node))
    await asyncio.sleep(0.05)
    blocker.execute("ROLLBACK")
    await writing


async def test_reads_go_on_while_another_process_holds_the_write_lock(world: World, node, blocker):
    record = await world.submit(node)
    blocker.execute("BEGIN IMMEDIATE")
    assert await world.state(record) == "queued"
    assert (await world.store.submission_context(world.key_of(world.command(node)))).node is not None
    blocker.execute("ROLLBACK")


async def test_every_operation_of_a_group_hears_of_the_unavailability(world: World, node, blocker):
    blocker.execute("BEGIN IMMEDIATE")
    news = [world.new(world.command(node)) for _ in range(10)]
    outcomes = await asyncio.gather(*map(world.store.create_submission, news), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {StoreUnavailableError}
    blocker.execute("ROLLBACK")


async def test_a_full_disk_is_unavailable_writes_nothing_and_is_over_when_there_is_room(
    world: World, node, monkeypatch
):
    await world.submit(node)
    pages = {"limit": 0}
    insert = SqliteSession.insert

    def insert_on_a_small_disk(self, statement, rows):
        if pages["limit"]:
            self._connection.execute(f"PRAGMA max_page_count = {pages['limit']}")
        insert(self, statement, rows)

    monkeypatch.setattr(SqliteSession, "insert", insert_on_a_small_disk)
    pages["limit"] = 1  # SQLite takes it as "no page more than there are"
    large = [world.new(world.command(node)) for _ in range(300)]
    with pytest.raises(StoreUnavailableError, match="full"):
        await world.store.create_submissions(large)
    pages["limit"] = 0
    assert await world.changes() == [1]
    assert all(isinstance(verdict, Created) for verdict in await world.store.create_submissions(large))


async def test_a_file_that_is_gone_is_unavailable_until_it_is_back(file, open_another, tmp_path):
    store = await open_another()
    aside = tmp_path / "aside.db"
    file.rename(aside)
    with pytest.raises(StoreUnavailableError):
        await store.check()
    assert not file.exists()
    aside.rename(file)
    await store.check()


async def test_a_file_that_is_no_database_is_unavailable(file, open_another):
    file.write_bytes(b"this is no database at all, it is a text of some length" * 100)
    with pytest.raises(StoreUnavailableError):
        await open_another()


async def test_a_schema_that_is_not_this_versions_fails_the_check(world: World, blocker):
    blocker.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreUnavailableError, match="schema"):
        await world.store.check()


def _note_and_fail(session, node_id):
    """Write something, then fail when asked to: one bad operation of a group."""
    session._connection.execute("UPDATE nodes SET node_version = ? WHERE management_node_id = ?", (node_id, node_id))
    if node_id == "bad":
        session.arrivals.add(node_id)
        raise ArithmeticError(node_id)
    return node_id


async def test_one_failing_operation_of_a_group_does_not_hurt_the_others(world: World, node):
    operation: Operation = each("note_and_fail", _note_and_fail)
    news = [world.new(world.command(node)) for _ in range(10)]
    creating = [asyncio.ensure_future(world.store.create_submission(new)) for new in news]
    await asyncio.sleep(0)  # they are queued, in the same turn as what follows
    failing = world.store._writes.submit(operation, "bad")
    writing = world.store._writes.submit(operation, node)
    outcomes = await asyncio.gather(failing, writing, *creating, return_exceptions=True)
    assert isinstance(outcomes[0], ArithmeticError)
    assert outcomes[1] == node
    assert all(isinstance(outcome, Created) for outcome in outcomes[2:])
    assert (await world.store.find_node(node)).node_version == node
    assert await world.changes() == list(range(1, 11))


async def test_a_caller_that_is_cancelled_leaves_its_write_and_the_writer_whole(world: World, node):
    news = [world.new(world.command(node)) for _ in range(10)]
    creating = [asyncio.ensure_future(world.store.create_submission(new)) for new in news]
    await asyncio.sleep(0)
    for task in creating[::2]:
        task.cancel()
    outcomes = await asyncio.gather(*creating, return_exceptions=True)
    assert [isinstance(outcome, Created) for outcome in outcomes] == [False, True] * 5
    assert await world.changes() == list(range(1, 11))
    assert (await world.store.get_job(SCOPE, news[0].command.job_id)) is not None


async def test_a_cancelled_submit_still_wakes_its_node(world: World, node):
    await world.lease(node)
    waiting = asyncio.create_task(world.store.wait_for_commands(node, 30))
    creating = asyncio.ensure_future(world.submit(node))
    await asyncio.sleep(0)
    creating.cancel()
    await asyncio.wait_for(waiting, 5)


async def test_closing_finishes_what_is_under_way_and_refuses_what_comes_after(world: World, node):
    creating = [asyncio.ensure_future(world.submit(node)) for _ in range(10)]
    await asyncio.sleep(0)
    await world.store.close()
    assert len({(await task).submission_id for task in creating}) == 10
    with pytest.raises(StoreUnavailableError):
        await world.store.check()


async def test_the_event_loop_runs_while_the_database_waits(world: World, node, blocker):
    blocker.execute("BEGIN IMMEDIATE")
    writing = asyncio.ensure_future(world.submit(node))
    turns = 0
    while turns < 50:
        await asyncio.sleep(0)
        turns += 1
    assert not writing.done()
    blocker.execute("ROLLBACK")
    await writing
