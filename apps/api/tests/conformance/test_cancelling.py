"""Surface 5 through the port: a cancel in every state of a job."""

import asyncio

import pytest
from store_world import OTHER_TENANT, OTHER_WORKSPACE, SCOPE, World

from slipway_contracts.errors import Code


async def kinds(world, record):
    return [entry.kind for entry in await world.store.timeline(SCOPE, record.job_id)]


async def test_a_pending_job_is_cancelled_at_once_and_never_offered(world: World, node):
    record = await world.submit(node)
    recorded = await world.store.cancel_job(world.cancel(record))
    assert (recorded.submission_id, recorded.projection_state) == (record.submission_id, "cancelled")
    assert await world.lease(node) == []
    assert await kinds(world, record) == ["submitted", "cancelled"]


async def test_a_leased_job_is_cancelled_at_once_and_its_late_ack_is_not_held(world: World, node):
    record = await world.submit(node)
    leased = await world.lease(node)
    assert (await world.store.cancel_job(world.cancel(record))).projection_state == "cancelled"
    assert (await world.ack(node, *leased)).held == (False,)
    world.tick(3600)
    assert await world.lease(node) == []


async def test_an_acked_job_is_cancelled_by_a_command_to_its_node(world: World, node):
    record = await world.submit(node)
    await world.take(node)
    recorded = await world.store.cancel_job(world.cancel(record))
    [command] = (await world.store.lease_commands(world.claim(node))).commands
    assert recorded.projection_state == "queued"
    assert (command.kind, command.submission, command.command) == ("cancel", record, None)
    assert await kinds(world, record) == ["submitted", "cancel_requested"]
    assert (await world.store.get_job(SCOPE, record.job_id)).projection.cancel_requested_at == world.now


@pytest.mark.idempotency("cancel-job-command")
async def test_a_second_cancel_is_recorded_again_without_effect(world: World, node):
    record = await world.submit(node)
    await world.take(node)
    first = await world.store.cancel_job(world.cancel(record))
    world.tick()
    assert await world.store.cancel_job(world.cancel(record)) == first
    assert len(await world.lease(node)) == 1
    assert await world.changes() == [1, 2]


@pytest.mark.idempotency("cancel-job-command")
async def test_concurrent_cancels_make_one_command(world: World, node):
    record = await world.submit(node)
    await world.take(node)
    recorded = await asyncio.gather(*(world.store.cancel_job(world.cancel(record)) for _ in range(20)))
    assert len(set(recorded)) == 1
    assert len(await world.lease(node)) == 1


@pytest.mark.idempotency("cancel-job-command")
async def test_a_cancel_of_a_cancelled_job_is_recorded_again(world: World, node):
    record = await world.submit(node)
    first = await world.store.cancel_job(world.cancel(record))
    world.tick()
    assert await world.store.cancel_job(world.cancel(record)) == first
    assert await world.changes() == [1, 2]


async def test_a_job_that_its_node_cancelled_counts_as_cancelled(world: World, node):
    record = await world.submit(node)
    await world.drive(record, "accepted", "cancelled")
    assert (await world.store.cancel_job(world.cancel(record))).projection_state == "cancelled"


@pytest.mark.parametrize("end", ["completed", "failed"])
async def test_a_job_that_ended_otherwise_cannot_be_cancelled(world: World, node, end):
    record = await world.submit(node)
    await world.drive(record, "accepted", "running", end)
    assert (await world.store.cancel_job(world.cancel(record))).code is Code.JOB_TERMINAL


async def test_completion_may_win_over_a_requested_cancel(world: World, node):
    record = await world.submit(node)
    await world.take(node)
    await world.drive(record, "accepted", "running")
    await world.store.cancel_job(world.cancel(record))
    await world.drive(record, "completed")
    assert await world.state(record) == "succeeded"
    assert await world.lease(node) == []


async def test_a_job_whose_events_came_is_the_nodes_even_without_an_ack(world: World, node):
    record = await world.submit(node)
    await world.drive(record, "accepted")
    assert (await world.store.cancel_job(world.cancel(record))).projection_state == "queued"


async def test_a_job_offered_again_to_a_new_journal_is_still_the_nodes(world: World, node):
    record = await world.submit(node)
    await world.take(node)
    await world.lease(node, journal_id="journal-2")
    assert (await world.store.cancel_job(world.cancel(record))).projection_state == "queued"


async def test_submit_and_cancel_of_a_lost_journal_are_offered_again_in_that_order(world: World, node):
    record = await world.submit(node)
    await world.take(node)
    await world.store.cancel_job(world.cancel(record))
    await world.take(node)
    offered = (await world.store.lease_commands(world.claim(node, journal_id="journal-2"))).commands
    assert [command.kind for command in offered] == ["submit", "cancel"]


async def test_an_event_after_a_cancel_at_once_is_refused(world: World, node):
    record = await world.submit(node)
    await world.store.cancel_job(world.cancel(record))
    [verdict] = await world.apply(world.update(record, "accepted"))
    assert verdict.code is Code.INVALID_PROJECTION_TRANSITION


async def test_a_cancel_meant_for_a_former_submission_is_superseded(world: World, node):
    first = await world.submit(node)
    await world.drive(first, "failed")
    second = await world.submit(node, job_id=first.job_id)
    refused = await world.store.cancel_job(world.cancel(first, submission_id=first.submission_id))
    assert refused.code is Code.SUBMISSION_SUPERSEDED
    recorded = await world.store.cancel_job(world.cancel(first, submission_id=second.submission_id))
    assert recorded.submission_id == second.submission_id


async def test_a_cancelled_job_may_be_submitted_again(world: World, node):
    first = await world.submit(node)
    await world.store.cancel_job(world.cancel(first))
    second = await world.submit(node, job_id=first.job_id)
    assert await world.state(second) == "queued"
    assert (await world.store.get_job(SCOPE, first.job_id)).projection.cancel_requested_at is None


async def test_an_unknown_job_is_not_found(world: World, node):
    record = await world.submit(node)
    request = world.cancel(record)
    assert (await world.store.cancel_job(type(request)(SCOPE, "unknown", None, "c", "ada", world.now, "t"))).code is (
        Code.JOB_NOT_FOUND
    )


@pytest.mark.tenant_boundary("cancel-job-command")
@pytest.mark.parametrize("scope", [OTHER_TENANT, OTHER_WORKSPACE])
async def test_a_job_of_another_scope_is_not_found_and_goes_on(world: World, node, scope):
    record = await world.submit(node)
    assert (await world.store.cancel_job(world.cancel(record, scope=scope))).code is Code.JOB_NOT_FOUND
    assert await world.state(record) == "queued"


async def test_cancel_and_ack_at_once_agree_on_who_has_the_job(world: World, node):
    for _ in range(20):
        record = await world.submit(node)
        [command_id] = await world.lease(node)
        recorded, acked = await asyncio.gather(
            world.store.cancel_job(world.cancel(record)), world.ack(node, command_id)
        )
        assert (recorded.projection_state == "cancelled") is (acked.held == (False,))
        await world.take(node)
