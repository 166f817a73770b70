"""Lease commands to a node and take its acks (docs/contracts/node-protocol.md)."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta

from slipway_contracts.errors import ERRORS, Code
from slipway_contracts.lifecycle import Refused
from slipway_contracts.node_protocol import (
    LEASE_SECONDS,
    AckOutcome,
    AckRequest,
    AckResponse,
    LeaseRequest,
    LeaseResponse,
    NodeCommand,
)
from slipway_gateway.ports import LeaseClaim, LeasedCommand, NodeRecord, ProductStore
from slipway_gateway.problems import ContractError

OK = 200


async def lease(
    store: ProductStore,
    node: NodeRecord,
    request: LeaseRequest,
    clock: Callable[[], datetime],
    stopping: asyncio.Event,
) -> LeaseResponse:
    """Lease commands, waiting up to ``wait_seconds`` for the first; raises lease_lost for a lower epoch.

    Returns early, and empty, when ``stopping`` is set: the node's next poll meets another replica.
    """
    deadline = asyncio.get_running_loop().time() + request.wait_seconds
    while True:
        now = clock()
        leased = await store.lease_commands(
            LeaseClaim(
                management_node_id=node.management_node_id,
                epoch=request.epoch,
                journal_id=request.journal_id,
                max_commands=request.max,
                now=now,
                expires_at=now + timedelta(seconds=LEASE_SECONDS),
            )
        )
        if isinstance(leased, Refused):
            raise ContractError(leased.code, leased.detail)
        left = deadline - asyncio.get_running_loop().time()
        if leased.commands or left <= 0 or stopping.is_set():
            return LeaseResponse(commands=[_command(command) for command in leased.commands])
        await _either(store.wait_for_commands(node.management_node_id, left), stopping)


async def ack(store: ProductStore, node: NodeRecord, request: AckRequest, now: datetime) -> AckResponse:
    """Record what the node's journal holds; a command that was withdrawn answers lease_lost for itself."""
    acked = await store.ack_commands(
        node.management_node_id, request.epoch, request.journal_id, request.command_ids, now
    )
    if isinstance(acked, Refused):
        raise ContractError(acked.code, acked.detail)
    lost = ERRORS[Code.LEASE_LOST].status
    return AckResponse(
        outcomes=[
            AckOutcome(command_id=command_id, status=OK)
            if held
            else AckOutcome(command_id=command_id, status=lost, code=Code.LEASE_LOST)
            for command_id, held in zip(request.command_ids, acked.held, strict=True)
        ]
    )


async def _either(waiting: Coroutine[None, None, object], stopping: asyncio.Event) -> None:
    """Wait for either; what did not come is cancelled."""
    tasks: list[asyncio.Task[object]] = [asyncio.create_task(waiting), asyncio.create_task(stopping.wait())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def _command(leased: LeasedCommand) -> NodeCommand:
    submission = leased.submission
    return NodeCommand(
        command_id=leased.command_id,
        kind=leased.kind,
        submission_id=submission.submission_id,
        tenant_id=submission.tenant_id,
        workspace_id=submission.workspace_id,
        job_id=submission.job_id,
        attempt=submission.attempt,
        trace_id=submission.trace_id,
        traceparent=leased.traceparent,
        expires_at=leased.expires_at,
        submit=leased.command,
    )
