"""The reads through the port: pages, cursors, timelines, numbers."""

import asyncio
from datetime import timedelta

import pytest
from store_world import OTHER_TENANT, OTHER_WORKSPACE, SCOPE, T0, World

from slipway_contracts.projection_update import ProjectionState
from slipway_gateway.ports import JobFilter


async def listed(world, scope=SCOPE, **filters):
    page = await world.store.list_jobs(scope, JobFilter(**filters))
    return [projection.job_id for projection in page.projections]


async def test_jobs_are_listed_newest_submission_first(world: World, node):
    records = [await world.submit(node) for _ in range(3)]
    await world.drive(records[0], "failed")
    resubmitted = await world.submit(node, job_id=records[0].job_id)
    assert await listed(world) == [resubmitted.job_id, records[2].job_id, records[1].job_id]


async def test_a_page_tells_what_a_single_read_tells(world: World, node):
    record = await world.submit(node)
    await world.drive(record, "accepted", "running", "completed")
    page = await world.store.list_jobs(SCOPE, JobFilter())
    assert page.projections[0] == (await world.store.get_job(SCOPE, record.job_id)).projection


async def test_pages_follow_each_other_without_gap_or_repeat(world: World, node):
    records = [await world.submit(node) for _ in range(10)]
    seen, cursor = [], None
    while True:
        page = await world.store.list_jobs(SCOPE, JobFilter(limit=3, cursor=cursor))
        seen += [projection.job_id for projection in page.projections]
        cursor = page.next_cursor
        if cursor is None:
            break
        await world.submit(node)  # what comes meanwhile is newer, and on no later page
    assert seen == [record.job_id for record in reversed(records)]


async def test_a_page_that_is_exactly_full_is_the_last(world: World, node):
    await world.submit(node)
    assert (await world.store.list_jobs(SCOPE, JobFilter(limit=1))).next_cursor is None


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1.5", "²", "9" * 40, "1 "])
async def test_a_cursor_that_is_none_is_an_error(world: World, cursor):
    with pytest.raises(ValueError, match="cursor"):
        await world.store.list_jobs(SCOPE, JobFilter(cursor=cursor))


async def test_jobs_are_filtered_by_state_node_and_time(world: World, node):
    other = await world.node()
    failed = await world.submit(node)
    world.tick(60)
    running = await world.submit(other)
    world.tick(60)
    queued = await world.submit(node)
    await world.drive(failed, "failed")
    await world.drive(running, "accepted", "running")
    assert await listed(world, states=frozenset({ProjectionState.FAILED})) == [failed.job_id]
    ended_or_running = frozenset({ProjectionState.FAILED, ProjectionState.RUNNING})
    assert await listed(world, states=ended_or_running) == [running.job_id, failed.job_id]
    assert await listed(world, management_node_id=node) == [queued.job_id, failed.job_id]
    assert await listed(world, submitted_after=T0 + timedelta(seconds=60)) == [queued.job_id, running.job_id]
    assert await listed(world, submitted_before=T0 + timedelta(seconds=60)) == [failed.job_id]


async def test_an_unknown_job_has_neither_projection_nor_timeline(world: World):
    assert await world.store.get_job(SCOPE, "unknown") is None
    assert await world.store.timeline(SCOPE, "unknown") is None


async def test_a_timeline_tells_every_change_oldest_first_as_it_was(world: World, node):
    record = await world.submit(node)
    world.tick()
    await world.apply(world.update(record, "accepted"))
    await world.apply(world.update(record, "running", slurm_job_id="42"))
    await world.apply(world.update(record, "completed"))
    entries = await world.store.timeline(SCOPE, record.job_id)
    assert [entry.projection_state for entry in entries] == ["queued", "queued", "running", "succeeded"]
    assert [entry.source_execution_state for entry in entries] == [None, "accepted", "running", "completed"]
    assert entries[2].scheduler_ref.slurm_job_id == "42"
    assert entries[3].result_ref.output_uri == "file:///out"
    assert [entry.change for entry in entries] == [1, 2, 3, 4]
    assert (entries[1].occurred_at, entries[1].recorded_at) == (world.now, world.now)


@pytest.mark.tenant_boundary("reads")
@pytest.mark.parametrize("scope", [OTHER_TENANT, OTHER_WORKSPACE])
async def test_another_scope_reads_nothing_of_a_job(world: World, node, scope):
    record = await world.submit(node)
    assert await listed(world, scope) == []
    assert await world.store.get_job(scope, record.job_id) is None
    assert await world.store.timeline(scope, record.job_id) is None


async def test_the_change_counter_of_a_workspace_has_no_gap_and_no_repeat(world: World, node):
    """Everything at once: submits, lives, cancels, a revocation; refused ones take no number."""
    doomed = await world.node()
    records = [await world.submit(each) for each in (node, doomed) * 8]
    await asyncio.gather(
        *(world.submit(node) for _ in range(10)),
        *(world.apply(world.update(record, "accepted"), world.update(record, "running")) for record in records),
        *(world.apply(world.update(record, "running")) for record in records[:4]),
        *(world.store.cancel_job(world.cancel(record)) for record in records[::3]),
        world.store.revoke_node(doomed, by="admin", now=world.now, trace_id="t"),
        world.submit(node, scope=OTHER_WORKSPACE),
    )
    changes = await world.changes()
    assert changes == list(range(1, len(changes) + 1))
    assert await world.changes(OTHER_WORKSPACE) == [1]


async def test_an_answered_change_has_a_higher_number_than_every_one_answered_before(world: World, node):
    numbers = []
    for _ in range(5):
        record = await world.submit(node)
        numbers.append((await world.store.get_job(SCOPE, record.job_id)).projection.change)
        await world.drive(record, "accepted")
        numbers.append((await world.store.get_job(SCOPE, record.job_id)).projection.change)
    assert numbers == sorted(set(numbers))


async def test_a_write_that_was_answered_is_read_by_whoever_asks_next(world: World, node):
    for _ in range(20):
        command = world.command(node)
        await world.store.create_submission(world.new(command))
        context, row = await asyncio.gather(
            world.store.submission_context(world.key_of(command)), world.store.get_job(SCOPE, command.job_id)
        )
        assert context.existing.submission_id == row.projection.submission_id


async def test_a_store_in_reach_passes_its_check(world: World):
    await world.store.check()
