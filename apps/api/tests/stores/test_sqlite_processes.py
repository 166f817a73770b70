"""Several stores on one file: in one process, in two, and in one that is killed."""

import asyncio
import os
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from store_world import SCOPE, World

from slipway_gateway.ports import Created, JobFilter
from slipway_gateway.stores.sql.wakeups import WATCH_SECONDS

PROGRAM = Path(__file__).with_name("writing_process.py")
WORLD = Path(__file__).parents[1] / "conformance"


async def start(file, prefix, node, count):
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(PROGRAM),
        str(file),
        prefix,
        node,
        str(count),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(WORLD)},
    )


def table(file, statement):
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(statement).fetchall()


@pytest.mark.idempotency("submit-job-command")
async def test_identical_submits_through_two_stores_create_one_submission(world: World, node, open_another):
    other = await open_another()
    for _ in range(20):
        new = world.new(world.command(node))
        verdicts = await asyncio.gather(*(each.create_submission(new) for each in (world.store, other) * 5))
        assert sum(isinstance(verdict, Created) for verdict in verdicts) == 1


async def test_a_write_through_one_store_is_read_through_the_other(world: World, node, open_another):
    other = await open_another()
    record = await world.submit(node)
    assert (await other.get_job(SCOPE, record.job_id)).projection.submission_id == record.submission_id


async def test_a_command_that_came_through_another_store_ends_the_wait(world: World, node, open_another):
    other = World(await open_another(), "other-")
    await world.lease(node)
    waiting = asyncio.create_task(world.store.wait_for_commands(node, 30))
    await asyncio.sleep(2 * WATCH_SECONDS)  # the watch has looked, and seen nothing
    assert not waiting.done()
    await other.submit(node)
    await asyncio.wait_for(waiting, 5)


async def test_a_command_that_came_through_another_store_between_lease_and_wait_is_not_missed(
    world: World, node, open_another
):
    other = World(await open_another(), "other-")
    await world.lease(node)
    await other.submit(node)
    await asyncio.wait_for(world.store.wait_for_commands(node, 30), 5)


async def test_this_stores_own_writes_for_others_do_not_end_a_wait(world: World, node):
    other = await world.node()
    await world.lease(node)
    waiting = asyncio.create_task(world.store.wait_for_commands(node, 30))
    for _ in range(3):
        await world.submit(other)
        await asyncio.sleep(WATCH_SECONDS)
    assert not waiting.done()
    waiting.cancel()


async def test_two_processes_write_side_by_side_and_number_every_change_once(world: World, node, file):
    processes = [await start(file, prefix, node, 200) for prefix in ("a-", "b-")]
    outputs = await asyncio.gather(*(process.communicate() for process in processes))
    answered = [line for output, _ in outputs for line in output.decode().split()]
    assert [process.returncode for process in processes] == [0, 0]
    assert len(answered) == len(set(answered)) == 400
    assert await world.changes() == list(range(1, 401))


async def test_of_a_process_killed_in_mid_write_every_answer_is_there_and_nothing_half(world: World, node, file):
    process = await start(file, "killed-", node, 100_000)
    answered = [(await process.stdout.readline()).decode().strip() for _ in range(150)]
    process.send_signal(signal.SIGKILL)
    rest = await process.stdout.read()
    await process.wait()
    answered += rest.decode().split("\n")[:-1]  # an unfinished line was never an answer
    page = await world.store.list_jobs(SCOPE, JobFilter(limit=1_000_000))
    jobs = {projection.job_id for projection in page.projections}
    assert set(answered) <= jobs
    counts = {
        name: table(file, f"SELECT count(*) FROM {name}")[0][0]
        for name in ("submissions", "commands", "projections", "timeline")
    }
    assert set(counts.values()) == {len(jobs)}, counts
    assert table(file, "SELECT change, open_submissions FROM workspaces") == [(len(jobs), len(jobs))]
    assert table(file, "PRAGMA integrity_check") == [("ok",)]
    await world.submit(node)
