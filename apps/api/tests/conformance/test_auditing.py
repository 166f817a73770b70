"""The audit through the port: what is told twice, as where an answer was lost, was done once."""

import pytest
from store_world import World

from slipway_gateway.ports import NewJoinToken


async def token_created(world: World):
    now = world.now
    return lambda: world.store.create_join_token(NewJoinToken("t" * 64, "acme", "another", "admin", now, now))


async def node_enrolled(world: World):
    enrolment = world.enrolment(await world.token())
    return lambda: world.store.enroll_node(enrolment)


async def key_announced(world: World):
    node = await world.node()
    return lambda: world.store.announce_key(node, "n" * 43, world.now)


async def node_drained(world: World):
    node = await world.node()
    return lambda: world.store.set_draining(node, draining=True, by="admin", now=world.now)


async def node_revoked(world: World):
    node = await world.node()
    await world.submit(node)
    return lambda: world.store.revoke_node(node, by="admin", now=world.now, trace_id="t")


async def pending_job_cancelled(world: World):
    node = await world.node()
    cancel = world.cancel(await world.submit(node))
    return lambda: world.store.cancel_job(cancel)


async def running_job_cancelled(world: World):
    node = await world.node()
    record = await world.submit(node)
    await world.drive(record, "accepted", "running")
    cancel = world.cancel(record)
    return lambda: world.store.cancel_job(cancel)


@pytest.mark.parametrize(
    ("prepared", "deed"),
    [
        (token_created, "create_join_token"),
        (node_enrolled, "enroll_node"),
        (key_announced, "announce_key"),
        (node_drained, "set_draining"),
        (node_revoked, "revoke_node"),
        (pending_job_cancelled, "cancel_job"),
        (running_job_cancelled, "cancel_job"),
    ],
)
async def test_what_is_told_twice_is_one_deed(world: World, deeds, prepared, deed):
    call = await prepared(world)
    before = deeds()
    for _ in range(2):
        await call()
        world.tick()
    assert deeds()[len(before) :] == [deed]


async def test_another_key_announced_in_place_of_the_first_is_another_deed(world: World, node, deeds):
    before = deeds()
    for key in ("n" * 43, "m" * 43):
        await world.store.announce_key(node, key, world.now)
    assert deeds()[len(before) :] == ["announce_key"] * 2
