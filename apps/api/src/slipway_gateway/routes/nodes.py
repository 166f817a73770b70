"""Surface 4: the node protocol, and the reads of nodes."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response

from slipway_contracts.errors import Code
from slipway_contracts.fields import ID_PATTERN
from slipway_contracts.node_protocol import (
    AckRequest,
    AckResponse,
    DrainRequest,
    EnrollRequest,
    EnrollResponse,
    HeartbeatRequest,
    HeartbeatResponse,
    JoinToken,
    JoinTokenRequest,
    LeaseRequest,
    LeaseResponse,
    NodeStateResponse,
    RevokeResponse,
    RotateKeyRequest,
)
from slipway_contracts.reads import NodeList
from slipway_gateway import context
from slipway_gateway.auth.users import Caller
from slipway_gateway.openapi import refusals, takes
from slipway_gateway.ports import NodeRecord
from slipway_gateway.routes.answers import answer
from slipway_gateway.usecases import lease, nodes, reads

router = APIRouter(prefix="/api/runtime", tags=["nodes"])

User = Annotated[Caller, Depends(context.user)]
Admin = Annotated[Caller, Depends(context.admin)]
Node = Annotated[NodeRecord, Depends(context.node)]
NodeId = Annotated[str, Path(pattern=ID_PATTERN)]

_BODY = (Code.INVALID_REQUEST, Code.PAYLOAD_TOO_LARGE)
_FENCED = refusals(*_BODY, Code.LEASE_LOST)
_OF_TENANT = refusals(*_BODY, Code.MANAGEMENT_NODE_NOT_FOUND)


@router.post(
    "/nodes/{management_node_id}/commands:lease",
    operation_id="leaseCommands",
    response_model=LeaseResponse,
    responses=_FENCED,
    openapi_extra=takes(LeaseRequest),
)
async def lease_commands(request: Request, node: Node, management_node_id: NodeId) -> Response:  # noqa: ARG001 - checked by the policy
    """Lease commands, waiting for the first (long poll)."""
    wanted = await context.parsed(request, LeaseRequest)
    services = context.services_of(request)
    leased = await lease.lease(services.store, node, wanted, services.clock, services.stopping)
    # A node is strict about a product's command: one from before a field would understand none that tells it as unset.
    return answer(leased, unset=False)


@router.post(
    "/nodes/{management_node_id}/commands:ack",
    operation_id="ackCommands",
    response_model=AckResponse,
    responses=_FENCED,
    openapi_extra=takes(AckRequest),
)
async def ack_commands(request: Request, node: Node, management_node_id: NodeId) -> Response:  # noqa: ARG001 - checked by the policy
    """Say that commands are durable in the node's journal."""
    services = context.services_of(request)
    acked = await context.parsed(request, AckRequest)
    return answer(await lease.ack(services.store, node, acked, services.clock()))


@router.post(
    "/nodes/{management_node_id}:heartbeat",
    operation_id="heartbeat",
    response_model=HeartbeatResponse,
    responses=_FENCED,
    openapi_extra=takes(HeartbeatRequest),
)
async def heartbeat(request: Request, node: Node, management_node_id: NodeId) -> Response:  # noqa: ARG001 - checked by the policy
    """Say that the node is there, and what its policy allows."""
    beat = await context.parsed(request, HeartbeatRequest)
    services = context.services_of(request)
    return answer(await nodes.record_heartbeat(services.store, node, beat, services.clock()))


@router.post(
    "/nodes/join-tokens",
    operation_id="createJoinToken",
    status_code=201,
    response_model=JoinToken,
    responses=refusals(*_BODY),
    openapi_extra=takes(JoinTokenRequest, required=False),
)
async def create_join_token(request: Request, caller: Admin) -> Response:
    """Make a single-use token for a new node, and the command to paste there."""
    body = await request.body()
    wanted = context.parse(body, JoinTokenRequest, Code.INVALID_REQUEST) if body else JoinTokenRequest()
    services = context.services_of(request)
    gateway_url = services.settings.public_url or str(request.base_url).rstrip("/")
    token = await nodes.create_join_token(services.store, caller, wanted, gateway_url=gateway_url, now=services.clock())
    return answer(token, 201)


@router.post(
    "/nodes:enroll",
    operation_id="enrollNode",
    response_model=EnrollResponse,
    responses=refusals(*_BODY, Code.JOIN_TOKEN_SPENT, Code.RATE_LIMITED, Code.PRODUCT_STORE_UNAVAILABLE, public=True),
    openapi_extra=takes(EnrollRequest),
    dependencies=[Depends(context.anyone)],
)
async def enroll_node(request: Request) -> Response:
    """Enrol a node by its join token and public key; the same token and key again replays."""
    services = context.services_of(request)
    wanted = await context.parsed(request, EnrollRequest)
    return answer(await nodes.enroll(services.store, wanted, services.clock()))


@router.post(
    "/nodes/{management_node_id}:rotate-key",
    operation_id="rotateNodeKey",
    response_model=NodeStateResponse,
    responses=refusals(*_BODY),
    openapi_extra=takes(RotateKeyRequest),
)
async def rotate_key(request: Request, node: Node, management_node_id: NodeId) -> Response:  # noqa: ARG001 - checked by the policy
    """Announce the node's next public key."""
    services = context.services_of(request)
    wanted = await context.parsed(request, RotateKeyRequest)
    return answer(await nodes.rotate_key(services.store, node, wanted.public_key, services.clock()))


@router.post(
    "/nodes/{management_node_id}:drain",
    operation_id="drainNode",
    response_model=NodeStateResponse,
    responses=_OF_TENANT,
    openapi_extra=takes(DrainRequest, required=False),
)
async def drain_node(
    request: Request,
    steward: Annotated[context.Steward, Depends(context.admin_or_node)],
    management_node_id: NodeId,
) -> Response:
    """Stop giving the node new jobs, or start again; what it took is finished."""
    body = await request.body()
    wanted = context.parse(body, DrainRequest, Code.INVALID_REQUEST) if body else DrainRequest()
    services = context.services_of(request)
    await nodes.node_of_tenant(services.store, steward.tenant_id, management_node_id)
    state = await nodes.drain(
        services.store, management_node_id, draining=wanted.draining, by=steward.name, now=services.clock()
    )
    return answer(state)


@router.post(
    "/nodes/{management_node_id}:revoke",
    operation_id="revokeNode",
    response_model=RevokeResponse,
    responses=_OF_TENANT,
)
async def revoke_node(request: Request, caller: Admin, management_node_id: NodeId) -> Response:
    """Revoke the node; its open submissions fail with node_revoked."""
    services = context.services_of(request)
    await nodes.node_of_tenant(services.store, caller.tenant_id, management_node_id)
    trace_id = context.trace_id_of(request)
    revoked = await nodes.revoke(
        services.store, management_node_id, by=caller.user_id, now=services.clock(), trace_id=trace_id
    )
    return answer(revoked)


@router.get("/nodes", operation_id="listNodes", response_model=NodeList, responses=refusals())
async def list_nodes(request: Request, caller: User) -> Response:
    """List the tenant's nodes."""
    services = context.services_of(request)
    overdue = services.settings.node_overdue_seconds
    return answer(
        await reads.list_nodes(services.store, caller.tenant_id, now=services.clock(), overdue_seconds=overdue)
    )
