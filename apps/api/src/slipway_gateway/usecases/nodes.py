"""Enrol, hear, fence and retire nodes (docs/contracts/node-protocol.md)."""

import hashlib
import secrets
import uuid
from datetime import datetime, timedelta

from slipway_contracts.errors import Code
from slipway_contracts.lifecycle import Refused
from slipway_contracts.node_protocol import (
    EnrollRequest,
    EnrollResponse,
    HeartbeatRequest,
    HeartbeatResponse,
    JoinToken,
    JoinTokenRequest,
    NodeStateResponse,
    RevokeResponse,
)
from slipway_contracts.problem import FieldError
from slipway_gateway.auth.nodes import public_key_of
from slipway_gateway.auth.users import Caller
from slipway_gateway.ports import Enrolment, Heartbeat, NewJoinToken, NodeRecord, ProductStore
from slipway_gateway.problems import ContractError

TOKEN_BYTES = 32


async def create_join_token(
    store: ProductStore, caller: Caller, request: JoinTokenRequest, *, gateway_url: str, now: datetime
) -> JoinToken:
    """Make a single-use token and the command to paste; the token is told once and stored hashed."""
    token = f"join_{secrets.token_urlsafe(TOKEN_BYTES)}"  # a command line takes a first `-` for an option
    expires_at = now + timedelta(seconds=request.ttl_seconds)
    await store.create_join_token(
        NewJoinToken(
            token_sha256=_sha256(token),
            tenant_id=caller.tenant_id,
            node_name=request.node_name or f"node-{secrets.token_hex(3)}",
            created_by=caller.user_id,
            created_at=now,
            expires_at=expires_at,
        )
    )
    command = f"slipway-node enroll --gateway {gateway_url} --token {token}"
    return JoinToken(token=token, expires_at=expires_at, enroll_command=command)


async def enroll(store: ProductStore, request: EnrollRequest, now: datetime) -> EnrollResponse:
    """Spend the token on a node, or return the node it was spent on with this key; else join_token_spent."""
    _check_key(request.public_key)
    enrolled = await store.enroll_node(
        Enrolment(
            token_sha256=_sha256(request.token),
            public_key=request.public_key,
            node_version=request.node_version,
            management_node_id=f"node-{uuid.uuid4().hex}",
            enrolled_at=now,
        )
    )
    if isinstance(enrolled, Refused):
        raise ContractError(enrolled.code, enrolled.detail)
    return EnrollResponse(
        management_node_id=enrolled.management_node_id, tenant_id=enrolled.tenant_id, node_name=enrolled.node_name
    )


async def record_heartbeat(
    store: ProductStore, node: NodeRecord, request: HeartbeatRequest, now: datetime
) -> HeartbeatResponse:
    """Store liveness and policy, and fence older agents; raises lease_lost for a lower epoch."""
    recorded = await store.record_heartbeat(
        Heartbeat(
            management_node_id=node.management_node_id,
            agent_id=request.agent_id,
            epoch=request.epoch,
            node_version=request.node_version,
            policy=request.policy,
            capacity=request.capacity,
            health=request.health,
            received_at=now,
        )
    )
    if isinstance(recorded, Refused):
        raise ContractError(recorded.code, recorded.detail)
    return HeartbeatResponse(epoch=recorded.epoch, state=recorded.state, server_time=now)


async def rotate_key(store: ProductStore, node: NodeRecord, public_key: str, now: datetime) -> NodeStateResponse:
    """Announce the node's next key; the current one is good until the next one's first use."""
    _check_key(public_key)
    record = await store.announce_key(node.management_node_id, public_key, now)
    return NodeStateResponse(management_node_id=record.management_node_id, state=record.state)


async def drain(
    store: ProductStore, management_node_id: str, *, draining: bool, by: str, now: datetime
) -> NodeStateResponse:
    """Stop or resume giving the node new jobs."""
    record = await store.set_draining(management_node_id, draining=draining, by=by, now=now)
    return NodeStateResponse(management_node_id=record.management_node_id, state=record.state)


async def revoke(
    store: ProductStore, management_node_id: str, *, by: str, now: datetime, trace_id: str
) -> RevokeResponse:
    """Revoke the node at once, and fail its open submissions."""
    failed = await store.revoke_node(management_node_id, by=by, now=now, trace_id=trace_id)
    return RevokeResponse(management_node_id=management_node_id, failed_submissions=failed)


async def node_of_tenant(store: ProductStore, tenant_id: str, management_node_id: str) -> NodeRecord:
    """Return a node of this tenant; another tenant's is management_node_not_found like one that is not there."""
    record = await store.find_node(management_node_id)
    if record is None or record.tenant_id != tenant_id:
        raise ContractError(Code.MANAGEMENT_NODE_NOT_FOUND, f"no node {management_node_id} in this tenant")
    return record


def _check_key(public_key: str) -> None:
    try:
        public_key_of(public_key)
    except ValueError as error:
        message = FieldError(field="public_key", message=f"is no Ed25519 key: {error}")
        raise ContractError(Code.INVALID_REQUEST, "the body does not hold", [message]) from None


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
