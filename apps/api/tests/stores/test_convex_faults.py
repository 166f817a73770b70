"""Every fault a deployment can have × every operation: answered as if nothing had been, once, or unavailable and whole.

Against the true functions on the testing host, which is no backend (convex/testing).
"""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from port_operations import NEXT_KEY, OPERATIONS, Stage, kinds
from store_world import World

from slipway_gateway.ports import NodeRecord, StoreUnavailableError

pytestmark = pytest.mark.service("pnpm")

PATIENT_SECONDS, HEARD_SECONDS, SHORT_SECONDS = 5.0, 0.75, 0.5
LATE_MS = 1000
PASSING: dict[str, dict[str, Any]] = {
    "a conflict": {"kind": "occ_503"},
    "overload": {"kind": "overloaded_429"},
    "a 560": {"kind": "server_560"},
    "a redacted error": {"kind": "redacted_error"},
    "a slow answer": {"kind": "slow", "milliseconds": 50},
}
LATE: dict[str, dict[str, Any]] = {
    "silence before the commit": {"kind": "timeout_before_commit", "milliseconds": LATE_MS},
    "silence after the commit": {"kind": "timeout_after_commit", "milliseconds": LATE_MS},
    "a call that lands when its repeat is through": {"kind": "slow", "milliseconds": LATE_MS},
}
LASTING = {"a conflict": PASSING["a conflict"], **{name: LATE[name] for name in list(LATE)[:2]}}


def crossed(faults):
    """Each fault × each operation; a read cannot be half done, so what comes late is met by one of them alone."""
    return [
        pytest.param(of, fault, id=f"{of_name}-{name}")
        for of_name, of in OPERATIONS.items()
        for name, fault in faults.items()
        if of.writes or of_name == "get_job" or "milliseconds" not in fault
    ]


@pytest.fixture
def call_seconds():
    return SHORT_SECONDS


@pytest.fixture
async def stage(testing_host, call_seconds):
    testing_host.reset()
    store = await testing_host.opened(call_seconds=call_seconds)
    world = World(store)
    node = await world.node()
    running = await world.submit(node)
    await world.take(node)
    await world.drive(running, "accepted", "running")
    await world.submit(node)
    leased = await world.lease(node)
    offered = await world.submit(node)
    await store.announce_key(node, NEXT_KEY, world.now)
    token, before = await world.token(), testing_host.deeds()
    yield Stage(world, node, offered, leased, running, token, lambda: testing_host.deeds()[len(before) :])
    testing_host.heal()
    await store.close()


def once(of):
    return [] if of.deed is None else [of.deed]


@pytest.mark.parametrize("call_seconds", [PATIENT_SECONDS])
@pytest.mark.parametrize(("of", "fault"), crossed(PASSING))
async def test_a_fault_that_passes_is_not_seen(testing_host, stage, of, fault):
    testing_host.inject(operation=of.name, **fault)
    assert of.answered(await of.call(stage))
    assert stage.deeds() == once(of)
    assert await of.stands(stage) == of.standing


@pytest.mark.parametrize("call_seconds", [HEARD_SECONDS])  # half of the patience is left for its repeat to be heard
@pytest.mark.parametrize(("of", "fault"), crossed(LATE))
async def test_a_call_that_was_given_up_on_loses_and_doubles_nothing(testing_host, stage, of, fault):
    testing_host.inject(operation=of.name, **fault)
    assert of.answered(await of.call(stage))
    await asyncio.sleep(LATE_MS / 1000)  # what was given up on lands now
    assert stage.deeds() == once(of)
    assert await of.stands(stage) == of.standing


@pytest.mark.parametrize(("of", "fault"), crossed(LASTING))
async def test_a_fault_that_lasts_is_unavailable_and_the_same_call_later_does_it_once(testing_host, stage, of, fault):
    testing_host.inject(operation=of.name, times=100, **fault)
    numbers = stage.world._numbers
    stage.world._numbers = iter(range(1000, 2000))
    with pytest.raises(StoreUnavailableError):
        await of.call(stage)
    testing_host.heal()
    stage.world._numbers = iter(range(1000, 2000))  # the caller comes again with the same ids
    assert of.answered(await of.call(stage))
    stage.world._numbers = numbers
    assert stage.deeds() == once(of)
    assert await of.stands(stage) == of.standing


async def test_a_cancel_that_lands_after_its_job_was_submitted_anew_leaves_the_new_submission_alone(
    testing_host, stage
):
    testing_host.inject("slow", "cancel-job", milliseconds=LATE_MS)
    await stage.world.store.cancel_job(stage.world.cancel(stage.offered))
    again = await stage.world.submit(stage.node, job_id=stage.offered.job_id)
    await asyncio.sleep(LATE_MS / 1000)
    assert await stage.world.state(again) == "queued"
    assert await kinds(stage, again) == ["submitted", "cancelled", "submitted"]
    assert len(await stage.world.lease(stage.node)) == 1


async def test_a_lease_whose_answer_is_lost_is_no_quiet_one(testing_host, stage):
    store = await testing_host.opened(call_seconds=SHORT_SECONDS, sole_gateway=True)
    world = World(store)
    world.tick(3600)
    await world.take(stage.node)
    for _ in range(2):
        world.tick(60)
        assert await world.lease(stage.node) == []
    await World(store, "later-").submit(stage.node)
    testing_host.inject("timeout_after_commit", "lease-commands", milliseconds=LATE_MS)
    assert await world.lease(stage.node) == []  # its command went with the answer
    world.tick(60)
    assert len(await world.lease(stage.node)) == 1
    await store.close()


async def test_a_node_whose_key_changed_at_another_gateway_is_turned_away_once_and_then_read(testing_host, stage):
    other = World(await testing_host.opened(), "other-")
    assert await other.store.find_node(stage.node) is not None
    await stage.world.store.promote_key(stage.node, NEXT_KEY)
    record = stage.running
    for call in (
        lambda: other.store.record_heartbeat(other.beat(stage.node, epoch=1)),
        lambda: other.lease(stage.node),
        lambda: other.ack(stage.node, "c"),
        lambda: other.apply(other.update(record, "completed")),
        lambda: other.store.announce_key(stage.node, "m" * 43, other.now),
    ):
        other.store._nodes.learn(replaced(await other.store.find_node(stage.node, fresh=True)))
        with pytest.raises(StoreUnavailableError):
            await call()
        assert (await other.store.find_node(stage.node)).public_key == NEXT_KEY
    assert await stage.world.state(record) == "running"
    await other.store.close()


def replaced(record: NodeRecord) -> NodeRecord:
    return replace(record, public_key="k" * 43)


async def test_a_job_submitted_at_one_gateway_wakes_the_node_that_waits_at_another(testing_host, stage):
    other = World(await testing_host.opened(), "other-")
    await stage.world.take(stage.node)
    await stage.world.lease(stage.node)
    waiting = asyncio.create_task(stage.world.store.wait_for_commands(stage.node, 30))
    await asyncio.sleep(0.05)
    await other.submit(stage.node)
    await asyncio.wait_for(waiting, 10)
    assert len(await stage.world.lease(stage.node)) == 1
    await other.store.close()
