"""The journal. Each method is one transaction, so a kill leaves it before or after a method and never within one."""

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from slipway_contracts.execution_event import ExecutionEvent, ExecutionState
from slipway_contracts.fields import rfc3339
from slipway_contracts.node_protocol import CommandKind, NodeCommand
from slipway_node.journal import outbox
from slipway_node.journal.records import CommandState, Delivery, Entry, Execution, OutboxEvent, OutboxState, Tally
from slipway_node.journal.schema import SCHEMA_VERSION, TABLES, connect, connect_for_reading


class NewerJournalError(Exception):
    """The file was written by a newer version of the node, which this one would misread."""


class NoDeadLetterError(Exception):
    """An event was named that is no dead letter of this node."""

    def __init__(self, event_ids: Sequence[str]) -> None:
        super().__init__(f"no dead letter: {', '.join(event_ids)}")


class Journal:
    """Commands and outbox in one SQLite file. For one thread; ``clock`` gives the time that rows are stamped with."""

    def __init__(self, connection: sqlite3.Connection, clock: Callable[[], datetime]) -> None:
        self._connection = connection
        self._clock = clock

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        new_id: Callable[[], str],
        clock: Callable[[], datetime],
        factory: type[sqlite3.Connection] = sqlite3.Connection,
    ) -> "Journal":
        """Open ``path``, made with an id of its own when it is not there. Raises NewerJournalError."""
        journal = cls(connect(path, factory), clock)
        try:
            journal._make_tables(path, new_id)
        except BaseException:
            journal.close()
            raise
        return journal

    @staticmethod
    def id_in(path: Path) -> str | None:
        """Return the id in a file that nobody has open, None where there is none.

        Where the disk is full such a file cannot be opened: SQLite has to put two others beside it.
        """
        uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        with (
            contextlib.suppress(sqlite3.DatabaseError),
            contextlib.closing(sqlite3.connect(uri, uri=True)) as connection,
        ):
            for (journal_id,) in connection.execute("SELECT value FROM meta WHERE name = 'journal_id'"):
                return str(journal_id)
        return None

    @classmethod
    def open_for_reading(cls, path: Path, *, clock: Callable[[], datetime]) -> "Journal":
        """Open ``path`` beside a running agent; raises sqlite3.OperationalError where there is none."""
        return cls(connect_for_reading(path), clock)

    @property
    def is_made(self) -> bool:
        """Whether an agent has made the tables: the file is there a moment before."""
        return bool(self._connection.execute("PRAGMA user_version").fetchone()[0])

    def close(self) -> None:
        """Let the file go."""
        self._connection.close()

    @property
    def journal_id(self) -> str:
        """The id drawn when this file was made: another one tells the gateway that the journal was lost."""
        row = self._connection.execute("SELECT value FROM meta WHERE name = 'journal_id'").fetchone()
        return str(row["value"])

    # commands

    def record_leased(self, commands: Sequence[NodeCommand]) -> None:
        """Write commands down. One that is here already stays as it is; a dropped one that comes again is new."""
        with self._writing() as connection:
            for command in commands:
                self._insert(connection, command, CommandState.JOURNALED)
                connection.execute(
                    "UPDATE commands SET state = 'journaled' WHERE command_id = ? AND state = 'dropped'",
                    (command.command_id,),
                )

    def unacked(self, limit: int) -> list[str]:
        """Return ids of commands that the gateway may not know to be here, oldest first."""
        rows = self._connection.execute(
            "SELECT command_id FROM commands WHERE state = 'journaled' ORDER BY position LIMIT ?", (limit,)
        )
        return [row["command_id"] for row in rows]

    def commands(self, command_ids: Sequence[str]) -> list[NodeCommand]:
        """Return those of the commands that are written down, oldest first."""
        rows = self._connection.execute(
            "SELECT envelope FROM commands WHERE command_id IN (SELECT value FROM json_each(?)) ORDER BY position",
            (json.dumps(list(command_ids)),),
        )
        return [NodeCommand.model_validate_json(row["envelope"]) for row in rows]

    def record_acks(self, held: Sequence[str], dropped: Sequence[str]) -> None:
        """Write down which commands the gateway said are this node's, and which it has withdrawn."""
        with self._writing() as connection:
            for state, command_ids in ((CommandState.ACKED, held), (CommandState.DROPPED, dropped)):
                connection.executemany(
                    "UPDATE commands SET state = ?, changed_at = ? WHERE command_id = ? AND state = 'journaled'",
                    [(state, self._now(), command_id) for command_id in command_ids],
                )

    def entry(self, submission_id: str) -> Entry | None:
        """Return the submit command of a submission and where it stands."""
        found = self._entries("submission_id = ?", submission_id)
        return found[0] if found else None

    def startable(self) -> list[Entry]:
        """Return submit commands that may start, oldest first."""
        return self._entries("state = 'acked'")

    def executions(self) -> list[Entry]:
        """Return submit commands whose process has not ended."""
        return self._entries("state = 'launched'")

    def next_recalled(self) -> list[Execution]:
        """Return the recalled execution that was written down first, or nothing."""
        return self._recalled("position = (SELECT min(position) FROM commands WHERE state = 'recalled')")

    def recalled_of(self, submission_ids: Sequence[str]) -> list[Execution]:
        """Return the recalled executions of these submissions."""
        return self._recalled("submission_id IN (SELECT value FROM json_each(?))", json.dumps(list(submission_ids)))

    def accounted_for(self) -> frozenset[str]:
        """Return the submissions whose process this journal knows, or that it knows to have ended or been withdrawn."""
        rows = self._connection.execute(
            "SELECT submission_id FROM commands WHERE kind = 'submit'"
            " AND state IN ('launched', 'recalled', 'done', 'dropped')"
        )
        return frozenset(row["submission_id"] for row in rows)

    def launched_by_queue(self, besides: Sequence[str] = ()) -> dict[str, int]:
        """Count the executions in each queue that have not ended, but not those of the submissions ``besides``."""
        rows = self._connection.execute(
            "SELECT queue_name, count(*) AS n FROM commands WHERE kind = 'submit' AND state = 'launched'"
            " AND submission_id NOT IN (SELECT value FROM json_each(?)) GROUP BY queue_name",
            (json.dumps(list(besides)),),
        )
        return {row["queue_name"]: row["n"] for row in rows}

    def record_launch(self, command: NodeCommand, accepted: ExecutionEvent) -> None:
        """Write down that a process exists, with its ``accepted``; the command too where the journal lost it."""
        with self._writing() as connection:
            self._insert(connection, command, CommandState.ACKED)
            connection.execute(
                "UPDATE commands SET state = 'launched', execution_id = ?, changed_at = ?"
                " WHERE command_id = ? AND state IN ('journaled', 'acked', 'recalled')",
                (accepted.execution_id, self._now(), command.command_id),
            )
            self._tell(connection, accepted)

    def record_recalled(self, ended: Sequence[Execution]) -> None:
        """Write down executions that the journal lost and that have ended, in the order they are to be taken up in.

        What is here as a command alone came again from the gateway, which waits for it: it keeps its earlier place.
        """
        with self._writing() as connection:
            for command, execution_id in ended:
                self._insert(connection, command, CommandState.RECALLED)
                connection.execute(
                    "UPDATE commands SET state = 'recalled', execution_id = ?, changed_at = ?"
                    " WHERE command_id = ? AND state IN ('journaled', 'acked', 'recalled')",
                    (execution_id, self._now(), command.command_id),
                )

    def record_events(self, events: Sequence[ExecutionEvent], *, done: bool) -> None:
        """Put one submission's events into the outbox; ``done`` closes its commands in the same transaction."""
        with self._writing() as connection:
            for event in events:
                self._tell(connection, event)
            if done:
                connection.execute(
                    "UPDATE commands SET state = 'done', changed_at = ? WHERE submission_id = ? AND state <> 'dropped'",
                    (self._now(), events[-1].submission_id),
                )

    # cancels

    def open_cancels(self) -> list[NodeCommand]:
        """Return acked cancel commands whose submission has not ended."""
        rows = self._connection.execute(
            "SELECT envelope FROM commands WHERE kind = 'cancel' AND state = 'acked' ORDER BY position"
        )
        return [NodeCommand.model_validate_json(row["envelope"]) for row in rows]

    def cancel_requested(self, submission_id: str) -> bool:
        """Tell whether a cancel of the submission is written down, whatever became of it."""
        row = self._connection.execute(
            "SELECT 1 FROM commands WHERE submission_id = ? AND kind = 'cancel' AND state <> 'dropped'",
            (submission_id,),
        ).fetchone()
        return row is not None

    def close_cancels(self, submission_id: str) -> None:
        """Close the cancels of a submission that has ended by itself."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE commands SET state = 'done', changed_at = ? WHERE submission_id = ? AND kind = 'cancel'",
                (self._now(), submission_id),
            )

    # the outbox

    def pending_events(self, limit: int, resting: Sequence[str] = ()) -> list[OutboxEvent]:
        """Return events to deliver, oldest first, but none of the ``resting`` submissions."""
        return outbox.pending(self._connection, limit, resting)

    def record_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        """Write down what the gateway answered."""
        with self._writing() as connection:
            outbox.record(connection, deliveries, self._now())

    def deliver_again(self, event_id: str) -> bool:
        """Put the delivered predecessors of an event back into the outbox; tell whether all of them can be sent.

        The gateway reports a gap that this journal does not see where it was set back to a backup. A predecessor that
        it refused for good leaves the gap open for ever.
        """
        with self._writing() as connection:
            return outbox.deliver_again(connection, event_id, self._now())

    def dead_letters(self) -> list[OutboxEvent]:
        """Return the events that were refused for good, oldest first."""
        return outbox.in_state(self._connection, OutboxState.DEAD)

    def retry_dead_letters(self, event_ids: Sequence[str] | None) -> list[OutboxEvent]:
        """Put dead letters back into the outbox; None is all of them. Returns what was put back, oldest first.

        A dead letter takes those before it of its submission along. Raises NoDeadLetterError, and nothing is changed.
        """
        with self._writing() as connection:
            return outbox.revive(connection, self._dead(event_ids), self._now())

    def drop_dead_letters(self, event_ids: Sequence[str] | None) -> list[OutboxEvent]:
        """Give dead letters up for good; None is all of them. Raises NoDeadLetterError, and nothing is changed."""
        with self._writing() as connection:
            return outbox.give_up(connection, self._dead(event_ids), self._now())

    # upkeep

    def tally(self) -> Tally:
        """Count commands and events."""
        select = self._connection.execute
        commands = select("SELECT state, count(*) AS n FROM commands WHERE kind = 'submit' GROUP BY state")
        return Tally(
            commands={CommandState(row["state"]): row["n"] for row in commands},
            outbox=outbox.counts(self._connection),
        )

    def prune(self, before: datetime) -> None:
        """Forget what ended before ``before`` with nothing left to deliver; dead letters and theirs stay."""
        with self._writing() as connection:
            finished = (
                "SELECT submission_id FROM commands WHERE state IN ('done', 'dropped') AND changed_at < ?"
                " AND submission_id NOT IN (SELECT submission_id FROM outbox WHERE state IN ('pending', 'dead'))"
            )
            for table in ("outbox", "commands"):
                connection.execute(
                    f"DELETE FROM {table} WHERE changed_at < ? AND submission_id IN ({finished})",  # noqa: S608
                    (rfc3339(before), rfc3339(before)),
                )

    def _dead(self, event_ids: Sequence[str] | None) -> list[str]:
        """Return the ids of the dead letters that are meant; raises NoDeadLetterError where one is none."""
        dead = [letter.event_id for letter in self.dead_letters()]
        unknown = sorted(set(event_ids or ()) - set(dead))
        if unknown:
            raise NoDeadLetterError(unknown)
        return dead if event_ids is None else list(event_ids)

    def _insert(self, connection: sqlite3.Connection, command: NodeCommand, state: CommandState) -> None:
        queue = command.submit.execution_profile.queue_name if command.submit else None
        connection.execute(
            "INSERT INTO commands (command_id, submission_id, kind, queue_name, envelope, state, changed_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (command_id) DO NOTHING",
            (
                command.command_id,
                command.submission_id,
                command.kind.value,
                queue,
                command.model_dump_json(),
                state.value,
                self._now(),
            ),
        )

    def _tell(self, connection: sqlite3.Connection, event: ExecutionEvent) -> None:
        outbox.append(connection, event, self._now())
        connection.execute(
            "UPDATE commands SET reported = ? WHERE submission_id = ? AND kind = 'submit'",
            (event.state.value, event.submission_id),
        )

    def _recalled(self, condition: str, *values: str) -> list[Execution]:
        found = self._entries(f"state = 'recalled' AND {condition}", *values)
        return [(entry.command, entry.execution_id) for entry in found if entry.execution_id is not None]

    def _entries(self, condition: str, *values: str) -> list[Entry]:
        rows = self._connection.execute(
            f"SELECT * FROM commands WHERE kind = ? AND {condition} ORDER BY position",  # noqa: S608 - our own words
            (CommandKind.SUBMIT.value, *values),
        )
        return [_entry(row) for row in rows]

    def _make_tables(self, path: Path, new_id: Callable[[], str]) -> None:
        with self._writing() as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > SCHEMA_VERSION:
                raise NewerJournalError(f"{path} has schema {version}, this version knows {SCHEMA_VERSION}")
            if version == 0:
                for statement in TABLES:
                    connection.execute(statement)
                connection.execute("INSERT INTO meta VALUES ('journal_id', ?)", (new_id(),))
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Hold one write transaction; whatever is raised inside, or by the disk, leaves the file as it was."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # SQLite ends it by itself where the disk is full
                self._connection.execute("ROLLBACK")
            raise

    def _now(self) -> str:
        return rfc3339(self._clock())


def _entry(row: sqlite3.Row) -> Entry:
    reported = row["reported"]
    return Entry(
        command=NodeCommand.model_validate_json(row["envelope"]),
        state=CommandState(row["state"]),
        execution_id=row["execution_id"],
        reported=None if reported is None else ExecutionState(reported),
    )
