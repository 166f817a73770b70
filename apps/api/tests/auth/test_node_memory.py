"""A store that remembers nodes: what it remembers may let a node in, and never keeps one out."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from gateway_world import TestNode

from slipway_contracts.errors import Code
from slipway_contracts.node_protocol import NodeState
from slipway_gateway.auth.nodes import NodeTokens
from slipway_gateway.ports import NodeRecord
from slipway_gateway.problems import ContractError

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PATH, BODY = "/api/runtime/events:batchIngest", b"{}"


class Remembering:
    """Nodes as a store remembers them, and as they are."""

    def __init__(self, remembered, standing):
        self.remembered, self.standing = remembered, standing
        self.asked: list[bool] = []
        self.promoted: list[str] = []

    async def find_node(self, management_node_id, *, fresh=False):
        self.asked.append(fresh)
        found = self.standing if fresh else self.remembered
        return found if found is not None and found.management_node_id == management_node_id else None

    async def promote_key(self, management_node_id, public_key):
        self.promoted.append(public_key)


@pytest.fixture
def node():
    return TestNode("acme", Ed25519PrivateKey.generate(), "node-1")


@pytest.fixture
def record(node):
    return NodeRecord("node-1", "acme", "node", NodeState.ACTIVE, node.public_key, None, 1, NOON)


@pytest.fixture
def older(record):
    """The node before it had its key."""
    return replace(record, public_key=TestNode("acme", Ed25519PrivateKey.generate()).public_key)


async def verified(store, node, *, fresh=False):
    tokens = NodeTokens(store, clock=NOON.timestamp)
    return await tokens.verify(node.token("POST", PATH, BODY, NOON), "POST", PATH, BODY, fresh=fresh)


async def refusal(store, node, *, fresh=False):
    with pytest.raises(ContractError) as refused:
        await verified(store, node, fresh=fresh)
    return refused.value.code


async def test_a_remembered_key_lets_the_node_in_without_a_look(node, record):
    store = Remembering(record, None)
    assert await verified(store, node) == record
    assert store.asked == [False]


async def test_a_key_that_is_newer_than_memory_is_looked_for(node, record, older):
    store = Remembering(older, record)
    assert await verified(store, node) == record
    assert store.asked == [False, True]


async def test_a_node_that_is_not_remembered_is_looked_for(node, record):
    assert await verified(Remembering(None, record), node) == record


async def test_an_announced_key_that_memory_does_not_know_is_promoted(node, record, older):
    announced = replace(older, next_public_key=record.public_key)
    store = Remembering(older, announced)
    assert await verified(store, node) == announced
    assert store.promoted == [node.public_key]


async def test_a_node_remembered_as_revoked_is_looked_at_before_it_is_refused(node, record):
    store = Remembering(replace(record, state=NodeState.REVOKED), record)
    assert await verified(store, node) == record


@pytest.mark.tenant_boundary("node-protocol")
async def test_what_does_not_hold_against_what_stands_is_refused(node, record, older):
    assert await refusal(Remembering(older, older), node) is Code.UNAUTHORIZED
    assert await refusal(Remembering(None, None), node) is Code.UNAUTHORIZED
    assert await refusal(Remembering(older, replace(record, state=NodeState.REVOKED)), node) is Code.FORBIDDEN


@pytest.mark.tenant_boundary("node-protocol")
async def test_where_memory_does_not_do_it_is_not_asked(node, record, older):
    store = Remembering(record, older)
    assert await refusal(store, node, fresh=True) is Code.UNAUTHORIZED
    assert store.asked == [True]
