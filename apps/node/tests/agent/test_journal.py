"""The journal: each method is one transaction, whatever is killed within it."""

import sqlite3
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from slipway_contracts.execution_event import ExecutionEvent, ExecutionState, event_id_for
from slipway_contracts.node_protocol import CommandKind, NodeCommand
from slipway_contracts.submit_job_command import SubmitJobCommand
from slipway_node.journal import CommandState, Delivery, Journal, NewerJournalError, OutboxState

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SUBMIT = SubmitJobCommand.model_validate(
    {
        "tenant_id": "t1",
        "workspace_id": "w1",
        "job_id": "j1",
        "idempotency_key": "k1",
        "management_node_id": "n1",
        "execution_profile": {"queue_name": "default"},
        "resource_shape": {"cpu": 1, "memory_mib": 1, "walltime_seconds": 1},
        "payload_ref": {"input_uri": "data:,x"},
        "requested_by": {"user_id": "u1"},
    }
)


def command(name: str, kind: CommandKind = CommandKind.SUBMIT, submission_id: str = "s1") -> NodeCommand:
    return NodeCommand(
        command_id=name,
        kind=kind,
        submission_id=submission_id,
        tenant_id="t1",
        workspace_id="w1",
        job_id="j1",
        attempt=1,
        trace_id="0" * 32,
        expires_at=NOW,
        submit=SUBMIT if kind is CommandKind.SUBMIT else None,
    )


def event(state: ExecutionState, submission_id: str = "s1", execution_id: str = "e1") -> ExecutionEvent:
    ends = {
        ExecutionState.COMPLETED: {"result_ref": {"output_uri": "file:///out"}},
        ExecutionState.FAILED: {"error": {"code": "job_failed", "message": "no"}},
    }
    return ExecutionEvent.model_validate(
        {
            "event_id": event_id_for(submission_id, execution_id, state),
            "tenant_id": "t1",
            "workspace_id": "w1",
            "job_id": "j1",
            "submission_id": submission_id,
            "execution_id": execution_id,
            "state": state,
            "occurred_at": NOW,
            "trace_id": "0" * 32,
            **ends.get(state, {}),
        }
    )


class KilledError(BaseException):
    """Stands for SIGKILL."""


class MortalConnection(sqlite3.Connection):
    """Dies before its n-th statement, and from then on does nothing any more."""

    statements_left: float = float("inf")

    def execute(self, *arguments):
        self._spend()
        return super().execute(*arguments)

    def executemany(self, *arguments):
        self._spend()
        return super().executemany(*arguments)

    def _spend(self) -> None:
        if self.statements_left <= 0:
            raise KilledError
        self.statements_left -= 1


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def opened(path: Path, factory=sqlite3.Connection) -> Journal:
    return Journal.open(path, new_id=lambda: str(uuid.uuid4()), clock=lambda: NOW, factory=factory)


@pytest.fixture
def journal(path: Path):
    held = opened(path)
    yield held
    held.close()


def launched(journal: Journal) -> None:
    journal.record_leased([command("c1")])
    journal.record_acks(["c1"], [])
    journal.record_launch(command("c1"), event(ExecutionState.ACCEPTED))


def test_it_keeps_its_id_when_it_is_opened_again(path):
    first = opened(path)
    journal_id = first.journal_id
    first.close()
    second = opened(path)
    assert second.journal_id == journal_id
    second.close()


def test_every_commit_waits_for_the_disk(journal):
    assert journal._connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert journal._connection.execute("PRAGMA synchronous").fetchone()[0] == 2


def test_a_journal_of_a_newer_version_is_refused(path):
    opened(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(NewerJournalError, match="schema 99"):
        opened(path)


@pytest.mark.idempotency("node-protocol")
def test_a_command_that_is_leased_again_stays_where_it_stands(journal):
    launched(journal)
    journal.record_leased([command("c1")])
    assert journal.entry("s1").state is CommandState.LAUNCHED
    assert journal.unacked(10) == []


def test_a_command_is_unacked_until_the_gateway_has_answered(journal):
    journal.record_leased([command("c1"), command("c2", submission_id="s2")])
    assert journal.unacked(10) == ["c1", "c2"]
    assert journal.startable() == []
    journal.record_acks(["c1"], ["c2"])
    assert journal.unacked(10) == []
    assert [entry.command.command_id for entry in journal.startable()] == ["c1"]


def test_a_dropped_command_never_starts(journal):
    journal.record_leased([command("c1")])
    journal.record_acks([], ["c1"])
    assert journal.startable() == []
    assert journal.entry("s1").state is CommandState.DROPPED


def test_a_dropped_command_that_is_offered_again_is_acked_again(journal):
    journal.record_leased([command("c1")])
    journal.record_acks([], ["c1"])
    journal.record_leased([command("c1")])
    assert journal.unacked(10) == ["c1"]


def test_a_launch_and_its_event_are_written_together(journal):
    launched(journal)
    assert journal.entry("s1").execution_id == "e1"
    assert journal.entry("s1").reported is ExecutionState.ACCEPTED
    assert [pending.submission_id for pending in journal.pending_events(10)] == ["s1"]


@pytest.mark.idempotency("execution-event")
def test_an_event_that_is_told_twice_is_in_the_outbox_once(journal):
    launched(journal)
    journal.record_events([event(ExecutionState.RUNNING)], done=False)
    journal.record_events([event(ExecutionState.RUNNING)], done=False)
    assert len(journal.pending_events(10)) == 2


def test_the_last_event_closes_the_submission_and_its_cancels(journal):
    launched(journal)
    journal.record_leased([command("c2", CommandKind.CANCEL)])
    journal.record_acks(["c2"], [])
    assert [held.command_id for held in journal.open_cancels()] == ["c2"]
    journal.record_events([event(ExecutionState.CANCELLED)], done=True)
    assert journal.open_cancels() == []
    assert journal.executions() == []


def test_events_come_out_in_the_order_they_went_in(journal):
    launched(journal)
    journal.record_events([event(ExecutionState.RUNNING), event(ExecutionState.COMPLETED)], done=True)
    states = [ExecutionEvent.model_validate_json(held.body).state for held in journal.pending_events(10)]
    assert states == [ExecutionState.ACCEPTED, ExecutionState.RUNNING, ExecutionState.COMPLETED]


def test_recalled_executions_are_taken_up_in_the_order_they_were_written_down_in(journal):
    first, second = ((command(f"c-{s}", submission_id=s), f"e-{s}") for s in ("s2", "s1"))
    journal.record_recalled([first, second])
    assert journal.next_recalled() == [first]
    assert journal.recalled_of(["s1", "s3"]) == [second]
    journal.record_launch(first[0], event(ExecutionState.ACCEPTED, "s2", "e-s2"))
    assert journal.next_recalled() == [second]
    assert [entry.execution_id for entry in journal.executions()] == ["e-s2"]


@pytest.mark.idempotency("node-protocol")
def test_what_is_recalled_is_not_looked_for_launched_or_told_of_and_takes_no_place_in_its_queue(journal):
    recalled = [(command("c1"), "e1")]
    journal.record_recalled(recalled)
    journal.record_recalled(recalled)
    journal.record_leased([command("c1")])
    journal.record_acks(["c1"], [])
    assert journal.tally().commands == {CommandState.RECALLED: 1}
    assert journal.accounted_for() == {"s1"}
    assert (journal.startable(), journal.executions(), journal.launched_by_queue()) == ([], [], {})
    assert journal.pending_events(10) == []


def test_a_command_whose_process_had_ended_is_recalled_before_what_was_written_down_later(journal):
    journal.record_leased([command("c1")])
    other = (command("c2", submission_id="s2"), "e2")
    journal.record_recalled([other, (command("c1"), "e1")])
    assert journal.next_recalled() == [(command("c1"), "e1")]


@pytest.mark.idempotency("execution-event")
def test_an_end_that_was_told_is_not_recalled(journal):
    launched(journal)
    journal.record_events([event(ExecutionState.CANCELLED)], done=True)
    journal.record_recalled([(command("c1"), "e1")])
    assert journal.next_recalled() == []
    assert journal.entry("s1").state is CommandState.DONE


def test_a_resting_submission_does_not_hold_the_others_up(journal):
    launched(journal)
    journal.record_launch(command("c2", submission_id="s2"), event(ExecutionState.ACCEPTED, "s2", "e2"))
    assert [held.submission_id for held in journal.pending_events(10, ["s1"])] == ["s2"]


def test_a_delivered_event_is_sent_again_when_its_successor_meets_a_gap(journal):
    launched(journal)
    accepted = journal.pending_events(1)[0]
    journal.record_deliveries([Delivery(accepted.event_id, OutboxState.DELIVERED)])
    journal.record_events([event(ExecutionState.RUNNING)], done=False)
    running = journal.pending_events(1)[0]
    assert journal.deliver_again(running.event_id)
    assert [held.event_id for held in journal.pending_events(10)] == [accepted.event_id, running.event_id]


def test_a_gap_behind_a_dead_letter_cannot_be_closed(journal):
    launched(journal)
    accepted = journal.pending_events(1)[0]
    journal.record_deliveries([Delivery(accepted.event_id, OutboxState.DEAD, "invalid_event: no")])
    journal.record_events([event(ExecutionState.RUNNING)], done=False)
    assert not journal.deliver_again(journal.pending_events(1)[0].event_id)
    assert [letter.refusal for letter in journal.dead_letters()] == ["invalid_event: no"]


def test_what_ended_long_ago_and_was_delivered_is_forgotten(journal):
    launched(journal)
    journal.record_events([event(ExecutionState.CANCELLED)], done=True)
    journal.record_deliveries([Delivery(held.event_id, OutboxState.DELIVERED) for held in journal.pending_events(10)])
    journal.prune(NOW + timedelta(seconds=1))
    assert journal.entry("s1") is None
    assert journal.tally().outbox == {}


@pytest.mark.parametrize("state", [OutboxState.PENDING, OutboxState.DEAD])
def test_what_was_not_delivered_is_never_forgotten(journal, state):
    launched(journal)
    journal.record_events([event(ExecutionState.CANCELLED)], done=True)
    last = journal.pending_events(10)[-1]
    journal.record_deliveries([Delivery(last.event_id, state)])
    journal.prune(NOW + timedelta(seconds=1))
    assert journal.entry("s1") is not None


def test_what_an_admin_gave_up_is_forgotten_like_what_was_delivered(journal):
    launched(journal)
    journal.record_events([event(ExecutionState.CANCELLED)], done=True)
    journal.record_deliveries([Delivery(held.event_id, OutboxState.DEAD) for held in journal.pending_events(10)])
    journal.drop_dead_letters(None)
    journal.prune(NOW + timedelta(seconds=1))
    assert journal.entry("s1") is None


@pytest.mark.idempotency("execution-event")
def test_a_dropped_event_that_is_told_again_stays_dropped(journal):
    launched(journal)
    accepted = journal.pending_events(1)[0]
    journal.record_deliveries([Delivery(accepted.event_id, OutboxState.DEAD)])
    journal.drop_dead_letters([accepted.event_id])
    journal.record_events([event(ExecutionState.ACCEPTED)], done=False)
    assert journal.pending_events(10) == []


def life(journal: Journal) -> None:
    """Everything a submission and its cancel are written down with."""
    launched(journal)
    journal.record_leased([command("c2", CommandKind.CANCEL)])
    journal.record_acks(["c2"], [])
    journal.record_events([event(ExecutionState.RUNNING)], done=False)
    journal.record_deliveries([Delivery(held.event_id, OutboxState.DELIVERED) for held in journal.pending_events(10)])
    journal.record_events([event(ExecutionState.COMPLETED)], done=True)


def statements_of_a_life(path: Path) -> int:
    counted = opened(path, MortalConnection)
    counted._connection.statements_left = 10_000
    life(counted)
    spent = 10_000 - counted._connection.statements_left
    counted.close()
    return int(spent)


@pytest.mark.idempotency("node-protocol")
def test_a_kill_between_any_two_statements_leaves_states_and_events_in_step(tmp_path):
    total = statements_of_a_life(tmp_path / "counted.db")
    assert total > 30
    for statements in range(total):
        path = tmp_path / f"killed-{statements}.db"
        victim = opened(path, MortalConnection)
        victim._connection.statements_left = statements
        with pytest.raises(KilledError):
            life(victim)
        victim.close()
        survivor = opened(path)
        assert_in_step(survivor)
        life(survivor)  # and all of it can be done again
        assert_in_step(survivor)
        assert survivor.entry("s1").state is CommandState.DONE
        assert sum(survivor.tally().outbox.values()) == 3
        survivor.close()


def assert_in_step(journal: Journal) -> None:
    entry = journal.entry("s1")
    rows = journal._connection.execute("SELECT body FROM outbox ORDER BY sequence").fetchall()
    told = [ExecutionEvent.model_validate_json(row["body"]).state for row in rows]
    if entry is None:
        assert told == []
        return
    assert entry.reported == (told[-1] if told else None)
    assert (entry.state in (CommandState.LAUNCHED, CommandState.DONE)) == bool(told)
    assert (entry.state is CommandState.DONE) == (ExecutionState.COMPLETED in told)


@pytest.mark.parametrize(
    "asked",
    [Journal.executions, Journal.startable, Journal.next_recalled, Journal.open_cancels, lambda held: held.entry("s1")],
)
def test_what_is_asked_at_each_look_reads_no_command_that_is_done(journal, asked):
    statements: list[str] = []
    journal._connection.set_trace_callback(statements.append)
    asked(journal)
    journal._connection.set_trace_callback(None)

    assert statements
    for statement in statements:
        plan = [row[3] for row in journal._connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
        assert not [step for step in plan if step.startswith("SCAN commands")], plan
