"""Nodes in the store: enrolment, heartbeats, keys and draining (docs/contracts/node-protocol.md)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from slipway_contracts.errors import Code
from slipway_contracts.lifecycle import Refused
from slipway_contracts.node_protocol import NodeState
from slipway_gateway.ports import Enrolment, Heartbeat, HeartbeatRecorded, NewJoinToken, NodeRecord
from slipway_gateway.stores.sql.ledger import Deed, audit
from slipway_gateway.stores.sql.rows import health_document, node_record
from slipway_gateway.stores.sql.session import Operation, Session, each
from slipway_gateway.stores.sql.statements import Insert, Keyed, Query
from slipway_gateway.stores.times import micros

NODES_BY_ID = Keyed("nodes_by_id")
TOKEN = Query("token")
INSERT_TOKEN = Insert("insert_tokens")
SPEND_TOKEN = Query("spend_token")
INSERT_NODE = Insert("insert_nodes")
NODE = Query("node")
AGENT_EPOCH = Query("agent_epoch")
INSERT_START = Query("insert_start")
RECORD_BEAT = Query("record_beat")
SET_EPOCH = Query("set_epoch")
ANNOUNCE_KEY = Query("announce_key")
PROMOTE_KEY = Query("promote_key")
SET_STATE = Query("set_state")


def _create_token(session: Session, token: NewJoinToken) -> None:
    if session.rows(TOKEN, token=token.token_sha256):
        return  # the first call's answer was lost
    session.insert(
        INSERT_TOKEN,
        [
            (
                token.token_sha256,
                token.tenant_id,
                token.node_name,
                token.created_by,
                micros(token.created_at),
                micros(token.expires_at),
                None,
                None,
                None,
            )
        ],
    )
    audit(session, Deed(token.created_at, token.tenant_id, token.created_by, "create_join_token", token.node_name))


CREATE_JOIN_TOKEN = each("create_join_token", _create_token)


def _enroll(session: Session, enrolment: Enrolment) -> NodeRecord | Refused:
    found = session.rows(TOKEN, token=enrolment.token_sha256)
    if not found:
        return Refused(Code.JOIN_TOKEN_SPENT, "no such join token")
    _, tenant_id, node_name, _, _, expires_at, spent_at, node_id, key = found[0]
    if spent_at is not None:
        if key == enrolment.public_key:
            return _node(session, node_id)
        return Refused(Code.JOIN_TOKEN_SPENT, "the join token was used with another key")
    at = micros(enrolment.enrolled_at)
    if at >= expires_at:
        return Refused(Code.JOIN_TOKEN_SPENT, "the join token has expired")
    node_id, key = enrolment.management_node_id, enrolment.public_key
    node = (node_id, tenant_id, node_name, NodeState.ACTIVE.value, key, None, 0, at, None, enrolment.node_version)
    session.insert(INSERT_NODE, [(*node, None, None, health_document({}), None)])
    session.run(SPEND_TOKEN, token=enrolment.token_sha256, at=at, node=node_id, key=key)
    audit(session, Deed(enrolment.enrolled_at, tenant_id, node_id, "enroll_node", node_id))
    return _node(session, node_id)


ENROLL_NODE = each("enroll_node", _enroll)


def _node(session: Session, management_node_id: str) -> NodeRecord:
    """Return a node; raises LookupError where there is none: the use case has found it before, and none is deleted."""
    rows = session.rows(NODE, node=management_node_id)
    if not rows:
        raise LookupError(f"no node {management_node_id}")
    return node_record(rows[0])


def _find(session: Session, ids: Sequence[str]) -> list[NodeRecord | None]:
    rows = session.rows_of(NODES_BY_ID, [(node_id,) for node_id in dict.fromkeys(ids)])
    nodes = {row[0]: node_record(row) for row in rows}
    return [nodes.get(node_id) for node_id in ids]


FIND_NODE: Operation[str, NodeRecord | None] = Operation("find_node", _find)


def _beat(session: Session, beat: Heartbeat) -> HeartbeatRecorded | Refused:
    rows = session.rows(NODE, node=beat.management_node_id)
    if not rows:
        return Refused(Code.MANAGEMENT_NODE_NOT_FOUND, f"no node {beat.management_node_id}")
    node = node_record(rows[0])
    if node.state is NodeState.REVOKED:
        return Refused(Code.FORBIDDEN, "the node is revoked")
    epoch = _start(session, beat, node.epoch) if beat.epoch is None else beat.epoch
    standing = max(epoch, node.epoch) if beat.epoch is None else node.epoch
    if epoch != standing:
        return Refused(Code.LEASE_LOST, f"the node's epoch is {standing}, not {epoch}: a newer agent holds it")
    if node.last_seen_at is not None and beat.received_at < node.last_seen_at:
        # It lands behind a later one and turns nothing back, or jobs would be let in by a policy that is no more.
        session.run(SET_EPOCH, node=node.management_node_id, to_epoch=epoch)
        return HeartbeatRecorded(epoch, node.state)
    session.run(
        RECORD_BEAT,
        node=node.management_node_id,
        to_epoch=epoch,
        seen=micros(beat.received_at),
        version=beat.node_version,
        policy_text=beat.policy.model_dump_json(exclude_defaults=True),
        policy_name=beat.policy.policy_version,
        capacity_text=beat.capacity.model_dump_json(exclude_defaults=True),
        health_text=health_document(beat.health),
    )
    return HeartbeatRecorded(epoch, node.state)


def _start(session: Session, beat: Heartbeat, standing: int) -> int:
    """Return the epoch of the agent's start: the one it was given before, or the next."""
    known = session.rows(AGENT_EPOCH, node=beat.management_node_id, agent=beat.agent_id)
    if known:
        return int(known[0][0])
    session.run(
        INSERT_START,
        management_node_id=beat.management_node_id,
        agent_id=beat.agent_id,
        epoch=standing + 1,
        started_at=micros(beat.received_at),
    )
    # An older agent that waits for commands is to hear at once that it has lost the node, and its leases are free.
    session.arrivals.add(beat.management_node_id)
    return standing + 1


RECORD_HEARTBEAT = each("record_heartbeat", _beat)


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A node's next public key, announced or first used."""

    management_node_id: str
    public_key: str
    now: datetime | None = None


def _announce(session: Session, change: KeyChange) -> NodeRecord:
    # A repeat finds the key announced, or after its first use current, and writes nothing.
    announced = session.run(ANNOUNCE_KEY, node=change.management_node_id, key=change.public_key)
    node = _node(session, change.management_node_id)
    if announced and change.now is not None:
        _audit_of(session, node, action="announce_key", actor=node.management_node_id, now=change.now)
    return node


ANNOUNCE = each("announce_key", _announce)


def _promote(session: Session, change: KeyChange) -> None:
    session.run(PROMOTE_KEY, node=change.management_node_id, key=change.public_key)


PROMOTE = each("promote_key", _promote)


@dataclass(frozen=True, slots=True)
class Drain:
    """Whether a node is to be given new submissions."""

    management_node_id: str
    draining: bool
    by: str
    now: datetime


def _drain(session: Session, drain: Drain) -> NodeRecord:
    state = NodeState.DRAINING if drain.draining else NodeState.ACTIVE
    changed = session.run(SET_STATE, node=drain.management_node_id, to_state=state.value)
    node = _node(session, drain.management_node_id)
    if changed:
        _audit_of(session, node, action=f"set_{state.value}", actor=drain.by, now=drain.now)
    return node


SET_DRAINING = each("set_draining", _drain)


def _audit_of(session: Session, node: NodeRecord, *, action: str, actor: str, now: datetime) -> None:
    audit(session, Deed(now, node.tenant_id, actor, action, node.management_node_id))
