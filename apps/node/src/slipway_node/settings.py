"""What may be set about a running agent; ``SLIPWAY_NODE_…`` in the environment, or a flag where there is one."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from slipway_contracts.node_protocol import LEASE_MAX_COMMANDS, LEASE_WAIT_MAX_SECONDS


class NodeSettings(BaseSettings):
    """The agent's settings; everything that jobs are judged by is in the policy file instead."""

    model_config = SettingsConfigDict(env_prefix="SLIPWAY_NODE_", frozen=True)

    home: Path = Field(default=Path(".slipway/node"), description="The node's home")
    workers: int = Field(default=1, ge=1, le=64, description="AiiDA daemon workers")
    lease_wait_seconds: float = Field(default=20.0, ge=0, le=LEASE_WAIT_MAX_SECONDS, description="A long poll's length")
    lease_max: int = Field(default=20, ge=1, le=LEASE_MAX_COMMANDS, description="Commands taken at once")
    launches_at_once: int = Field(default=4, ge=1, description="Payloads fetched and launched at the same time")
    in_hand_per_worker: int = Field(
        default=4, ge=1, description="Jobs that a worker has in hand at once, before the scheduler and after it"
    )
    look_seconds: float = Field(default=5.0, gt=0, description="The longest between two looks at open executions")
    stop_seconds: float = Field(default=15.0, gt=0, description="What a clean stop may take before it is cut short")
    flush_seconds: float = Field(default=5.0, ge=0, description="What the outbox is given at a clean stop")
    keep_days: int = Field(default=30, ge=1, description="How long the journal remembers what ended and was delivered")
    allow_private_addresses: bool = Field(default=False, description="Let https inputs reach private addresses")
