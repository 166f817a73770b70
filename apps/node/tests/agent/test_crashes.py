"""The agent killed before and after each of its steps, and started again: one process, every event, in order."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable

import httpx
import pytest

from slipway_contracts.execution_event import ExecutionState
from slipway_node.journal import Journal, JournalThread, OutboxState
from slipway_node.ports import Phase

ACCEPTED, RUNNING, COMPLETED, CANCELLED = (
    ExecutionState.ACCEPTED,
    ExecutionState.RUNNING,
    ExecutionState.COMPLETED,
    ExecutionState.CANCELLED,
)


class KilledError(BaseException):
    """Stands for SIGKILL: nothing of the agent catches it."""


class Reaper:
    """Kills the agent at the n-th crossing of one boundary; a dead agent crosses nothing any more."""

    def __init__(self, boundary: str, nth: int) -> None:
        self._boundary = boundary
        self._left = nth
        self.struck = asyncio.Event()
        self.crossed: Counter[str] = Counter()

    def cross(self, boundary: str) -> None:
        self.crossed[boundary] += 1
        if self.struck.is_set():
            raise KilledError
        if boundary == self._boundary:
            self._left -= 1
            if self._left == 0:
                self.struck.set()
                raise KilledError


class MortalEngine:
    def __init__(self, engine, reaper: Reaper) -> None:
        self._engine = engine
        self._reaper = reaper

    def use_policy(self, *arguments) -> None:
        self._engine.use_policy(*arguments)

    def stands_still_seconds(self) -> float:
        return self._engine.stands_still_seconds()

    def __getattr__(self, name: str):
        async def call(*arguments):
            self._reaper.cross(f"before engine.{name}")
            answer = await getattr(self._engine, name)(*arguments)
            self._reaper.cross(f"after engine.{name}")
            return answer

        return call


def mortal_journal(reaper: Reaper) -> type[JournalThread]:
    class MortalJournalThread(JournalThread):
        async def call(self, method: Callable, /, *arguments, **more):
            reaper.cross(f"before journal.{method.__name__}")
            answer = await super().call(method, *arguments, **more)
            reaper.cross(f"after journal.{method.__name__}")
            return answer

    return MortalJournalThread


class MortalTransport(httpx.AsyncBaseTransport):
    def __init__(self, transport, reaper: Reaper) -> None:
        self._transport = transport
        self._reaper = reaper

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        call = request.url.path.rpartition(":")[2]
        self._reaper.cross(f"before gateway.{call}")
        answer = await self._transport.handle_async_request(request)
        self._reaper.cross(f"after gateway.{call}")
        return answer


async def die(lab, reaper: Reaper) -> None:
    """Run an agent until the reaper has struck."""
    engine, transport = lab.engine, lab.gateway.transport
    lab.engine = MortalEngine(engine, reaper)
    lab.gateway.transport = lambda: MortalTransport(transport(), reaper)
    lab.journal_thread = mortal_journal(reaper)
    try:
        with contextlib.suppress(KilledError, BaseExceptionGroup):
            async with lab.context() as context:
                from slipway_node.agent.agent import Agent

                async with asyncio.timeout(5):
                    await Agent(context).run()
    finally:
        lab.engine, lab.gateway.transport, lab.journal_thread = engine, transport, JournalThread
    assert reaper.struck.is_set()


async def drive(lab, submission_id: str, *steps: tuple[ExecutionState, Callable[[], None]]) -> None:
    """Take the world a step on whenever the gateway has heard of the last one."""
    for state, step in steps:
        await lab.gateway.until(lambda state=state: state in lab.gateway.states(submission_id))
        step()


STEPS_OF_A_RUN = [
    ("engine.launched_since", 1),
    ("journal.record_leased", 1),
    ("gateway.ack", 1),
    ("journal.record_acks", 1),
    ("engine.find", 1),
    ("engine.launch", 1),
    ("journal.record_launch", 1),
    ("gateway.batchIngest", 1),
    ("journal.record_deliveries", 1),
    ("journal.record_events", 1),
    ("gateway.batchIngest", 2),
    ("journal.record_deliveries", 2),
    ("engine.collect", 1),
    ("journal.record_events", 2),
    ("gateway.batchIngest", 3),
    ("journal.record_deliveries", 3),
]
STEPS_OF_A_CANCEL = [
    ("journal.record_leased", 2),
    ("gateway.ack", 2),
    ("journal.record_acks", 2),
    ("engine.kill", 1),
    ("journal.record_events", 1),
    ("gateway.batchIngest", 2),
    ("journal.record_deliveries", 2),
]


def boundaries(steps):
    return [
        pytest.param(f"{side} {step}", nth, id=f"{side}-{step}-{nth}")
        for step, nth in steps
        for side in ("before", "after")
    ]


@pytest.mark.idempotency("node-protocol")
@pytest.mark.parametrize("journal_lost", [False, True], ids=["journal-kept", "journal-lost"])
@pytest.mark.parametrize(("boundary", "nth"), boundaries(STEPS_OF_A_RUN))
async def test_a_killed_agent_goes_on_where_it_was(lab, boundary, nth, journal_lost):
    submission_id = lab.submit()
    engine = lab.engine
    driver = asyncio.create_task(
        drive(
            lab,
            submission_id,
            (ACCEPTED, lambda: engine.set(submission_id, Phase.RUNNING)),
            (RUNNING, lambda: engine.set(submission_id, Phase.FINISHED)),
        )
    )
    await die(lab, Reaper(boundary, nth))
    if journal_lost:
        lab.lose_the_journal()
    await lab.run_to_the_end(submission_id)
    await driver
    assert lab.engine.launched[submission_id] == 1
    assert lab.gateway.states(submission_id) == [ACCEPTED, RUNNING, COMPLETED]
    assert undelivered(lab) == 0


STEPS_OF_A_RECOVERY = [
    ("engine.launched_since", 1),
    ("journal.record_recalled", 1),
    ("journal.next_recalled", 1),
    ("journal.recalled_of", 1),
    ("gateway.ack", 1),
    ("journal.record_launch", 1),
    ("engine.collect", 1),
    ("journal.record_events", 2),
]


@pytest.mark.idempotency("node-protocol")
@pytest.mark.parametrize(("boundary", "nth"), boundaries(STEPS_OF_A_RECOVERY))
async def test_an_agent_killed_as_it_recovers_its_journal_leaves_no_end_untold(lab, boundary, nth):
    submission_id = lab.submit()
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(submission_id) == [ACCEPTED])
    lab.engine.set(submission_id, Phase.FINISHED)
    lab.lose_the_journal()
    await die(lab, Reaper(boundary, nth))
    await lab.run_to_the_end(submission_id)
    assert lab.engine.launched[submission_id] == 1
    assert lab.gateway.states(submission_id) == [ACCEPTED, RUNNING, COMPLETED]
    assert undelivered(lab) == 0


@pytest.mark.idempotency("cancel-job-command")
@pytest.mark.parametrize("journal_lost", [False, True], ids=["journal-kept", "journal-lost"])
@pytest.mark.parametrize(("boundary", "nth"), boundaries(STEPS_OF_A_CANCEL))
async def test_a_killed_agent_still_cancels(lab, boundary, nth, journal_lost):
    submission_id = lab.submit()
    driver = asyncio.create_task(drive(lab, submission_id, (ACCEPTED, lambda: lab.gateway.cancel(submission_id))))
    await die(lab, Reaper(boundary, nth))
    if journal_lost:
        lab.lose_the_journal()
    await lab.run_to_the_end(submission_id)
    await driver
    assert lab.engine.launched[submission_id] == 1
    assert lab.gateway.states(submission_id) == [ACCEPTED, CANCELLED]
    assert undelivered(lab) == 0


def undelivered(lab) -> int:
    journal: Journal = lab.journal()
    try:
        outbox = journal.tally().outbox
        return outbox.get(OutboxState.PENDING, 0) + outbox.get(OutboxState.DEAD, 0)
    finally:
        journal.close()
