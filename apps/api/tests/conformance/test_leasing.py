"""Surface 4 through the port: leases, epochs, journals and acks."""

import asyncio

import pytest
from store_world import OTHER_TENANT, World

from slipway_contracts.errors import Code
from slipway_gateway.ports import Leased

LEASE_SECONDS = 60


async def test_commands_are_leased_oldest_first_up_to_the_most(world: World, node):
    records = [await world.submit(node) for _ in range(5)]
    leased = await world.store.lease_commands(world.claim(node, max_commands=3))
    assert [command.submission for command in leased.commands] == records[:3]
    assert [command.kind for command in leased.commands] == ["submit"] * 3


async def test_a_leased_submit_carries_the_command_as_it_was_sent(world: World, node):
    command = world.command(node, cpu=3)
    await world.store.create_submission(world.new(command))
    [leased] = (await world.store.lease_commands(world.claim(node))).commands
    assert leased.command == command
    assert leased.expires_at == world.claim(node).expires_at


async def test_a_leased_command_is_not_offered_again_while_the_lease_holds(world: World, node):
    await world.submit(node)
    assert len(await world.lease(node)) == 1
    world.tick(LEASE_SECONDS - 1)
    assert await world.lease(node) == []


async def test_an_unacked_lease_is_offered_again_once_it_expired(world: World, node):
    await world.submit(node)
    first = await world.lease(node)
    world.tick(LEASE_SECONDS)
    assert await world.lease(node) == first


async def test_an_acked_command_is_not_offered_again_in_its_journal(world: World, node):
    await world.submit(node)
    await world.take(node)
    world.tick(10 * LEASE_SECONDS)
    assert await world.lease(node) == []


async def test_acked_commands_are_offered_again_to_a_new_journal_until_it_acks_them(world: World, node):
    await world.submit(node)
    taken = await world.take(node)
    assert await world.lease(node, journal_id="journal-2") == taken
    await world.ack(node, *taken, journal_id="journal-2")
    assert await world.lease(node, journal_id="journal-2") == []


async def test_commands_of_an_ended_submission_are_not_offered_to_a_new_journal(world: World, node):
    record = await world.submit(node)
    await world.take(node)
    await world.drive(record, "accepted", "running", "completed")
    assert await world.lease(node, journal_id="journal-2") == []


async def test_commands_of_several_kinds_of_offer_come_oldest_first(world: World, node):
    await world.submit(node)
    acked = await world.take(node)
    await world.submit(node)
    expired = await world.lease(node)
    world.tick(LEASE_SECONDS)
    await world.submit(node)
    offers = await world.lease(node, journal_id="journal-2")
    assert offers[:2] == acked + expired
    assert len(offers) == 3


@pytest.mark.idempotency("node-protocol")
async def test_a_repeated_ack_holds_also_after_the_submission_ended(world: World, node):
    record = await world.submit(node)
    taken = await world.take(node)
    assert (await world.ack(node, *taken, *taken)).held == (True, True)
    await world.drive(record, "accepted", "running", "completed")
    assert (await world.ack(node, *taken)).held == (True,)


async def test_an_ack_after_the_lease_expired_holds(world: World, node):
    await world.submit(node)
    leased = await world.lease(node)
    world.tick(2 * LEASE_SECONDS)
    assert (await world.ack(node, *leased)).held == (True,)


async def test_an_unknown_command_is_not_held(world: World, node):
    assert (await world.ack(node, "unknown")).held == (False,)


async def test_acks_are_answered_in_order(world: World, node):
    await world.submit(node)
    [command_id] = await world.lease(node)
    assert (await world.ack(node, "unknown", command_id, "unknown-too")).held == (False, True, False)


@pytest.mark.idempotency("node-protocol")
async def test_a_repeated_start_of_the_same_agent_is_the_same_epoch(world: World, node):
    again = await asyncio.gather(*(world.store.record_heartbeat(world.beat(node)) for _ in range(10)))
    assert {recorded.epoch for recorded in again} == {1}


async def test_another_agents_start_raises_the_epoch_and_fences_the_older_agent(world: World, node):
    await world.submit(node)
    leased = await world.lease(node)
    started = await world.store.record_heartbeat(world.beat(node, agent_id="agent-2"))
    assert started.epoch == 2
    for refused in (
        await world.store.lease_commands(world.claim(node, epoch=1)),
        await world.ack(node, *leased, epoch=1),
        await world.store.record_heartbeat(world.beat(node, epoch=1)),
    ):
        assert refused.code is Code.LEASE_LOST


@pytest.mark.idempotency("node-protocol")
async def test_an_older_agents_start_delivered_late_does_not_fence_the_newer_agent(world: World, node):
    await world.store.record_heartbeat(world.beat(node, agent_id="agent-2"))
    late = await world.store.record_heartbeat(world.beat(node, agent_id="agent-1", policy_version="old"))
    assert late.code is Code.LEASE_LOST
    assert (await world.store.record_heartbeat(world.beat(node, agent_id="agent-2", epoch=2))).epoch == 2
    assert (await world.store.find_node(node, fresh=True)).policy.policy_version == "p1"


async def test_concurrent_starts_of_different_agents_get_different_epochs(world: World, node):
    beats = [world.beat(node, agent_id=f"racer-{index}") for index in range(10)]
    started = await asyncio.gather(*map(world.store.record_heartbeat, beats))
    assert sorted(recorded.epoch for recorded in started) == list(range(2, 12))


async def test_leases_of_an_older_epoch_are_free_at_once_and_its_agent_cannot_ack_them(world: World, node):
    await world.submit(node)
    leased = await world.lease(node)
    await world.store.record_heartbeat(world.beat(node, agent_id="agent-2"))
    assert await world.lease(node, epoch=2) == leased
    assert (await world.ack(node, *leased, epoch=1)).code is Code.LEASE_LOST
    assert (await world.ack(node, *leased, epoch=2)).held == (True,)


async def test_an_epoch_the_node_never_had_is_lost_too(world: World, node):
    assert (await world.store.lease_commands(world.claim(node, epoch=9))).code is Code.LEASE_LOST


async def test_concurrent_leases_never_share_a_command(world: World, node):
    await world.store.create_submissions([world.new(world.command(node)) for _ in range(40)])
    leases = await asyncio.gather(*(world.lease(node, max_commands=7) for _ in range(8)))
    leased = [command_id for lease in leases for command_id in lease]
    assert len(leased) == len(set(leased)) == 40


async def test_a_draining_node_is_still_given_what_it_was_sent_before_and_cancels(world: World, node):
    taken = await world.submit(node)
    await world.take(node)
    before = await world.submit(node)
    await world.store.set_draining(node, draining=True, by="admin", now=world.now)
    await world.store.cancel_job(world.cancel(taken))
    leased = await world.store.lease_commands(world.claim(node))
    assert [(command.kind, command.submission) for command in leased.commands] == [
        ("submit", before),
        ("cancel", taken),
    ]


@pytest.mark.tenant_boundary("node-protocol")
async def test_a_node_is_offered_and_holds_its_own_commands_only(world: World, node):
    theirs = await world.node(OTHER_TENANT.tenant_id)
    await world.submit(node)
    assert await world.lease(theirs) == []
    [command_id] = await world.lease(node)
    assert (await world.ack(theirs, command_id)).held == (False,)
    world.tick(LEASE_SECONDS)
    assert await world.lease(node) == [command_id]


async def test_an_agent_of_no_node_is_refused(world: World):
    for refused in (
        await world.store.lease_commands(world.claim("nowhere")),
        await world.ack("nowhere", "command"),
        await world.store.record_heartbeat(world.beat("nowhere")),
    ):
        assert refused.code is Code.MANAGEMENT_NODE_NOT_FOUND


async def test_a_wait_is_over_at_once_when_a_command_comes(world: World, node):
    await world.lease(node)
    waiting = asyncio.create_task(world.store.wait_for_commands(node, 30))
    await asyncio.sleep(0)
    await world.submit(node)
    await asyncio.wait_for(waiting, 5)


async def test_a_command_between_lease_and_wait_is_not_missed(world: World, node):
    await world.lease(node)
    await world.submit(node)
    await asyncio.wait_for(world.store.wait_for_commands(node, 30), 5)


async def test_a_cancel_and_a_newer_agent_wake_too(world: World, node):
    record = await world.submit(node)
    await world.take(node)
    await world.lease(node)
    waiting = asyncio.create_task(world.store.wait_for_commands(node, 30))
    await world.store.cancel_job(world.cancel(record))
    await asyncio.wait_for(waiting, 5)
    await world.lease(node)
    waiting = asyncio.create_task(world.store.wait_for_commands(node, 30))
    await world.store.record_heartbeat(world.beat(node, agent_id="agent-2"))
    await asyncio.wait_for(waiting, 5)


async def test_a_wait_for_nothing_ends_with_its_time(world: World, node):
    await world.lease(node)
    await asyncio.wait_for(world.store.wait_for_commands(node, 0.05), 5)


async def test_a_lease_that_left_commands_behind_does_not_make_the_next_wait_long(world: World, node):
    await world.submit(node)
    await world.submit(node)
    assert len(await world.lease(node, max_commands=1)) == 1
    await asyncio.wait_for(world.store.wait_for_commands(node, 30), 5)
    assert len(await world.lease(node)) == 1


@pytest.mark.tenant_boundary("node-protocol")
async def test_another_nodes_command_wakes_only_that_node(world: World, node):
    other = await world.node()
    await world.lease(node)
    await world.lease(other)
    waiting, theirs = (asyncio.create_task(world.store.wait_for_commands(each, 30)) for each in (node, other))
    await world.submit(other)
    await asyncio.wait_for(theirs, 5)
    assert not waiting.done()
    waiting.cancel()


async def test_no_command_is_missed_by_a_node_that_leases_and_waits_while_others_submit(world: World, node):
    total, taken = 60, set()

    async def agent():
        while len(taken) < total:
            leased = await world.store.lease_commands(world.claim(node, max_commands=7))
            assert isinstance(leased, Leased)
            taken.update(command.command_id for command in leased.commands)
            if not leased.commands:
                await world.store.wait_for_commands(node, 30)

    async def product():
        for _ in range(total // 3):
            await world.submit(node)

    await asyncio.wait_for(asyncio.gather(agent(), product(), product(), product()), 25)
