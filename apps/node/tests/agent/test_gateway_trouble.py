"""What the gateway, or what stands before it, may answer, and what the agent makes of it."""

import asyncio
from datetime import timedelta

import httpx
import pytest
from lab import now
from wire_gateway import ProblemError, problem_outcome

from slipway_contracts.errors import ERRORS, Code
from slipway_contracts.execution_event import ExecutionState
from slipway_contracts.node_protocol import NodeState
from slipway_node.agent.agent import Agent
from slipway_node.gateway_client import LeaseLostError, NodeForbiddenError
from slipway_node.journal import OutboxState
from slipway_node.ports import Phase

ACCEPTED, RUNNING, COMPLETED = ExecutionState.ACCEPTED, ExecutionState.RUNNING, ExecutionState.COMPLETED


def problem(code: Code) -> httpx.Response:
    return httpx.Response(ERRORS[code].status, json=ProblemError(code).body())


def outcomes(code: Code, events: int = 1) -> httpx.Response:
    return httpx.Response(200, json={"outcomes": [problem_outcome(code)] * events})


def outbox(lab) -> dict[OutboxState, int]:
    journal = lab.journal()
    try:
        return journal.tally().outbox
    finally:
        journal.close()


async def run(lab) -> None:
    async with lab.context() as context:
        await Agent(context).run()


NOT_ANSWERED = {
    "a proxy's 404": lambda: httpx.Response(404, text="<html>no such host</html>"),
    "a proxy's 403": lambda: httpx.Response(403, text="<html>who are you?</html>"),
    "a redirect to a login": lambda: httpx.Response(302, headers={"location": "https://login.test/"}),
    "a captive portal's 200": lambda: httpx.Response(200, text="<html>welcome</html>"),
    "a 502": lambda: httpx.Response(502, text="bad gateway"),
    "a code of no contract": lambda: httpx.Response(409, json=ProblemError(Code.EVENT_GAP).body() | {"code": "odd"}),
    "an expired token": lambda: problem(Code.UNAUTHORIZED),
    "an overload": lambda: problem(Code.RATE_LIMITED),
    "a store that is away": lambda: problem(Code.PRODUCT_STORE_UNAVAILABLE),
    "our own fault": lambda: problem(Code.INTERNAL_ERROR),
    "a path that is not there yet": lambda: problem(Code.NOT_FOUND),
    "too few outcomes": lambda: httpx.Response(200, json={"outcomes": []}),
}


@pytest.mark.idempotency("execution-event")
@pytest.mark.parametrize("answer", NOT_ANSWERED.values(), ids=NOT_ANSWERED.keys())
async def test_events_are_sent_again_after(lab, answer):
    lab.gateway.answer_with = lambda call: answer() if call == "batchIngest" else None
    lab.engine.first_phase = Phase.FINISHED
    submission_id = lab.submit()
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.calls["batchIngest"] >= 3)
        assert outbox(lab).keys() == {OutboxState.PENDING}
        lab.gateway.answer_with = None
        await lab.ended(submission_id)
    assert lab.gateway.states(submission_id) == [ACCEPTED, RUNNING, COMPLETED]


@pytest.mark.parametrize("call", ["heartbeat", "lease", "ack"])
async def test_a_proxy_s_error_page_ends_no_task(lab, call):
    lab.gateway.answer_with = lambda asked: httpx.Response(404, text="<html>") if asked == call else None
    submission_id = lab.submit()
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.calls[call] >= 3)
        lab.gateway.answer_with = None
        await lab.gateway.until(lambda: lab.gateway.states(submission_id) == [ACCEPTED])


REFUSALS = [Code.INVALID_EVENT, Code.SUBMISSION_NOT_FOUND, Code.EVENT_ID_CONFLICT, Code.INVALID_TRANSITION]


@pytest.mark.parametrize("code", REFUSALS)
async def test_an_event_that_is_refused_for_good_is_a_dead_letter(lab, code):
    lab.gateway.answer_with = lambda call: outcomes(code) if call == "batchIngest" else None
    lab.submit()
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.calls["batchIngest"] >= 1)
    journal = lab.journal()
    assert [letter.refusal for letter in journal.dead_letters()] == [f"{code}: as the contract says"]
    journal.close()


@pytest.mark.parametrize("code", [Code.INVALID_EVENT, Code.PAYLOAD_TOO_LARGE])
async def test_a_batch_that_is_refused_whole_is_taken_apart_until_the_event_is_found(lab, code):
    """The event that the gateway does not take is the first job's; the second job's go through."""
    bad, good = lab.submit("j1"), lab.submit("j2")

    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(bad) and lab.gateway.states(good))
        lab.gateway.down = True
        lab.engine.set(bad, Phase.RUNNING)
        lab.engine.set(good, Phase.RUNNING)
        await lab.gateway.until(lambda: outbox(lab).get(OutboxState.PENDING) == 2)
        handle = lab.gateway._ingest

        async def refuse(body):
            if any(event["submission_id"] == bad for event in body["events"]):
                raise ProblemError(code)
            return await handle(body)

        lab.gateway._ingest = refuse
        lab.gateway.down = False
        await lab.gateway.until(lambda: RUNNING in lab.gateway.states(good))
    assert outbox(lab)[OutboxState.DEAD] == 1
    assert lab.gateway.states(bad) == [ACCEPTED]


async def test_a_dead_letter_holds_up_no_other_submission(lab):
    bad, good = lab.submit("j1"), lab.submit("j2")
    apply = lab.gateway._apply

    def know_nothing_of_it(raw, refused):
        return problem_outcome(Code.SUBMISSION_NOT_FOUND) if raw["submission_id"] == bad else apply(raw, refused)

    lab.gateway._apply = know_nothing_of_it
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(good) == [ACCEPTED])
        lab.engine.set(good, Phase.FINISHED)
        await lab.ended(good)
    assert outbox(lab)[OutboxState.DEAD] == 1


@pytest.mark.idempotency("execution-event")
async def test_a_gateway_that_was_set_back_is_told_what_it_forgot(lab):
    submission_id = lab.submit()
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(submission_id) == [ACCEPTED])
        await lab.gateway.until(lambda: OutboxState.PENDING not in outbox(lab))
        lab.gateway.receipts.clear()
        standing = lab.gateway.standings[submission_id]
        lab.gateway.standings[submission_id] = type(standing)(standing.attempt, standing.projection_state)
        lab.engine.set(submission_id, Phase.FINISHED)
        await lab.ended(submission_id)
    assert lab.gateway.states(submission_id) == [ACCEPTED, ACCEPTED, RUNNING, COMPLETED]


async def test_a_successor_of_a_dead_letter_does_not_wait_for_ever(lab):
    lab.gateway.answer_with = lambda call: outcomes(Code.INVALID_EVENT) if call == "batchIngest" else None
    submission_id = lab.submit()
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.calls["batchIngest"] >= 1)
        await lab.gateway.until(lambda: outbox(lab).get(OutboxState.DEAD))
        lab.gateway.answer_with = None
        lab.engine.set(submission_id, Phase.RUNNING)
        await lab.gateway.until(lambda: outbox(lab).get(OutboxState.DEAD) == 2)


async def test_a_gateway_that_is_down_for_long_loses_nothing(lab):
    first = lab.submit("j1")
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(first) == [ACCEPTED])
        lab.gateway.down = True
        lab.engine.set(first, Phase.RUNNING)
        await lab.gateway.until(lambda: outbox(lab).get(OutboxState.PENDING) == 1)
        lab.engine.set(first, Phase.FINISHED)
        await lab.gateway.until(lambda: outbox(lab).get(OutboxState.PENDING) == 2)
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.calls["heartbeat"] > 3)
        lab.gateway.down = False
        await lab.ended(first)
    assert lab.gateway.states(first) == [ACCEPTED, RUNNING, COMPLETED]


async def test_a_node_finishes_its_jobs_though_the_gateway_was_never_there(lab):
    submission_id = lab.submit()
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(submission_id) == [ACCEPTED])
    lab.gateway.down = True
    lab.engine.set(submission_id, Phase.FINISHED)
    async with lab.agent():
        await lab.gateway.until(lambda: outbox(lab).get(OutboxState.PENDING) == 2)
    assert lab.home.artifacts.is_dir()


async def test_retry_after_is_waited_for(lab):
    asked: list[float] = []
    loop = asyncio.get_running_loop()

    def answer(call: str) -> httpx.Response | None:
        if call != "batchIngest":
            return None
        asked.append(loop.time())
        if len(asked) > 1:
            return None
        return httpx.Response(
            503, json=ProblemError(Code.PRODUCT_STORE_UNAVAILABLE).body(), headers={"retry-after": "0.4"}
        )

    lab.gateway.answer_with = answer
    submission_id = lab.submit()
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(submission_id) == [ACCEPTED])
    assert asked[1] - asked[0] >= 0.4


@pytest.mark.parametrize("skew", [timedelta(minutes=-10), timedelta(hours=3)], ids=["behind", "ahead"])
async def test_a_clock_that_is_wrong_is_corrected_by_the_gateway_s_date(lab, skew):
    lab.system_clock = lambda: now() + skew
    submission_id = lab.submit()
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(submission_id) == [ACCEPTED])
    assert ("heartbeat", Code.UNAUTHORIZED) in lab.gateway.refused
    assert abs(lab.gateway.applied[0].occurred_at - now()) < timedelta(seconds=5)


async def test_an_agent_ends_when_a_newer_one_has_its_node(lab):
    lab.submit()

    async def a_newer_agent_starts(call: str) -> None:
        if call == "batchIngest":
            lab.gateway.epoch += 1

    lab.gateway.before = a_newer_agent_starts
    with pytest.raises(LeaseLostError):
        await asyncio.wait_for(run(lab), 10)
    assert lab.engine.asked["stop"] == 1


async def test_a_fault_beside_it_does_not_hide_that_a_newer_agent_has_the_node(lab, monkeypatch):
    """It would be started again, and take the node from the newer one."""

    async def fails(agent) -> None:
        try:
            await agent._context.stopping.wait()
        finally:
            raise ZeroDivisionError

    monkeypatch.setattr(Agent, "_tell_ready", fails)
    lab.gateway.answer_with = lambda asked: problem(Code.LEASE_LOST) if asked == "heartbeat" else None
    with pytest.raises(LeaseLostError):
        await asyncio.wait_for(run(lab), 10)


@pytest.mark.parametrize("call", ["heartbeat", "lease", "ack"])
async def test_a_lower_epoch_ends_the_agent_at_whatever_call_it_is_told(lab, call):
    lab.submit()
    lab.gateway.answer_with = lambda asked: problem(Code.LEASE_LOST) if asked == call else None
    with pytest.raises(LeaseLostError):
        await asyncio.wait_for(run(lab), 10)
    assert lab.engine.asked["launch"] == 0


async def test_a_revoked_node_ends_and_says_so(lab):
    submission_id = lab.submit()

    async def revoke(call: str) -> None:
        if call == "batchIngest":
            lab.gateway.state = NodeState.REVOKED

    lab.gateway.before = revoke
    with pytest.raises(NodeForbiddenError, match="revoked"):
        await asyncio.wait_for(run(lab), 10)
    assert lab.gateway.states(submission_id) == []


@pytest.mark.idempotency("node-protocol")
async def test_a_start_whose_answer_was_lost_is_the_same_start(lab):
    async def lose_the_answer(call: str) -> None:
        if call == "heartbeat" and lab.gateway.calls["heartbeat"] == 1:
            beat = lab.gateway._heartbeat

            async def lose(body):
                await beat(body)
                lab.gateway._heartbeat = beat
                raise ProblemError(Code.INTERNAL_ERROR)

            lab.gateway._heartbeat = lose

    lab.gateway.before = lose_the_answer
    async with lab.agent():
        await lab.gateway.until(lambda: len(lab.gateway.beats) >= 3)
    assert lab.gateway.epoch == 1
