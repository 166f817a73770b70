"""What the agent last saw, written to the home for `slipway-node status`."""

import asyncio
from datetime import datetime

import structlog
from pydantic import BaseModel, ConfigDict, JsonValue

from slipway_contracts.fields import UtcTime
from slipway_contracts.node_protocol import NodeState
from slipway_node.agent.context import Context
from slipway_node.files import write_private

_log = structlog.get_logger(__name__)


class SightFile(BaseModel):
    """The content of ``status.json``."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    written_at: UtcTime
    epoch: int | None = None
    node_state: NodeState | None = None
    last_contact: UtcTime | None = None
    last_error: str | None = None
    clock_skew_seconds: float = 0.0
    policy_version: str
    policy_error: str | None = None
    engine: dict[str, JsonValue]
    troubles: dict[str, str] = {}


async def write_sight(context: Context) -> None:
    """Write the file; a disk that is full costs the status, not the agent."""
    told = seen(context, context.now()).model_dump_json(indent=2) + "\n"
    try:
        await asyncio.to_thread(write_private, context.home.status_file, told, durable=False)
    except OSError as error:
        _log.warning("status_not_written", detail=str(error))


def seen(context: Context, now: datetime) -> SightFile:
    """Return what the agent sees now."""
    sight = context.sight
    return SightFile(
        written_at=now,
        epoch=sight.epoch,
        node_state=sight.node_state,
        last_contact=sight.last_contact,
        last_error=sight.last_error,
        clock_skew_seconds=round(context.world.clock.skew_seconds, 1),
        policy_version=context.policy.value.policy.policy_version,
        policy_error=sight.policy_error,
        engine=sight.health,
        troubles=sight.troubles.told(),
    )
