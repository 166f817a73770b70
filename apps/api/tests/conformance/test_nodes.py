"""Nodes through the port: join tokens, enrolment, liveness, keys, draining and revocation."""

import asyncio
from dataclasses import replace

import pytest
from store_world import OTHER_TENANT, OTHER_WORKSPACE, SCOPE, World

from slipway_contracts.errors import Code
from slipway_contracts.node_protocol import Capacity, NodeState
from slipway_gateway.ports import HeartbeatRecorded, NodeRecord

OTHER_KEY = "o" * 43
NEXT_KEY = "n" * 43


async def test_a_token_enrols_a_node_of_its_tenant(world: World):
    enrolment = world.enrolment(await world.token())
    record = await world.store.enroll_node(enrolment)
    assert (record.management_node_id, record.tenant_id) == (enrolment.management_node_id, SCOPE.tenant_id)
    assert (record.state, record.public_key, record.epoch) == (NodeState.ACTIVE, enrolment.public_key, 0)
    assert await world.store.find_node(record.management_node_id) == record


@pytest.mark.idempotency("node-protocol")
async def test_the_same_token_and_key_is_the_same_node_also_when_expired_since(world: World):
    token = await world.token(ttl_seconds=60)
    first = await world.store.enroll_node(world.enrolment(token))
    world.tick(3600)
    assert await world.store.enroll_node(world.enrolment(token)) == first


@pytest.mark.idempotency("node-protocol")
async def test_of_concurrent_enrolments_by_one_token_one_key_wins(world: World):
    token = await world.token()
    enrolments = [world.enrolment(token, key=key) for key in (OTHER_KEY, NEXT_KEY) * 10]
    outcomes = await asyncio.gather(*map(world.store.enroll_node, enrolments))
    enrolled = {outcome.management_node_id for outcome in outcomes if isinstance(outcome, NodeRecord)}
    assert len(enrolled) == 1
    assert sum(isinstance(outcome, NodeRecord) for outcome in outcomes) == 10


async def test_a_spent_an_expired_and_an_unknown_token_are_spent(world: World):
    spent, expired = await world.token(), await world.token(ttl_seconds=60)
    await world.store.enroll_node(world.enrolment(spent))
    world.tick(60)
    for enrolment in (world.enrolment(spent, key=OTHER_KEY), world.enrolment(expired), world.enrolment("unknown")):
        assert (await world.store.enroll_node(enrolment)).code is Code.JOIN_TOKEN_SPENT


async def test_a_node_that_does_not_exist_is_not_found(world: World):
    assert await world.store.find_node("nowhere") is None


async def test_a_heartbeat_tells_liveness_policy_capacity_and_health(world: World, node):
    world.tick(10)
    beat = world.beat(node, epoch=1, policy_version="p2")
    recorded = await world.store.record_heartbeat(beat)
    record = await world.store.find_node(node, fresh=True)
    assert (recorded.epoch, recorded.state) == (1, NodeState.ACTIVE)
    assert (record.policy, record.capacity, record.health) == (beat.policy, beat.capacity, beat.health)
    assert (record.last_seen_at, record.node_version) == (world.now, beat.node_version)


async def test_a_heartbeat_delivered_late_turns_nothing_back(world: World, node):
    late = replace(world.beat(node, epoch=1), node_version="0.9", capacity=Capacity(jobs_max=1), health={})
    world.tick(10)
    await world.store.record_heartbeat(world.beat(node, epoch=1, policy_version="p2"))
    before = await world.store.find_node(node, fresh=True)
    assert await world.store.record_heartbeat(late) == HeartbeatRecorded(1, NodeState.ACTIVE)
    assert await world.store.find_node(node, fresh=True) == before
    assert before.last_seen_at == world.now
    verdicts = [
        await world.store.create_submission(world.new(world.command(node), policy_version=version))
        for version in ("p1", "p2")
    ]
    assert [type(verdict).__name__ for verdict in verdicts] == ["StalePolicy", "Created"]


async def test_a_start_delivered_late_brings_its_epoch_and_turns_nothing_back(world: World, node):
    late = world.beat(node, agent_id="agent-2", policy_version="p0")
    world.tick(10)
    await world.store.record_heartbeat(world.beat(node, epoch=1))
    before = await world.store.find_node(node, fresh=True)
    for _ in range(2):
        assert await world.store.record_heartbeat(late) == HeartbeatRecorded(2, NodeState.ACTIVE)
        assert await world.store.find_node(node, fresh=True) == replace(before, epoch=2)


async def test_of_two_heartbeats_of_one_instant_the_second_is_taken(world: World, node):
    for version in ("p2", "p3"):
        await world.store.record_heartbeat(world.beat(node, epoch=1, policy_version=version))
    assert (await world.store.find_node(node, fresh=True)).policy.policy_version == "p3"


async def test_a_changed_policy_makes_submissions_judged_by_the_older_one_stale(world: World, node):
    await world.store.record_heartbeat(world.beat(node, epoch=1, policy_version="p2"))
    verdicts = await world.store.create_submissions(
        [world.new(world.command(node), policy_version=version) for version in ("p1", "p2")]
    )
    assert [type(verdict).__name__ for verdict in verdicts] == ["StalePolicy", "Created"]


@pytest.mark.idempotency("node-protocol")
async def test_a_key_is_announced_then_promoted_at_its_first_use(world: World, node):
    old = (await world.store.find_node(node, fresh=True)).public_key
    for _ in range(2):
        announced = await world.store.announce_key(node, NEXT_KEY, world.now)
        assert (announced.public_key, announced.next_public_key) == (old, NEXT_KEY)
    for _ in range(2):
        await world.store.promote_key(node, NEXT_KEY)
        promoted = await world.store.find_node(node, fresh=True)
        assert (promoted.public_key, promoted.next_public_key) == (NEXT_KEY, None)


@pytest.mark.idempotency("node-protocol")
async def test_an_announcement_repeated_after_the_promotion_announces_nothing(world: World, node):
    await world.store.announce_key(node, NEXT_KEY, world.now)
    await world.store.promote_key(node, NEXT_KEY)
    assert (await world.store.announce_key(node, NEXT_KEY, world.now)).next_public_key is None


async def test_a_key_that_was_not_announced_is_not_promoted(world: World, node):
    before = await world.store.find_node(node, fresh=True)
    await world.store.promote_key(node, OTHER_KEY)
    assert await world.store.find_node(node, fresh=True) == before


async def test_draining_is_told_by_the_record_and_the_heartbeat_and_can_be_undone(world: World, node):
    for draining, state in ((True, NodeState.DRAINING), (True, NodeState.DRAINING), (False, NodeState.ACTIVE)):
        record = await world.store.set_draining(node, draining=draining, by="admin", now=world.now)
        assert record.state is state
        assert (await world.store.record_heartbeat(world.beat(node, epoch=1))).state is state


async def test_revoking_fails_the_nodes_open_submissions_and_no_others(world: World, node):
    other = await world.node()
    ended, opened, running = [await world.submit(node) for _ in range(3)]
    elsewhere = await world.submit(node, scope=OTHER_WORKSPACE)
    theirs = await world.submit(other)
    await world.drive(ended, "accepted", "running", "completed")
    await world.drive(running, "accepted", "running")
    assert await world.store.revoke_node(node, by="admin", now=world.tick(), trace_id="t") == 3
    assert [await world.state(each) for each in (ended, opened, running, elsewhere, theirs)] == [
        "succeeded",
        "failed",
        "failed",
        "failed",
        "queued",
    ]
    told = (await world.store.get_job(SCOPE, opened.job_id)).projection
    assert (told.failure.code, told.ended_at) == ("node_revoked", world.now)
    assert (await world.store.timeline(SCOPE, opened.job_id))[-1].kind == "revoked"
    assert await world.changes() == list(range(1, len(await world.changes()) + 1))


@pytest.mark.idempotency("node-protocol")
async def test_revoking_again_fails_nothing(world: World, node):
    await world.submit(node)
    counts = [await world.store.revoke_node(node, by="admin", now=world.now, trace_id="t") for _ in range(2)]
    assert counts == [1, 0]
    assert await world.changes() == [1, 2]


async def test_a_revoked_node_stays_revoked_and_is_refused_everything(world: World, node):
    await world.submit(node)
    leased = await world.lease(node)
    await world.store.revoke_node(node, by="admin", now=world.now, trace_id="t")
    assert (await world.store.set_draining(node, draining=False, by="admin", now=world.now)).state is NodeState.REVOKED
    for refused in (
        await world.store.lease_commands(world.claim(node)),
        await world.ack(node, *leased),
        await world.store.record_heartbeat(world.beat(node, agent_id="agent-2")),
    ):
        assert refused.code is Code.FORBIDDEN


async def test_an_event_after_the_revocation_is_refused(world: World, node):
    record = await world.submit(node)
    await world.store.revoke_node(node, by="admin", now=world.now, trace_id="t")
    [verdict] = await world.apply(world.update(record, "accepted"))
    assert (verdict.code, verdict.gap) == (Code.FORBIDDEN, False)


async def test_revoking_a_node_with_hundreds_of_jobs_ends_them_all(world: World, node):
    await world.store.create_submissions([world.new(world.command(node)) for _ in range(300)])
    assert await world.store.revoke_node(node, by="admin", now=world.now, trace_id="t") == 300
    assert await world.changes() == list(range(1, 601))


@pytest.mark.tenant_boundary("reads")
async def test_a_tenants_nodes_are_listed_by_name_and_no_others(world: World, node):
    await world.node(OTHER_TENANT.tenant_id)
    token = await world.token()
    await world.store.enroll_node(replace(world.enrolment(token), management_node_id="a-second-node"))
    listed = await world.store.list_nodes(SCOPE.tenant_id)
    assert {record.management_node_id for record in listed} == {node, "a-second-node"}
    assert [record.node_name for record in listed] == sorted(record.node_name for record in listed)
