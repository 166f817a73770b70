"""Every order and every repetition of an execution's events ends in the one right state.

The store is the smallest honest one: it keeps a standing and receipts for each attempt and writes what fold says. The
producer is surface 2's: it delivers in any order, repeats anything, and sends a retryable refusal again.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import pytest

from slipway_contracts.execution_event import ExecutionState
from slipway_contracts.lifecycle import (
    PROJECTION_RANK,
    Applied,
    Receipt,
    Refused,
    Standing,
    Verdict,
    fold,
    is_terminal,
    projection_of,
    receipt_of,
)
from slipway_contracts.projection_update import ProjectionState, ProjectionUpdate

UpdateOf = Callable[..., ProjectionUpdate]

ACCEPTED, RUNNING, COMPLETED, FAILED, CANCELLED = ExecutionState
LONGEST = 7
ENDS = (COMPLETED, FAILED, CANCELLED)
LIVES = [
    (ACCEPTED, RUNNING, COMPLETED),
    (ACCEPTED, RUNNING, FAILED),
    (ACCEPTED, RUNNING, CANCELLED),
]
"""Each whole life of an execution; a delivery may reach the store in any order of its members."""


def deliveries(alphabet: Sequence[ExecutionState], longest: int) -> Iterator[tuple[ExecutionState, ...]]:
    """Yield every sequence over ``alphabet`` with repeats, from none up to ``longest``."""
    for length in range(longest + 1):
        yield from itertools.product(alphabet, repeat=length)


@dataclass
class Job:
    """One job in a store: the standing of each attempt, the receipts, and what was written, in order."""

    standings: dict[int, Standing] = field(default_factory=lambda: {1: Standing(1, ProjectionState.QUEUED)})
    receipts: dict[str, Receipt] = field(default_factory=dict)
    written: list[ProjectionUpdate] = field(default_factory=list)

    def deliver(self, *updates: ProjectionUpdate, synthesize_running: bool = False) -> tuple[Verdict, ...]:
        attempt = updates[0].attempt
        before = self.standings[attempt]
        folded = fold(before, self.receipts, updates, synthesize_running=synthesize_running)
        assert PROJECTION_RANK[folded.standing.projection_state] >= PROJECTION_RANK[before.projection_state]
        if is_terminal(before.projection_state):
            assert folded.standing == before
        self.standings[attempt] = folded.standing
        self.receipts |= {update.projection_event_id: receipt_of(update) for update in folded.writes}
        self.written += folded.writes
        return folded.verdicts

    def resubmit(self) -> None:
        last = max(self.standings)
        assert is_terminal(self.standings[last].projection_state)
        self.standings[last] = replace(self.standings[last], current=False)
        self.standings[last + 1] = Standing(last + 1, ProjectionState.QUEUED)

    def states(self, attempt: int = 1) -> list[ExecutionState]:
        return [update.source_execution_state for update in self.written if update.attempt == attempt]


def deliver_with_retries(job: Job, updates: Sequence[ProjectionUpdate]) -> list[Refused]:
    """Deliver one by one, send retryable refusals again until none of them gets further; return the final refusals."""
    waiting, dead = list(updates), []
    progress = True
    while waiting and progress:
        progress, again = False, []
        for update in waiting:
            (verdict,) = job.deliver(update)
            if isinstance(verdict, Refused) and verdict.gap:
                again.append(update)
            elif isinstance(verdict, Refused):
                dead.append(verdict)
                progress = True
            else:
                progress = True
        waiting = again
    return dead


@pytest.mark.idempotency("execution-event")
@pytest.mark.parametrize("life", LIVES, ids=lambda life: life[-1].value)
def test_every_order_and_repetition_that_holds_a_whole_life_ends_in_its_end(
    update_of: UpdateOf, life: tuple[ExecutionState, ...]
) -> None:
    updates = {state: update_of(state) for state in life}
    for delivery in deliveries(life, LONGEST):
        if set(delivery) != set(life):
            continue
        job = Job()
        dead = deliver_with_retries(job, [updates[state] for state in delivery])
        assert job.standings[1].projection_state is projection_of(life[-1]), delivery
        assert len(set(job.states())) == len(job.states()), delivery
        assert bool(dead) is (tuple(job.states()) != life), delivery


@pytest.mark.idempotency("execution-event")
@pytest.mark.parametrize("life", LIVES, ids=lambda life: life[-1].value)
def test_in_order_delivery_with_any_repetition_writes_each_event_once(
    update_of: UpdateOf, life: tuple[ExecutionState, ...]
) -> None:
    updates = {state: update_of(state) for state in life}
    for counts in itertools.product(range(1, 4), repeat=len(life)):
        job = Job()
        delivery = [updates[state] for state, count in zip(life, counts, strict=True) for _ in range(count)]
        assert deliver_with_retries(job, delivery) == []
        assert tuple(job.states()) == life


@pytest.mark.idempotency("execution-event")
@pytest.mark.parametrize("synthesize_running", [False, True], ids=["contract 1", "older"])
def test_whatever_comes_the_state_never_moves_back_and_nothing_is_written_twice(
    update_of: UpdateOf, *, synthesize_running: bool
) -> None:
    updates = {state: update_of(state) for state in ExecutionState}
    for delivery in deliveries(list(ExecutionState), 5):
        job = Job()
        for state in delivery:
            job.deliver(updates[state], synthesize_running=synthesize_running)  # asserts the rank
        ids = [update.projection_event_id for update in job.written]
        assert len(set(ids)) == len(ids), delivery
        assert len([state for state in job.states() if state in ENDS]) <= 1, delivery


@pytest.mark.idempotency("execution-event")
def test_a_batch_is_judged_as_its_events_one_by_one_would_be_until_the_first_refusal(update_of: UpdateOf) -> None:
    updates = {state: update_of(state) for state in ExecutionState}
    for delivery in deliveries(list(ExecutionState), 4):
        whole, single = Job(), Job()
        verdicts = whole.deliver(*[updates[state] for state in delivery]) if delivery else ()
        refused = False
        for state, verdict in zip(delivery, verdicts, strict=True):
            if refused:
                assert isinstance(verdict, Refused)
                assert verdict.gap
                continue
            assert single.deliver(updates[state]) == (verdict,)
            refused = isinstance(verdict, Refused)
        assert whole.written == single.written


@pytest.mark.idempotency("execution-event")
def test_an_older_emitter_that_skips_running_reaches_its_end_in_every_order(update_of: UpdateOf) -> None:
    updates = {state: update_of(state) for state in (ACCEPTED, COMPLETED)}
    for delivery in deliveries([ACCEPTED, COMPLETED], LONGEST):
        if set(delivery) != {ACCEPTED, COMPLETED}:
            continue
        job = Job()
        for state in (*delivery, *delivery):  # a producer sends a gap again
            job.deliver(updates[state], synthesize_running=True)
        assert job.states() == [ACCEPTED, RUNNING, COMPLETED]
        assert [update.synthesized for update in job.written] == [False, True, False]


@pytest.mark.idempotency("projection-update")
@pytest.mark.parametrize("first_end", [FAILED, CANCELLED], ids=str)
def test_events_of_a_former_attempt_in_any_order_leave_the_second_as_it_is(
    update_of: UpdateOf, first_end: ExecutionState
) -> None:
    former = {state: update_of(state) for state in ExecutionState}
    second = {
        state: update_of(state, attempt=2, submission_id="sub-2", execution_id="exec-2")
        for state in (ACCEPTED, RUNNING, COMPLETED)
    }
    for late in deliveries([RUNNING, COMPLETED, first_end], 3):
        for cut in range(len(second) + 1):
            job = Job()
            deliver_with_retries(job, [former[ACCEPTED], former[first_end]])
            job.resubmit()
            order = list(second.values())
            for update in (*order[:cut], *(former[state] for state in late), *order[cut:]):
                written = len(job.written)
                (verdict,) = job.deliver(update)
                if update.attempt == 1:
                    assert len(job.written) == written
                else:
                    assert isinstance(verdict, Applied)
            assert job.standings[2].projection_state is ProjectionState.SUCCEEDED
            assert job.states(1) == [ACCEPTED, first_end]
            assert job.states(2) == [ACCEPTED, RUNNING, COMPLETED]


@pytest.mark.idempotency("projection-update")
def test_an_update_that_claims_another_attempt_touches_neither(update_of: UpdateOf) -> None:
    for state in ExecutionState:
        job = Job()
        crooked = update_of(state).model_copy(update={"attempt": 2})
        verdict = fold(job.standings[1], {}, [crooked]).verdicts[0]
        assert isinstance(verdict, Refused)
        assert not verdict.gap
