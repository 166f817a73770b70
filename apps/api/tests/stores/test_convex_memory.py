"""Nodes that the store on Convex remembers: they save a call, and decide nothing alone."""

from dataclasses import replace

import httpx
import pytest
from scripted_functions import NODE, SUBMISSION, Script, ok, store_of
from store_world import T0, World

from slipway_contracts.errors import Code
from slipway_contracts.node_protocol import NodeState
from slipway_gateway.ports import NodeRecord, StoreUnavailableError
from slipway_gateway.stores.convex.memory import NodeMemory

RECORDED = ok(verdict="recorded", epoch=1, state="active")
REVOKED = ok(verdict="refused", code="forbidden", detail="the node is revoked")


def record(name: str) -> NodeRecord:
    return NodeRecord(name, "acme", name, NodeState.ACTIVE, "key-of-" + name, None, 1, T0)


def beat(store):
    return store.record_heartbeat(World(store).beat("node-1", epoch=1))


async def met(*answers):
    """A store that has met node-1, and says ``answers`` next."""
    script = Script(ok(node=NODE))
    store = store_of(script)
    await store.find_node("node-1")
    script.says(*answers)
    script.calls.clear()
    return store, script


def test_the_node_met_longest_ago_is_forgotten_first():
    memory = NodeMemory(most=2)
    for name in ("a", "b"):
        memory.learn(record(name))
    memory.get("a")
    memory.learn(record("c"))
    assert [memory.get(name) is not None for name in "abc"] == [True, False, True]


def test_what_is_learnt_again_replaces_what_was_known():
    memory = NodeMemory()
    memory.learn(record("a"))
    memory.learn(replace(record("a"), public_key="another"))
    memory.learn(None)
    assert memory.key_of("a") == "another"


def test_a_promotion_is_noted_of_the_announced_key_only():
    memory = NodeMemory()
    memory.learn(replace(record("a"), next_public_key="next"))
    memory.promoted("a", "another")
    assert memory.key_of("a") == "key-of-a"
    memory.promoted("a", "next")
    memory.promoted("nobody", "next")
    assert (memory.get("a").public_key, memory.get("a").next_public_key) == ("next", None)


async def test_a_node_that_was_met_is_known_and_a_fresh_look_is_a_call():
    store, script = await met(ok(node={**NODE, "public_key": "k2"}))
    assert (await store.find_node("node-1")).public_key == "k1"
    assert script.calls == []
    assert (await store.find_node("node-1", fresh=True)).public_key == "k2"
    assert (await store.find_node("node-1")).public_key == "k2"
    assert script.operations == ["find-node"]


async def test_a_node_that_is_not_there_is_looked_for_each_time():
    script = Script(ok())
    store = store_of(script)
    assert [await store.find_node("node-1") for _ in range(2)] == [None, None]
    assert len(script.calls) == 2


async def test_every_write_of_a_node_names_the_key_it_was_let_in_by():
    store, script = await met(RECORDED)
    await beat(store)
    script.says(ok(verdict="leased", commands=[]))
    await store.lease_commands(World(store).claim("node-1"))
    script.says(ok(verdict="acked", held=[True]))
    await store.ack_commands("node-1", 1, "journal", ["c"], T0)
    script.says(ok(verdicts=[]))
    with pytest.raises(StoreUnavailableError):
        await store.apply_projection_updates("node-1", [World(store).update(SUBMISSION, "accepted")], received_at=T0)
    script.says(ok(node=NODE))
    await store.announce_key("node-1", "k2", T0)
    assert {asked["public_key"] for _, asked in script.calls} == {"k1"}
    assert len(script.calls) == 5


async def test_a_node_that_is_not_remembered_names_none():
    script = Script(RECORDED)
    await beat(store_of(script))
    assert "public_key" not in script.calls[0][1]


async def test_a_stale_node_is_forgotten_at_once_and_its_next_request_looks():
    store, script = await met(httpx.Response(503, headers={"Slipway-Stale-Node": "1"}), ok(node=NODE))
    with pytest.raises(StoreUnavailableError):
        await beat(store)
    await store.find_node("node-1")
    assert script.operations == ["record-heartbeat", "find-node"]


async def test_a_node_that_is_refused_as_revoked_is_forgotten():
    store, _ = await met(REVOKED, ok(node={**NODE, "state": "revoked"}))
    assert (await beat(store)).code is Code.FORBIDDEN
    assert (await store.find_node("node-1")).state is NodeState.REVOKED


async def test_another_refusal_forgets_nothing():
    store, script = await met(ok(verdict="refused", code="lease_lost", detail="a newer agent"))
    assert (await beat(store)).code is Code.LEASE_LOST
    await store.find_node("node-1")
    assert script.operations == ["record-heartbeat"]


async def test_a_promoted_key_is_the_one_that_is_named():
    store, script = await met(ok())
    store._nodes.learn(replace(await store.find_node("node-1"), next_public_key="k2"))
    await store.promote_key("node-1", "k2")
    script.says(RECORDED)
    await beat(store)
    assert script.calls[-1][1]["public_key"] == "k2"


async def test_this_gateways_own_changes_of_a_node_are_known_at_once():
    store, script = await met(ok(node={**NODE, "state": "draining"}))
    await store.set_draining("node-1", draining=True, by="admin", now=T0)
    assert (await store.find_node("node-1")).state is NodeState.DRAINING
    script.says(ok(failed=0, more=False))
    await store.revoke_node("node-1", by="admin", now=T0, trace_id="t")
    script.says(ok(node={**NODE, "state": "revoked"}))
    assert (await store.find_node("node-1")).state is NodeState.REVOKED
