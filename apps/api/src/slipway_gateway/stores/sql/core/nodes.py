"""Statements on nodes, their agents and join tokens, and on the audit."""

from sqlalchemy import and_, bindparam, insert, or_, select, update

from slipway_contracts.node_protocol import NodeState
from slipway_gateway.stores.sql.core.definition import Insert, Keyed, constant
from slipway_gateway.stores.sql.core.schema import AGENT_STARTS, AUDIT, JOIN_TOKENS, NODES

_THIS_NODE = NODES.c.management_node_id == bindparam("node")
_THIS_TOKEN = JOIN_TOKENS.c.token_sha256 == bindparam("token")
_NOT_ANNOUNCED = or_(NODES.c.next_public_key.is_(None), NODES.c.next_public_key != bindparam("key"))
_NOT_REVOKED = NODES.c.state != constant(NodeState.REVOKED.value)

QUERIES = {
    "token": select(JOIN_TOKENS).where(_THIS_TOKEN).with_for_update(),
    "spend_token": (
        update(JOIN_TOKENS)
        .where(_THIS_TOKEN)
        .values(spent_at=bindparam("at"), management_node_id=bindparam("node"), public_key=bindparam("key"))
    ),
    "node": select(NODES).where(_THIS_NODE).with_for_update(),
    "node_epoch": select(NODES.c.state, NODES.c.epoch).where(_THIS_NODE).with_for_update(),
    "node_tenant": select(NODES.c.tenant_id).where(_THIS_NODE),
    "nodes_of_tenant": (
        select(NODES).where(NODES.c.tenant_id == bindparam("tenant")).order_by(NODES.c.node_name, NODES.c.enrolled_at)
    ),
    "agent_epoch": select(AGENT_STARTS.c.epoch).where(
        and_(AGENT_STARTS.c.management_node_id == bindparam("node"), AGENT_STARTS.c.agent_id == bindparam("agent"))
    ),
    "insert_start": insert(AGENT_STARTS),
    "record_beat": (
        update(NODES)
        .where(_THIS_NODE)
        .values(
            epoch=bindparam("to_epoch"),
            last_seen_at=bindparam("seen"),
            node_version=bindparam("version"),
            policy=bindparam("policy_text"),
            policy_version=bindparam("policy_name"),
            capacity=bindparam("capacity_text"),
            health=bindparam("health_text"),
        )
    ),
    "set_epoch": update(NODES).where(_THIS_NODE).values(epoch=bindparam("to_epoch")),
    "announce_key": (
        update(NODES)
        .where(and_(_THIS_NODE, NODES.c.public_key != bindparam("key"), _NOT_ANNOUNCED))
        .values(next_public_key=bindparam("key"))
    ),
    "promote_key": (
        update(NODES)
        .where(and_(_THIS_NODE, NODES.c.next_public_key == bindparam("key")))
        .values(public_key=bindparam("key"), next_public_key=None)
    ),
    "set_state": (
        update(NODES)
        .where(and_(_THIS_NODE, _NOT_REVOKED, NODES.c.state != bindparam("to_state")))
        .values(state=bindparam("to_state"))
    ),
    "revoke_node": update(NODES).where(and_(_THIS_NODE, _NOT_REVOKED)).values(state=constant(NodeState.REVOKED.value)),
}
KEYED = {
    "nodes_by_id": Keyed(lambda keys: select(NODES).where(keys), NODES.c.management_node_id),
    "node_gates": Keyed(
        lambda keys: select(NODES.c.management_node_id, NODES.c.tenant_id, NODES.c.state, NODES.c.policy_version).where(
            keys
        ),
        NODES.c.management_node_id,
    ),
}
INSERTS = {
    "insert_nodes": Insert(NODES),
    "insert_tokens": Insert(JOIN_TOKENS),
    "insert_audit": Insert(AUDIT, out=[AUDIT.c.sequence]),
}
