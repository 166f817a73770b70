"""A cancel meets a submission in each of its states."""

import asyncio
from dataclasses import replace

import pytest

from slipway_contracts.execution_event import ExecutionState
from slipway_contracts.node_protocol import CommandKind
from slipway_contracts.projection_update import ProjectionState
from slipway_node.ports import Failure, Phase, RefusedJobError

ACCEPTED, RUNNING, COMPLETED, CANCELLED = (
    ExecutionState.ACCEPTED,
    ExecutionState.RUNNING,
    ExecutionState.COMPLETED,
    ExecutionState.CANCELLED,
)


@pytest.fixture
def patient(lab):
    """Let no kill be repeated since its job's end is seen late."""
    lab.timing = replace(lab.timing, kill_again=30.0)


async def test_what_was_cancelled_before_its_ack_is_dropped(lab):
    submission_id = lab.submit()

    async def cancel_first(call: str) -> None:
        if call == "ack":
            lab.gateway.cancel(submission_id)

    lab.gateway.before = cancel_first
    later = lab.submit("j2")
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(later) == [ACCEPTED])
    assert lab.engine.launched[submission_id] == 0
    assert lab.gateway.states(submission_id) == []
    assert lab.gateway.projection(submission_id) is ProjectionState.CANCELLED


async def test_a_job_that_waits_for_its_queue_is_cancelled_without_a_process(lab):
    first, second = (lab.submit(job, execution_profile={"queue_name": "narrow"}) for job in ("j1", "j2"))
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(first) == [ACCEPTED])
        lab.gateway.cancel(second)
        await lab.ended(second)
    cancelled = lab.gateway.applied[-1]
    assert lab.gateway.states(second) == [CANCELLED]
    assert cancelled.execution_id == second
    assert lab.engine.launched[second] == 0


async def test_a_cancel_that_comes_while_the_payload_is_fetched_is_kept(lab):
    fetching, go_on = asyncio.Event(), asyncio.Event()
    submission_id = lab.submit()

    async def fetch(*_arguments):
        fetching.set()
        await go_on.wait()

    lab.fetch = fetch
    async with lab.agent():
        await fetching.wait()
        lab.gateway.cancel(submission_id)
        cancel = list(lab.gateway.commands.values())[-1]
        await lab.gateway.until(lambda: cancel.state == "acked")
        go_on.set()
        await lab.ended(submission_id)
    assert lab.gateway.states(submission_id) == [CANCELLED]
    assert lab.engine.launched[submission_id] == 0


async def test_what_cannot_be_launched_now_is_not_told_as_failed_once_it_is_cancelled(lab):
    submission_id = lab.submit()

    async def fetch(*_arguments):
        lab.gateway.cancel(submission_id)
        cancel = list(lab.gateway.commands.values())[-1]
        await lab.gateway.until(lambda: cancel.state == "acked")
        raise RefusedJobError("payload_unavailable", "it is away", retryable=True)

    lab.fetch = fetch
    async with lab.agent():
        await lab.ended(submission_id)
    assert lab.gateway.states(submission_id) == [CANCELLED]


async def test_a_failure_is_told_as_it_is_seen_once_a_cancel_that_came_meanwhile_is_written_down(lab):
    lab.engine.kill_works = False
    submission_id = lab.submit()
    lost = Failure("scheduler_lost_job", "it is lost", retryable=True)
    async with lab.agent() as agent:
        await lab.gateway.until(lambda: lab.gateway.states(submission_id) == [ACCEPTED])
        async with agent._context.locks.hold(submission_id):
            lab.engine.set(submission_id, Phase.FAILED, failure=lost)
            await lab.gateway.until(lambda: not agent._finishing.idle)
            lab.engine.set(submission_id, Phase.KILLED)
        await lab.ended(submission_id)
    assert lab.gateway.states(submission_id) == [ACCEPTED, CANCELLED]


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.RUNNING])
async def test_a_launched_job_is_killed(lab, phase):
    lab.engine.first_phase = phase
    submission_id = lab.submit()
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(submission_id))
        lab.gateway.cancel(submission_id)
        await lab.ended(submission_id)
    assert lab.gateway.states(submission_id)[-1] is CANCELLED
    assert sum(lab.engine.killed.values()) == 1


async def test_a_kill_that_was_lost_is_repeated(lab):
    lab.timing = replace(lab.timing, kill_again=1.0)  # in which it is seen that the second one was heard
    lab.engine.kill_works = False
    submission_id = lab.submit()
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(submission_id) == [ACCEPTED])
        lab.gateway.cancel(submission_id)
        await lab.gateway.until(lambda: sum(lab.engine.killed.values()) == 1)
        lab.engine.kill_works = True
        await lab.ended(submission_id)
    assert sum(lab.engine.killed.values()) == 2
    assert lab.gateway.states(submission_id) == [ACCEPTED, CANCELLED]


async def test_a_kill_that_has_no_answer_keeps_no_other_cancel_waiting(lab):
    stuck, other = lab.submit(), lab.submit("j2")
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(stuck) == lab.gateway.states(other) == [ACCEPTED])
        lab.engine.kills_to_come[stuck] = asyncio.Event()
        lab.gateway.cancel(stuck)
        await lab.gateway.until(lambda: sum(lab.engine.killed.values()) == 1)
        lab.gateway.cancel(other)
        await lab.ended(other)
        assert lab.gateway.states(stuck) == [ACCEPTED]
        lab.engine.kills_to_come[stuck].set()
        await lab.ended(stuck)
    assert lab.gateway.states(stuck) == lab.gateway.states(other) == [ACCEPTED, CANCELLED]


async def test_completion_may_win_over_a_cancel(lab):
    lab.engine.kill_works = False
    submission_id = lab.submit()
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(submission_id) == [ACCEPTED])
        lab.gateway.cancel(submission_id)
        await lab.gateway.until(lambda: lab.engine.killed)
        lab.engine.set(submission_id, Phase.FINISHED)
        await lab.ended(submission_id)
    assert lab.gateway.states(submission_id) == [ACCEPTED, RUNNING, COMPLETED]


async def test_a_cancel_of_a_process_whose_record_is_gone_is_told_as_done(lab):
    submission_id = lab.submit()
    async with lab.agent() as agent:
        await lab.gateway.until(lambda: lab.gateway.states(submission_id) == [ACCEPTED])
        lab.engine.processes.clear()
        await lab.gateway.until(agent._context.sight.troubles.told)
        lab.gateway.cancel(submission_id)
        await lab.ended(submission_id)
        assert not agent._context.sight.troubles.told()
    assert lab.gateway.states(submission_id) == [ACCEPTED, CANCELLED]
    assert lab.gateway.applied[-1].status_detail == "cancelled; the node's record of it is gone"


@pytest.mark.idempotency("cancel-job-command")
async def test_two_cancels_of_one_job_are_one(lab):
    submission_id = lab.submit()
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(submission_id) == [ACCEPTED])
        lab.gateway.cancel(submission_id)
        lab.gateway.cancel(submission_id)
        await lab.ended(submission_id)
    assert lab.gateway.states(submission_id) == [ACCEPTED, CANCELLED]


@pytest.fixture
async def hidden(lab) -> str:
    """Launch a job and lose the journal; the gateway offers the cancel before the submit command comes again."""
    submission_id = lab.submit()
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(submission_id) == [ACCEPTED])
    for path in lab.home.root.glob("journal.db*"):
        path.unlink()
    lab.gateway.commands.pop(lab.gateway.targets[submission_id].command_id)
    lab.gateway._command(kind=CommandKind.CANCEL, submission_id=submission_id, submit=None, attempt=1)
    return submission_id


async def test_a_cancel_for_a_process_that_a_lost_journal_has_hidden_kills_it(lab, hidden):
    await lab.run_to_the_end(hidden)
    assert lab.gateway.states(hidden) == [ACCEPTED, CANCELLED]
    assert lab.engine.launched[hidden] == 1


@pytest.mark.usefixtures("patient")
async def test_a_cancel_waits_for_a_process_whose_record_cannot_be_read_and_does_not_take_it_for_none(
    lab, hidden, monkeypatch
):
    postponed = asyncio.Event()
    monkeypatch.setattr("slipway_node.agent.steps._log.warning", lambda *_line, **_fields: postponed.set())
    lab.engine.unreadable = {hidden}
    async with lab.agent():
        await postponed.wait()
        assert lab.gateway.states(hidden) == [ACCEPTED]
        lab.engine.unreadable = set()
        await lab.ended(hidden)
    assert lab.gateway.states(hidden) == [ACCEPTED, CANCELLED]
    assert sum(lab.engine.killed.values()) == 1
