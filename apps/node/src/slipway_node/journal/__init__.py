"""The agent's durable memory: commands, outbox and its own id, in SQLite (docs/contracts/node-protocol.md)."""

from slipway_node.journal.journal import Journal, NewerJournalError, NoDeadLetterError
from slipway_node.journal.records import CommandState, Delivery, Entry, Execution, OutboxEvent, OutboxState, Tally
from slipway_node.journal.thread import JournalThread

__all__ = [
    "CommandState",
    "Delivery",
    "Entry",
    "Execution",
    "Journal",
    "JournalThread",
    "NewerJournalError",
    "NoDeadLetterError",
    "OutboxEvent",
    "OutboxState",
    "Tally",
]
