"""The outbox's statements, run inside the journal's transactions."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime

from slipway_contracts.execution_event import ExecutionEvent
from slipway_node.journal.records import Delivery, OutboxEvent, OutboxState


def append(connection: sqlite3.Connection, event: ExecutionEvent, now: str) -> None:
    """Put an event at the end, unless it was told before: its id is derived, so the first telling stands."""
    connection.execute(
        "INSERT INTO outbox (event_id, submission_id, body, state, changed_at) VALUES (?, ?, ?, 'pending', ?)"
        " ON CONFLICT (event_id) DO NOTHING",
        (event.event_id, event.submission_id, event.model_dump_json(exclude_none=True), now),
    )


def pending(connection: sqlite3.Connection, limit: int, resting: Sequence[str]) -> list[OutboxEvent]:
    """Return pending events in their order, without those of the ``resting`` submissions."""
    rows = connection.execute(
        "SELECT * FROM outbox WHERE state = 'pending'"
        " AND submission_id NOT IN (SELECT value FROM json_each(?)) ORDER BY sequence LIMIT ?",
        (json.dumps(list(resting)), limit),
    )
    return [_event(row) for row in rows]


def in_state(connection: sqlite3.Connection, state: OutboxState) -> list[OutboxEvent]:
    """Return all events in ``state``, oldest first."""
    rows = connection.execute("SELECT * FROM outbox WHERE state = ? ORDER BY sequence", (state.value,))
    return [_event(row) for row in rows]


def record(connection: sqlite3.Connection, deliveries: Sequence[Delivery], now: str) -> None:
    """Write down an attempt at each event and what came of it."""
    connection.executemany(
        "UPDATE outbox SET state = ?, refusal = ?, attempts = attempts + 1, changed_at = ? WHERE event_id = ?",
        [(delivery.state.value, delivery.refusal, now, delivery.event_id) for delivery in deliveries],
    )


def deliver_again(connection: sqlite3.Connection, event_id: str, now: str) -> bool:
    """Make the delivered events before this one of the same submission pending; False where one of them is lost."""
    earlier = (
        "submission_id = (SELECT submission_id FROM outbox WHERE event_id = :event_id)"
        " AND sequence < (SELECT sequence FROM outbox WHERE event_id = :event_id)"
    )
    lost = connection.execute(
        f"SELECT 1 FROM outbox WHERE {earlier} AND state IN ('dead', 'dropped')",  # noqa: S608 - our own words
        {"event_id": event_id},
    ).fetchone()
    if lost is not None:
        return False
    connection.execute(
        f"UPDATE outbox SET state = 'pending', changed_at = :now WHERE {earlier} AND state = 'delivered'",  # noqa: S608
        {"event_id": event_id, "now": now},
    )
    return True


def revive(connection: sqlite3.Connection, event_ids: Sequence[str], now: str) -> list[OutboxEvent]:
    """Make dead letters pending again, in their old places, with the dead ones before them of the same submission.

    Without those the gateway would refuse them for the gap.
    """
    rows = connection.execute(
        "UPDATE outbox SET state = 'pending', refusal = NULL, changed_at = ? WHERE state = 'dead' AND EXISTS ("
        "SELECT 1 FROM outbox AS named WHERE named.event_id IN (SELECT value FROM json_each(?))"
        " AND named.submission_id = outbox.submission_id AND named.sequence >= outbox.sequence) RETURNING *",
        (now, json.dumps(list(event_ids))),
    )
    return _in_order(rows)


def give_up(connection: sqlite3.Connection, event_ids: Sequence[str], now: str) -> list[OutboxEvent]:
    """Drop dead letters."""
    rows = connection.execute(
        "UPDATE outbox SET state = 'dropped', changed_at = ?"
        " WHERE state = 'dead' AND event_id IN (SELECT value FROM json_each(?)) RETURNING *",
        (now, json.dumps(list(event_ids))),
    )
    return _in_order(rows)


def counts(connection: sqlite3.Connection) -> dict[OutboxState, int]:
    """Count events by state."""
    rows = connection.execute("SELECT state, count(*) AS n FROM outbox GROUP BY state")
    return {OutboxState(row["state"]): row["n"] for row in rows}


def _in_order(rows: Iterable[sqlite3.Row]) -> list[OutboxEvent]:
    return sorted((_event(row) for row in rows), key=lambda event: event.sequence)


def _event(row: sqlite3.Row) -> OutboxEvent:
    return OutboxEvent(
        event_id=row["event_id"],
        submission_id=row["submission_id"],
        sequence=row["sequence"],
        body=row["body"],
        changed_at=datetime.fromisoformat(row["changed_at"]),
        state=OutboxState(row["state"]),
        attempts=row["attempts"],
        refusal=row["refusal"],
    )
