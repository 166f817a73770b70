"""How operations come together in groups, a transaction each."""

import asyncio
from collections.abc import Sequence

import pytest

from slipway_gateway.stores.sql.lane import GROUP_MAX_OPERATIONS, Lane
from slipway_gateway.stores.sql.session import Operation, Session
from slipway_gateway.stores.sql.sqlite import connect


@pytest.fixture
async def lane(file):
    lane = Lane("test", lambda: connect(file, read_only=False), "BEGIN IMMEDIATE")
    yield lane
    await lane.close()


@pytest.fixture
def groups():
    """The groups that were run, a list of arguments each."""
    return []


@pytest.fixture
def noted(groups) -> Operation:
    """Note the group an argument came in, and return the argument."""

    def run(_session: Session, arguments: Sequence[int]) -> list[int]:
        groups.append(list(arguments))
        return list(arguments)

    return Operation("noted", run)


async def after_turns(turns: int, lane: Lane, operation: Operation, argument: int) -> int:
    for _ in range(turns):
        await asyncio.sleep(0)
    return await lane.submit(operation, argument)


async def test_what_comes_turn_after_turn_is_one_group(lane, noted, groups):
    answers = await asyncio.gather(*(after_turns(turn, lane, noted, turn) for turn in range(20)))
    assert answers == list(range(20))
    assert groups == [list(range(20))]


async def test_one_alone_is_not_kept_waiting_for_others(lane, noted, groups):
    for argument in range(3):
        assert await lane.submit(noted, argument) == argument
    assert groups == [[0], [1], [2]]


async def test_a_stream_that_never_pauses_is_handed_over_all_the_same(lane, noted, groups):
    coming = [after_turns(turn, lane, noted, turn) for turn in range(3 * GROUP_MAX_OPERATIONS)]
    assert await asyncio.gather(*coming) == list(range(3 * GROUP_MAX_OPERATIONS))
    assert len(groups[0]) == GROUP_MAX_OPERATIONS


async def test_what_was_gathered_when_the_lane_closes_is_done(lane, noted, groups):
    answers = [lane.submit(noted, argument) for argument in range(5)]
    await lane.close()
    assert await asyncio.gather(*answers) == list(range(5))
    assert groups == [list(range(5))]
