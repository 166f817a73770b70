"""Events that were refused for good, seen, sent again and given up by the node's admin."""

import asyncio
import json

import pytest
from lab import now
from wire_gateway import problem_outcome

from slipway_contracts.errors import Code
from slipway_contracts.execution_event import ExecutionState
from slipway_node.agent import sending
from slipway_node.journal import OutboxState
from slipway_node.ports import Phase

ACCEPTED, RUNNING, COMPLETED = ExecutionState.ACCEPTED, ExecutionState.RUNNING, ExecutionState.COMPLETED


class Refusing:
    """A gateway that knows nothing of some submissions, until it does."""

    def __init__(self, gateway) -> None:
        self._gateway, self._apply = gateway, gateway._apply
        self.unknown: set[str] = set()
        gateway._apply = self._answer

    def _answer(self, raw, refused):
        if raw["submission_id"] in self.unknown:
            return problem_outcome(Code.SUBMISSION_NOT_FOUND)
        return self._apply(raw, refused)


@pytest.fixture
def refusing(lab) -> Refusing:
    return Refusing(lab.gateway)


def outbox(lab) -> dict[OutboxState, int]:
    journal = lab.journal()
    try:
        return journal.tally().outbox
    finally:
        journal.close()


def letters(steward) -> list[dict[str, object]]:
    assert steward.run("dead-letters", "list", "--json") == 0
    return json.loads(steward.out)


async def refused_whole(lab, refusing, *job_ids: str) -> list[str]:
    """Run jobs to their end at a gateway that knows none of them; return their submission ids."""
    lab.engine.first_phase = Phase.FINISHED
    submission_ids = [lab.submit(job_id) for job_id in job_ids]
    refusing.unknown.update(submission_ids)
    async with lab.agent():
        await lab.gateway.until(lambda: outbox(lab).get(OutboxState.DEAD) == 3 * len(job_ids))
    refusing.unknown.clear()
    return submission_ids


def test_a_node_that_has_never_run_has_none(steward):
    assert steward.run("dead-letters", "list") == 0
    assert steward.out == "no dead letters\n"
    assert letters(steward) == []


async def test_each_is_shown_with_what_it_tells_and_why_it_was_refused(lab, steward, refusing):
    [submission_id] = await refused_whole(lab, refusing, "j1")
    told = letters(steward)
    assert [letter["state"] for letter in told] == ["accepted", "running", "completed"]
    assert {letter["submission_id"] for letter in told} == {submission_id}
    assert told[0]["job_id"] == "j1"
    assert told[0]["attempts"] == 1
    assert told[0]["refusal"] == "submission_not_found: as the contract says"
    assert str(told[0]["since"])[:10] == now().isoformat()[:10]


async def test_the_list_has_a_line_for_each(lab, steward, refusing):
    await refused_whole(lab, refusing, "j1")
    steward.run("dead-letters", "list")
    first, *others = steward.out.splitlines()
    assert "job j1 accepted, since " in first
    assert first.endswith("after 1 try: submission_not_found: as the contract says")
    assert len(others) == 2


async def test_all_that_are_put_back_are_sent_in_order_at_the_next_start(lab, steward, refusing):
    one, two = await refused_whole(lab, refusing, "j1", "j2")
    assert steward.run("dead-letters", "retry", "--all") == 0
    assert steward.out.count("put back ") == 6
    async with lab.agent():
        await lab.gateway.until(lambda: COMPLETED in lab.gateway.states(one) and COMPLETED in lab.gateway.states(two))
    assert lab.gateway.states(one) == lab.gateway.states(two) == [ACCEPTED, RUNNING, COMPLETED]
    assert letters(steward) == []


@pytest.mark.idempotency("execution-event")
async def test_a_running_agent_sends_what_is_put_back_beside_it(lab, steward, refusing, monkeypatch):
    monkeypatch.setattr(sending, "IDLE_SECONDS", 0.05)
    [submission_id] = await refused_whole(lab, refusing, "j1")
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.beats)
        assert await asyncio.to_thread(steward.run, "dead-letters", "retry", "--all") == 0
        await lab.gateway.until(lambda: COMPLETED in lab.gateway.states(submission_id))
    assert lab.gateway.states(submission_id) == [ACCEPTED, RUNNING, COMPLETED]


def test_a_running_agent_looks_within_seconds():
    assert sending.IDLE_SECONDS <= 5


async def test_an_event_takes_those_before_it_along_and_leaves_other_submissions_alone(lab, steward, refusing):
    one, two = await refused_whole(lab, refusing, "j1", "j2")
    accepted, running, completed = (letter["event_id"] for letter in letters(steward) if letter["submission_id"] == one)
    assert steward.run("dead-letters", "retry", str(running), "--json") == 0
    assert json.loads(steward.out) == {"event_ids": [accepted, running]}
    left = letters(steward)
    assert [letter["event_id"] for letter in left if letter["submission_id"] == one] == [completed]
    assert len([letter for letter in left if letter["submission_id"] == two]) == 3


@pytest.mark.idempotency("execution-event")
async def test_an_event_that_is_refused_again_is_a_dead_letter_again(lab, steward, refusing):
    [submission_id] = await refused_whole(lab, refusing, "j1")
    refusing.unknown.add(submission_id)
    steward.run("dead-letters", "retry", "--all")
    async with lab.agent():
        await lab.gateway.until(lambda: outbox(lab).get(OutboxState.DEAD) == 3)
    assert {letter["attempts"] for letter in letters(steward)} == {2}


async def test_what_is_dropped_is_never_told(lab, steward, refusing):
    [submission_id] = await refused_whole(lab, refusing, "j1")
    assert steward.run("dead-letters", "drop", "--all") == 0
    assert steward.out.count("dropped ") == 3
    async with lab.agent():
        await lab.gateway.until(lambda: len(lab.gateway.beats) > 3)
    assert letters(steward) == []
    assert lab.gateway.states(submission_id) == []
    assert steward.run("dead-letters", "retry", "--all") == 0
    assert steward.out == "no dead letters\n"


async def test_what_follows_a_dropped_event_does_not_wait_for_ever(lab, steward, refusing):
    [submission_id] = await refused_whole(lab, refusing, "j1")
    accepted, *_ = letters(steward)
    steward.run("dead-letters", "drop", str(accepted["event_id"]))
    steward.run("dead-letters", "retry", "--all")
    async with lab.agent():
        await lab.gateway.until(lambda: outbox(lab).get(OutboxState.DEAD) == 2)
    assert lab.gateway.states(submission_id) == []


@pytest.mark.parametrize("command", ["retry", "drop"])
@pytest.mark.parametrize("arguments", [[], ["e1", "--all"]], ids=["nothing", "both"])
def test_events_are_named_or_all_are_meant(steward, command, arguments):
    assert steward.run("dead-letters", command, *arguments) == 2
    assert "name the events, or give --all" in steward.err


@pytest.mark.parametrize("command", ["retry", "drop"])
async def test_an_id_of_no_dead_letter_is_named_and_nothing_is_changed(lab, steward, refusing, command):
    await refused_whole(lab, refusing, "j1")
    before = letters(steward)
    assert steward.run("dead-letters", command, str(before[0]["event_id"]), "nonsense") == 1
    assert steward.err.startswith("slipway-node: no dead letter: nonsense (hint: ")
    assert letters(steward) == before
