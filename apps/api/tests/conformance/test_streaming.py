"""What a stream is read from, through the port: changes, standings, wake-ups."""

import asyncio
from contextlib import aclosing

import pytest
from store_world import OTHER_TENANT, OTHER_WORKSPACE, SCOPE, World

MOST = 100


@pytest.fixture(autouse=True)
def _follows_changes(store):
    if not store.follows_changes:
        pytest.skip("this store has live reads of its own")


async def numbers(world: World, job_id=None, *, after=0, limit=MOST, scope=SCOPE):
    page = await world.store.changes(scope, job_id, after=after, limit=limit)
    return None if page is None else [change.change for change in page.changes]


async def test_changes_are_told_in_order_from_any_position(world: World, node):
    record = await world.submit(node)
    await world.drive(record, "accepted", "running", "completed")
    every = await numbers(world)
    assert every == [1, 2, 3, 4]
    for position in range(5):
        assert await numbers(world, after=position) == every[position:]


async def test_a_page_of_changes_tells_where_the_counter_stands(world: World, node):
    for _ in range(3):
        await world.submit(node)
    page = await world.store.changes(SCOPE, None, after=0, limit=2)
    assert ([change.change for change in page.changes], page.position) == ([1, 2], 3)


async def test_a_change_is_told_as_the_timeline_tells_it(world: World, node):
    record = await world.submit(node)
    await world.drive(record, "accepted", "running", "completed")
    page = await world.store.changes(SCOPE, record.job_id, after=0, limit=MOST)
    told = [change.model_dump(exclude={"job_id"}) for change in page.changes]
    timeline = await world.store.timeline(SCOPE, record.job_id)
    assert told == [entry.model_dump(exclude={"job_id"}) for entry in timeline]
    assert {change.job_id for change in page.changes} == {record.job_id}


async def test_a_jobs_changes_are_its_own_over_all_attempts(world: World, node):
    first = await world.submit(node)
    await world.submit(node)
    await world.drive(first, "failed")
    await world.submit(node)
    await world.submit(node, job_id=first.job_id)
    assert await numbers(world, first.job_id) == [1, 3, 5]
    assert await numbers(world, first.job_id, after=1, limit=1) == [3]


async def test_a_job_without_new_changes_has_none_and_an_unknown_job_is_no_job(world: World, node):
    record = await world.submit(node)
    assert await numbers(world, record.job_id, after=1) == []
    assert await numbers(world, "nobody") is None


@pytest.mark.tenant_boundary("reads")
async def test_changes_of_another_tenant_or_workspace_are_not_there(world: World, node):
    record = await world.submit(node)
    for scope in (OTHER_TENANT, OTHER_WORKSPACE):
        assert await numbers(world, scope=scope) == []
        assert await numbers(world, record.job_id, scope=scope) is None
        assert await world.store.standing(scope, record.job_id, limit=MOST) is None


async def test_a_standing_is_the_state_and_the_counter_it_stands_at(world: World, node):
    records = [await world.submit(node) for _ in range(3)]
    await world.drive(records[0], "accepted")
    standing = await world.store.standing(SCOPE, None, limit=2)
    assert standing.position == 4
    assert [projection.job_id for projection in standing.jobs.projections] == [records[2].job_id, records[1].job_id]
    assert standing.jobs.next_cursor is not None
    one = await world.store.standing(SCOPE, records[0].job_id, limit=2)
    assert [projection.change for projection in one.jobs.projections] == [4]


async def test_a_workspace_in_which_nothing_happened_stands_at_zero(world: World):
    standing = await world.store.standing(SCOPE, None, limit=MOST)
    assert (standing.position, standing.jobs.projections) == (0, ())


class Woken:
    """Counts the wake-ups of a workspace."""

    def __init__(self, store, scope):
        self.count = 0
        self._wakes = store.changed(scope)
        self._task = asyncio.create_task(self._run())

    async def _run(self):
        async for _ in self._wakes:
            self.count += 1

    async def settled(self):
        """Return the count once it rests: a store that shares its file looks around first."""
        while True:
            before = self.count
            await asyncio.sleep(0.5)
            if before == self.count:
                return before

    async def close(self):
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._wakes.aclose()


async def test_a_change_wakes_who_waits_for_its_workspace_and_nobody_else(world: World, node):
    mine, other = Woken(world.store, SCOPE), Woken(world.store, OTHER_WORKSPACE)
    before = await mine.settled(), await other.settled()
    await world.submit(node)
    assert await mine.settled() == before[0] + 1
    assert await other.settled() == before[1]
    await mine.close()
    await other.close()


async def test_a_change_that_comes_while_the_last_is_worked_on_is_not_lost(world: World, node):
    async with aclosing(world.store.changed(SCOPE)) as wakes:
        async for _ in wakes:
            if await numbers(world, after=1):
                return
            await world.submit(node)  # what comes while the one who was woken is at work


async def test_waiting_for_changes_ends_with_the_store(world: World):
    woken = Woken(world.store, SCOPE)
    await woken.settled()
    await world.store.close()
    await asyncio.wait_for(woken._task, 5)
