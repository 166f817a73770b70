"""The agent's durable memory: commands, outbox and its own id, in SQLite (docs/contracts/node-protocol.md)."""

from slipway_node.journal.journal import Journal, NewerJournalError, NoDeadLetterError
from slipway_node.journal.reading import read_beside_the_agent
from slipway_node.journal.records import CommandState, Delivery, Entry, Execution, OutboxEvent, OutboxState, Tally
from slipway_node.journal.thread import JournalThread
from slipway_node.journal.trouble import JournalBrokenError, JournalUnusableError

__all__ = [
    "CommandState",
    "Delivery",
    "Entry",
    "Execution",
    "Journal",
    "JournalBrokenError",
    "JournalThread",
    "JournalUnusableError",
    "NewerJournalError",
    "NoDeadLetterError",
    "OutboxEvent",
    "OutboxState",
    "Tally",
    "read_beside_the_agent",
]
