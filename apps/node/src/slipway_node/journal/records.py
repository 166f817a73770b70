"""What the journal gives and takes: plain data, no rows and no cursors."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from slipway_contracts.execution_event import ExecutionState
from slipway_contracts.node_protocol import NodeCommand


class CommandState(StrEnum):
    """How far a command is on this node."""

    JOURNALED = "journaled"  # durable here; the gateway has not yet heard so, and nothing may start
    ACKED = "acked"  # the gateway said the command is this node's
    LAUNCHED = "launched"  # a process of it exists
    RECALLED = "recalled"  # its process had ended when the journal was found without it; it waits to be taken up
    DONE = "done"  # its last event is in the outbox
    DROPPED = "dropped"  # the gateway withdrew it before it was acked


class OutboxState(StrEnum):
    """What became of an event."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"  # refused for good; shown by `slipway-node status`
    DROPPED = "dropped"  # dead, and given up by the admin; kept so that what follows it is known to have a gap


Execution = tuple[NodeCommand, str]
"""A submit command and the execution_id of its process."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One submit command and where it stands; ``reported`` is the last state told of it."""

    command: NodeCommand
    state: CommandState
    execution_id: str | None = None
    reported: ExecutionState | None = None


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """One event to deliver; ``body`` is its JSON, ``sequence`` its place among all of them.

    ``changed_at`` is when it came into its state, or was last tried in it.
    """

    event_id: str
    submission_id: str
    sequence: int
    body: str
    changed_at: datetime
    state: OutboxState = OutboxState.PENDING
    attempts: int = 0
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the gateway answered to one event; ``refusal`` says why where it was not taken."""

    event_id: str
    state: OutboxState
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """How much there is of what."""

    commands: dict[CommandState, int] = field(default_factory=dict)
    outbox: dict[OutboxState, int] = field(default_factory=dict)
