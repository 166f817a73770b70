"""What the engine knows and the journal has lost is written back, told, and nothing is run for it."""

import asyncio
import json
from datetime import timedelta

import pytest
from lab import now

from slipway_contracts.execution_event import ExecutionState
from slipway_node.journal import CommandState, OutboxState
from slipway_node.lock import AgentLock, this_process
from slipway_node.ports import EngineUnavailableError, Phase

ACCEPTED, RUNNING, COMPLETED, FAILED, CANCELLED = (
    ExecutionState.ACCEPTED,
    ExecutionState.RUNNING,
    ExecutionState.COMPLETED,
    ExecutionState.FAILED,
    ExecutionState.CANCELLED,
)


def rows(lab) -> list[tuple]:
    """Everything the journal has, but its own id."""
    journal = lab.journal()
    try:
        select = journal._connection.execute
        return [tuple(row) for table in ("commands", "outbox") for row in select(f"SELECT * FROM {table}")]
    finally:
        journal.close()


def pending(lab) -> int:
    journal = lab.journal()
    try:
        return journal.tally().outbox.get(OutboxState.PENDING, 0)
    finally:
        journal.close()


async def ended_untold(lab, phase: Phase = Phase.FINISHED, **more) -> str:
    """Have a job end while the gateway is down, lose the journal, and let the gateway offer nothing again."""
    submission_id = lab.submit()
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(submission_id) == [ACCEPTED])
        lab.gateway.down = True
        lab.engine.set(submission_id, phase, **more)
        await lab.gateway.until(lambda: pending(lab))
    lab.lose_the_journal()
    lab.gateway.commands.clear()
    lab.gateway.down = False
    return submission_id


@pytest.mark.idempotency("execution-event")
@pytest.mark.parametrize(
    ("phase", "told"),
    [
        (Phase.FINISHED, [ACCEPTED, RUNNING, COMPLETED]),
        (Phase.FAILED, [ACCEPTED, FAILED]),
        (Phase.KILLED, [ACCEPTED, CANCELLED]),
    ],
)
async def test_an_end_that_was_lost_with_the_journal_is_told_though_nothing_is_offered_again(lab, phase, told):
    submission_id = await ended_untold(lab, phase)
    await lab.run_to_the_end(submission_id)
    assert lab.gateway.states(submission_id) == told
    assert lab.engine.launched[submission_id] == 1


async def test_a_job_that_runs_on_is_watched_again(lab):
    submission_id = lab.submit()
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(submission_id) == [ACCEPTED])
    lab.lose_the_journal()
    lab.gateway.commands.clear()
    async with lab.agent():
        await lab.gateway.until(lambda: lab.engine.asked["launched_since"] == 2)
        lab.engine.set(submission_id, Phase.FINISHED)
        await lab.ended(submission_id)
    assert lab.gateway.states(submission_id) == [ACCEPTED, RUNNING, COMPLETED]


@pytest.mark.idempotency("execution-event")
async def test_what_was_told_before_the_loss_is_told_again_without_effect(lab):
    lab.engine.first_phase = Phase.FINISHED
    submission_id = lab.submit()
    await lab.run_to_the_end(submission_id)
    lab.lose_the_journal()
    before = lab.gateway.calls["batchIngest"]
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.calls["batchIngest"] > before)
        await lab.gateway.until(lambda: delivered(lab) == 3)
    assert lab.gateway.states(submission_id) == [ACCEPTED, RUNNING, COMPLETED]


def delivered(lab) -> int:
    journal = lab.journal()
    try:
        return journal.tally().outbox.get(OutboxState.DELIVERED, 0)
    finally:
        journal.close()


@pytest.mark.idempotency("node-protocol")
async def test_where_nothing_is_missing_nothing_changes(lab, steward):
    lab.engine.first_phase = Phase.FINISHED
    await lab.run_to_the_end(lab.submit("j1"))
    lab.engine.first_phase = Phase.RUNNING
    running = lab.submit("j2")
    async with lab.agent():
        await lab.gateway.until(lambda: RUNNING in lab.gateway.states(running))
    before = rows(lab)
    assert await asyncio.to_thread(steward.run, "reconcile") == 0
    assert steward.out == "in the journal 2, written back 0\n"
    assert rows(lab) == before


@pytest.mark.idempotency("node-protocol")
async def test_a_second_reconciliation_writes_nothing(lab, steward):
    await ended_untold(lab)
    assert await asyncio.to_thread(steward.run, "reconcile") == 0
    before = rows(lab)
    await asyncio.to_thread(steward.run, "reconcile")
    assert rows(lab) == before


async def test_the_command_says_what_it_wrote_back_and_the_next_agent_tells_it(lab, steward):
    submission_id = await ended_untold(lab)
    assert await asyncio.to_thread(steward.run, "reconcile") == 0
    execution_id = lab.engine.processes[submission_id].execution_id
    assert steward.out.splitlines() == [
        "in the journal 0, written back 1",
        f"  j1  {submission_id}  {execution_id}",
    ]
    await lab.run_to_the_end(submission_id)
    assert lab.gateway.states(submission_id) == [ACCEPTED, RUNNING, COMPLETED]


async def test_the_report_is_printed_as_json(lab, steward):
    submission_id = await ended_untold(lab)
    await asyncio.to_thread(steward.run, "reconcile", "--json")
    told = json.loads(steward.out)
    assert told["in_journal"] == 0
    assert [lost["submission_id"] for lost in told["written_back"]] == [submission_id]


async def test_the_command_neither_starts_nor_stops_the_engine(lab, steward):
    await ended_untold(lab)
    asked = dict(lab.engine.asked)
    await asyncio.to_thread(steward.run, "reconcile")
    assert (lab.engine.asked["start"], lab.engine.asked["stop"]) == (asked["start"], asked["stop"])


def test_beside_a_running_agent_nothing_is_written_back(lab, steward):
    lock = AgentLock.acquire(lab.home.lock_file, this_process())
    assert steward.run("reconcile") == 1
    lock.release()
    assert "runs already, and may be launching what would be written back" in steward.err
    assert lab.engine.asked == {}


def test_an_engine_that_cannot_be_asked_is_told_of(lab, steward):
    lab.engine.unavailable = True
    assert steward.run("reconcile") == 1
    assert steward.err.startswith("slipway-node: the script says so (hint: ")


async def test_what_ended_longer_ago_than_the_journal_remembers_is_left_alone(lab, steward, monkeypatch):
    monkeypatch.setenv("SLIPWAY_NODE_KEEP_DAYS", "10")
    await ended_untold(lab, ended_at=now() - timedelta(days=11))
    await asyncio.to_thread(steward.run, "reconcile")
    assert steward.out.endswith(", written back 0\n")


async def test_an_execution_that_the_journal_only_knows_as_a_command_is_its_process(lab):
    """The journal was lost, the command came again, and the agent was killed before it found the process."""
    submission_id = lab.submit()
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(submission_id) == [ACCEPTED])
    lab.lose_the_journal()
    held = lab.gateway.commands[lab.gateway.targets[submission_id].command_id]
    async with lab.context() as context:
        await context.journal.call(type(context.journal._journal).record_leased, [held.command])
    async with lab.agent():
        await lab.gateway.until(lambda: lab.engine.asked["launched_since"] == 2 and lab.gateway.calls["lease"] > 3)
        lab.engine.set(submission_id, Phase.FINISHED)
        await lab.ended(submission_id)
    assert lab.engine.launched[submission_id] == 1


async def test_an_agent_takes_nothing_before_it_has_reconciled(lab):
    asked: list[str] = []
    launched_since = lab.engine.launched_since

    async def away_at_first(*arguments):
        asked.append("launched_since")
        if len(asked) < 3:
            raise EngineUnavailableError("its database is locked")
        assert lab.gateway.calls["lease"] == 0
        return await launched_since(*arguments)

    lab.engine.launched_since = away_at_first
    submission_id = lab.submit()
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(submission_id) == [ACCEPTED])
    assert len(asked) == 3


async def test_a_fault_of_ours_in_it_keeps_no_agent_from_its_work(lab):
    async def fault(*_):
        raise RuntimeError

    lab.engine.launched_since = fault
    submission_id = lab.submit()
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(submission_id) == [ACCEPTED])


async def test_a_withdrawn_submission_is_not_told_of(lab, steward):
    submission_id = lab.submit()
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(submission_id) == [ACCEPTED])
    async with lab.context() as context:
        await context.journal.call(withdraw, submission_id)
    before = rows(lab)
    await asyncio.to_thread(steward.run, "reconcile")
    assert rows(lab) == before


def withdraw(journal, submission_id: str) -> None:
    journal._connection.execute(
        "UPDATE commands SET state = ? WHERE submission_id = ?", (CommandState.DROPPED.value, submission_id)
    )
