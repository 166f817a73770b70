"""After the loss of the journal what goes on, and what the gateway waits for, comes before what it knows the end of."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from lab import now

from slipway_contracts.execution_event import ExecutionState
from slipway_contracts.lifecycle import is_terminal
from slipway_node.journal import CommandState
from slipway_node.ports import Launched, Phase
from slipway_node.reconciling import newest_end_first

ACCEPTED, RUNNING, COMPLETED, CANCELLED = (
    ExecutionState.ACCEPTED,
    ExecutionState.RUNNING,
    ExecutionState.COMPLETED,
    ExecutionState.CANCELLED,
)
MINUTE = timedelta(minutes=1)


def launched(ended_at: datetime | None) -> Launched:
    return Launched(f"ended {ended_at}", None, ended_at)  # type: ignore[arg-type] # what it was launched with is not asked


def test_the_newest_end_is_first_and_what_goes_on_is_not_among_them():
    oldest, open_, newest, middle = (launched(at) for at in (now() - MINUTE, None, now() + MINUTE, now()))
    assert newest_end_first([oldest, open_, newest, middle]) == [newest, middle, oldest]


async def ended_and_told(lab, minutes_ago: list[int]) -> list[str]:
    """Have a job end so many minutes ago each, and its end told; return them in this order."""
    lab.engine.first_phase = Phase.FINISHED
    submission_ids = [lab.submit(f"told-{minutes}") for minutes in minutes_ago]
    async with lab.agent():
        for submission_id in submission_ids:
            await lab.ended(submission_id)
    for submission_id, minutes in zip(submission_ids, minutes_ago, strict=True):
        lab.engine.set(submission_id, Phase.FINISHED, ended_at=now() - minutes * MINUTE)
    lab.engine.first_phase = Phase.PENDING
    return submission_ids


async def running(lab, job_id: str) -> str:
    lab.engine.first_phase = Phase.RUNNING
    submission_id = lab.submit(job_id)
    async with lab.agent():
        await lab.gateway.until(lambda: RUNNING in lab.gateway.states(submission_id))
    return submission_id


def ends(lab) -> list[str]:
    """The submissions whose ends this journal has told, in their order."""
    journal = lab.journal()
    try:
        rows = journal._connection.execute("SELECT submission_id, body FROM outbox ORDER BY sequence").fetchall()
    finally:
        journal.close()
    return [row["submission_id"] for row in rows if '"state":"completed"' in row["body"]]


async def until_looked_at(lab) -> None:
    """Wait until a look has begun and ended."""
    looks = lab.engine.asked["observe"]
    await lab.gateway.until(lambda: lab.engine.asked["observe"] >= looks + 2)


@pytest.mark.idempotency("execution-event")
async def test_what_the_gateway_waits_for_is_finished_before_what_it_knows(lab):
    newest, middle, oldest = await ended_and_told(lab, [1, 2, 3])
    untold, open_ = await running(lab, "untold"), await running(lab, "open")
    lab.engine.set(untold, Phase.FINISHED, ended_at=now() - 4 * MINUTE)
    lab.lose_the_journal()
    lab.engine.may_collect.clear()
    async with lab.agent():
        await lab.gateway.until(lambda: lab.engine.asked["collect"] == 3 + 2)  # one that it knows came before its word
        lab.engine.set(open_, Phase.FINISHED)
        await until_looked_at(lab)
        lab.engine.may_collect.set()
        await lab.gateway.until(lambda: len(ends(lab)) == 5)
    assert set(ends(lab)[:3]) == {newest, untold, open_}
    assert ends(lab)[3:] == [middle, oldest]
    for submission_id in (newest, middle, oldest, untold, open_):
        assert lab.gateway.states(submission_id) == [ACCEPTED, RUNNING, COMPLETED]


@pytest.mark.idempotency("execution-event")
async def test_what_is_never_asked_for_is_told_the_newest_end_first(lab):
    """As with an old copy of the journal in its place: the gateway knows it, and offers nothing again."""
    middle, oldest, newest = await ended_and_told(lab, [2, 3, 1])
    lab.lose_the_journal()
    lab.gateway.commands.clear()
    lab.timing = replace(lab.timing, look=60.0)  # each end leads to the next one, not the passing of time
    async with lab.agent():
        await lab.gateway.until(lambda: len(ends(lab)) == 3)
    assert ends(lab) == [newest, middle, oldest]


async def test_nothing_is_told_of_what_is_not_yet_taken_up_and_it_keeps_no_job_from_its_launch(lab):
    told = await ended_and_told(lab, [1, 2, 3, 4, 5, 6])
    lab.lose_the_journal()
    lab.engine.may_collect.clear()
    async with lab.agent():
        new = lab.submit("new")
        await lab.gateway.until(lambda: lab.gateway.states(new) == [ACCEPTED])
        await until_looked_at(lab)
        assert states(lab) == {CommandState.LAUNCHED: 2, CommandState.RECALLED: len(told) - 1}
        lab.engine.may_collect.set()


def states(lab) -> dict[CommandState, int]:
    journal = lab.journal()
    try:
        return journal.tally().commands
    finally:
        journal.close()


async def test_one_that_cannot_be_finished_keeps_no_other_back(lab):
    newest, oldest = await ended_and_told(lab, [1, 2])
    lab.lose_the_journal()
    lab.gateway.commands.clear()
    broken, collect = lab.engine.processes[newest].execution_id, lab.engine.collect

    async def collect_all_but_one(execution_id, folder):
        if execution_id == broken:
            raise RuntimeError
        return await collect(execution_id, folder)

    lab.engine.collect = collect_all_but_one
    async with lab.agent():
        await lab.gateway.until(lambda: ends(lab) == [oldest])


async def test_an_agent_that_ends_half_way_through_leaves_the_rest_to_the_next(lab):
    newest, middle, oldest = await ended_and_told(lab, [1, 2, 3])
    lab.lose_the_journal()
    lab.gateway.commands.clear()
    async with lab.agent():
        await lab.gateway.until(lambda: ends(lab))
        lab.engine.may_collect.clear()
    lab.engine.may_collect.set()
    for submission_id in (newest, middle, oldest):  # now too long ago for a start to look for them
        lab.engine.set(submission_id, Phase.FINISHED, ended_at=now() - 60 * MINUTE)
    async with lab.agent():
        await lab.gateway.until(lambda: len(ends(lab)) == 3)
    assert ends(lab) == [newest, middle, oldest]


async def test_a_cancel_that_meets_a_job_that_had_ended_lets_its_end_win(lab):
    submission_id = await running(lab, "untold")
    lab.engine.set(submission_id, Phase.FINISHED)
    lab.gateway.cancel(submission_id)
    lab.lose_the_journal()
    async with lab.agent():
        await lab.gateway.until(lambda: is_terminal(lab.gateway.projection(submission_id)))
    assert lab.gateway.states(submission_id) == [ACCEPTED, RUNNING, COMPLETED]
