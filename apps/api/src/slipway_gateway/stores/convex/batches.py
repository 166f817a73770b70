"""A batch in calls that Convex takes: a call carries so many bytes, and is answered for what its transaction reads.

Nearly always it is one call. Where it is several they go in order, and what one has done stays done: a batch that
breaks off between two of them is told whole again, with the same ids.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from slipway_contracts.execution_event import EVENT_MAX_BYTES
from slipway_contracts.lifecycle import AFTER_REFUSAL, Refused, Verdict
from slipway_contracts.projection_update import ProjectionUpdate
from slipway_contracts.submit_job_command import COMMAND_MAX_BYTES
from slipway_gateway.ports import NewSubmission, StoreUnavailableError
from slipway_gateway.stores.convex import requests

UPDATES_MAX_BYTES = 5 * 1024 * 1024  # an update is written twice, and a transaction writes 16 MiB; the functions take 6
# As it is sent, where a command is text within JSON and each of its quotes is escaped once more; the functions take 12.
SUBMISSIONS_MAX_BYTES = 10 * 1024 * 1024
SUBMISSION_MAX_BYTES = 3 * COMMAND_MAX_BYTES  # of nothing but quotes, with its ids

T = TypeVar("T")
A = TypeVar("A")
Apply = Callable[[Sequence[ProjectionUpdate]], Awaitable[list[Verdict]]]


async def answered(items: Sequence[T], ask: Callable[[Sequence[T]], Awaitable[Sequence[A]]]) -> list[A]:
    """Ask until there is an answer to each of ``items``; ``ask`` is answered for the first of what it asks."""
    answers: list[A] = []
    while len(answers) < len(items):
        rest = items[len(answers) :]
        answers += some_of(await ask(rest), rest)
    return answers


def some_of(told: Sequence[A], asked: Sequence[object]) -> Sequence[A]:
    """Return ``told``, the answers to the first of what was asked, which are some."""
    if not 0 < len(told) <= len(asked):
        raise StoreUnavailableError(f"{len(told)} answers to {len(asked)} questions")
    return told


def fitting_updates(
    updates: Sequence[ProjectionUpdate], most_bytes: int = UPDATES_MAX_BYTES
) -> Sequence[ProjectionUpdate]:
    """Return as many of the first as a call may carry, at least one."""
    if len(updates) * EVENT_MAX_BYTES <= most_bytes:
        return updates
    return _fitting(updates, most_bytes, lambda update: len(update.model_dump_json().encode()))


def fitting_submissions(
    new: Sequence[NewSubmission], most_bytes: int = SUBMISSIONS_MAX_BYTES
) -> Sequence[NewSubmission]:
    """Return as many of the first as a call may carry, at least one."""
    if len(new) * SUBMISSION_MAX_BYTES <= most_bytes:
        return new
    return _fitting(new, most_bytes, lambda each: len(requests.body(requests.new_submission(each))))


def _fitting(items: Sequence[T], most_bytes: int, size_bytes: Callable[[T], int]) -> Sequence[T]:
    held_bytes = 0
    for position, item in enumerate(items):
        held_bytes += size_bytes(item)
        if position and held_bytes > most_bytes:
            return items[:position]
    return items


async def applied_in_turn(
    updates: Sequence[ProjectionUpdate], apply: Apply, most_bytes: int = UPDATES_MAX_BYTES
) -> list[Verdict]:
    """Apply in several calls where it takes them; behind a submission's first refusal is a gap, also in a later one."""
    refused: set[str] = set()

    async def told(rest: Sequence[ProjectionUpdate]) -> list[Verdict]:
        part = fitting_updates(rest, most_bytes)
        judged = [update for update in part if update.submission_id not in refused]
        answers = iter(some_of(await apply(judged), judged) if judged else ())
        verdicts: list[Verdict] = []
        for update in part:
            verdict = AFTER_REFUSAL if update.submission_id in refused else next(answers, None)
            if verdict is None:
                break
            verdicts.append(verdict)
        refused.update(u.submission_id for u, v in zip(part, verdicts, strict=False) if isinstance(v, Refused))
        return verdicts

    return await answered(updates, told)
