"""A batch that is more than a transaction on Convex takes: in parts, in order, judged as one."""

import pytest
from store_world import SCOPE, World

from slipway_contracts.lifecycle import AFTER_REFUSAL, Applied, Duplicate, Refused
from slipway_gateway.ports import StoreUnavailableError, SubmissionRecord
from slipway_gateway.stores.convex import requests
from slipway_gateway.stores.convex.batches import (
    SUBMISSIONS_MAX_BYTES,
    UPDATES_MAX_BYTES,
    answered,
    applied_in_turn,
    fitting_submissions,
    fitting_updates,
)

WORLD = World(None)


def updates(*states):
    return [WORLD.update(record(submission), state) for submission, state in states]


def record(submission_id):
    return SubmissionRecord(
        submission_id, SCOPE.tenant_id, SCOPE.workspace_id, "job", 1, "key", "", "node", WORLD.now, "trace"
    )


def submissions(count, content):
    command = WORLD.command("node")
    payload = command.payload_ref.model_copy(update={"input_uri": "data:," + content})
    return [WORLD.new(command.model_copy(update={"payload_ref": payload})) for _ in range(count)]


def parts(some, most_bytes=UPDATES_MAX_BYTES):
    """Return what goes in each call."""
    taken = []
    while some:
        taken.append(fitting_updates(some, most_bytes))
        some = some[len(taken[-1]) :]
    return taken


def test_what_a_call_carries_is_one_call():
    some = updates(*[("a", "accepted")] * 80)
    assert parts(some) == [some]
    large = updates(*[("a", "accepted")] * 200)
    assert parts(large) == [large]  # by its size: there are many, and they are small


def test_what_is_more_goes_in_order_and_none_is_lost():
    some = updates(*[("a", "accepted"), ("b", "accepted"), ("a", "running")] * 40)
    size = len(some[0].model_dump_json())
    several = parts(some, most_bytes=5 * size)
    assert [update for part in several for update in part] == some
    assert all(sum(len(update.model_dump_json()) for update in part) <= 5 * size for part in several)
    assert len(several) > 1


def test_what_counts_are_bytes_and_not_letters():
    plain, wide = (WORLD.update(record("a"), "completed", output_uri="file:///" + letter * 60_000) for letter in "aä")
    assert len(parts([plain] * 85)) == 1
    assert len(parts([wide] * 85)) == 2


def test_one_that_is_too_large_alone_is_told_alone():
    some = updates(("a", "accepted"), ("b", "accepted"))
    assert parts(some, most_bytes=1) == [[some[0]], [some[1]]]


def test_a_batch_of_submissions_goes_by_its_bytes_as_they_are_sent():
    for some in (submissions(256, "x" * 30_000), submissions(500, "x" * 16_000), submissions(500, '"' * 4_000)):
        assert fitting_submissions(some) == some
    quoted = submissions(256, '"' * 14_000 + "\\" * 1_000)
    first = fitting_submissions(quoted)
    sent = [len(requests.body(requests.new_submission(each))) for each in quoted]
    assert sum(sent[: len(first)]) <= SUBMISSIONS_MAX_BYTES < sum(sent[: len(first) + 1])


async def test_what_was_not_answered_for_is_asked_again():
    asked = []

    async def ask(some):
        asked.append(list(some))
        return [each.upper() for each in some[:2]]

    assert await answered("abcde", ask) == list("ABCDE")
    assert asked == [list("abcde"), list("cde"), ["e"]]


@pytest.mark.parametrize("answers", [[], [1, 2, 3]])
async def test_no_answer_and_too_many_are_as_none(answers):
    async def ask(_some):
        return answers

    with pytest.raises(StoreUnavailableError):
        await answered("ab", ask)


async def test_updates_that_a_call_was_not_answered_for_are_told_again_and_what_is_behind_a_refusal_is_not():
    some = updates(("a", "running"), ("b", "accepted"), ("a", "accepted"), ("b", "running"), ("c", "accepted"))
    gap = Refused("invalid_projection_transition", "running cannot follow no event directly", gap=True)
    told = []

    async def apply(part):
        told.append(part)
        return [gap if update is some[0] else Applied(update) for update in part[:1]]

    verdicts = await applied_in_turn(some, apply)

    assert verdicts == [gap, Applied(some[1]), AFTER_REFUSAL, Applied(some[3]), Applied(some[4])]
    assert told == [some, [some[1], some[3], some[4]], [some[3], some[4]], [some[4]]]


async def test_what_is_behind_a_refusal_is_a_gap_in_a_later_part_too():
    some = updates(("a", "running"), ("b", "accepted"), ("a", "accepted"), ("b", "running"))
    gap = Refused("invalid_projection_transition", "running cannot follow no event directly", gap=True)
    told = []

    async def apply(part):
        told.append(part)
        return [gap if update is some[0] else Applied(update) for update in part]

    verdicts = await applied_in_turn(some, apply, most_bytes=1)

    assert verdicts == [gap, Applied(some[1]), AFTER_REFUSAL, Applied(some[3])]
    assert told == [[some[0]], [some[1]], [some[3]]]


async def test_a_part_that_is_told_again_after_the_next_one_failed_changes_nothing():
    some = updates(("a", "accepted"), ("a", "running"))
    written = []

    async def apply(part):
        verdicts = [Duplicate() if update in written else Applied(update) for update in part]
        written.extend(part)
        return verdicts

    await applied_in_turn(some[:1], apply, most_bytes=1)
    assert await applied_in_turn(some, apply, most_bytes=1) == [Duplicate(), Applied(some[1])]
