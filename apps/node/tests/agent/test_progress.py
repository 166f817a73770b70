import pytest

from slipway_node.agent.progress import STUCK_SECONDS, Progress
from slipway_node.ports import Phase


@pytest.fixture
def progress() -> Progress:
    progress = Progress()
    progress.take_in({phase.value: phase for phase in Phase} | {"unknown": None}, 100.0)
    return progress


def test_a_place_in_the_queue_is_free_once_the_scheduler_is_done(progress):
    assert set(progress.past_the_scheduler()) == {"retrieving", "finished", "failed", "killed"}


def test_workers_have_in_hand_what_is_neither_at_the_scheduler_nor_ended(progress):
    everything = {phase.value for phase in Phase} | {"unknown"}
    assert everything - set(progress.out_of_hand(100.0)) == {"created", "retrieving", "unknown"}


def test_what_does_not_move_holds_up_nobody(progress):
    assert "created" not in progress.out_of_hand(100.0 + STUCK_SECONDS)
    assert {"created", "retrieving", "unknown"} <= set(progress.out_of_hand(101.0 + STUCK_SECONDS))


def test_a_look_that_shows_the_same_is_no_move(progress):
    again = {phase.value: phase for phase in Phase} | {"unknown": None}
    assert not progress.take_in(again, 150.0)
    assert "created" in progress.out_of_hand(101.0 + STUCK_SECONDS)  # and since when is kept
    assert progress.take_in(again | {"created": Phase.PENDING}, 150.0)


def test_what_is_no_longer_open_is_forgotten(progress):
    assert progress.take_in({}, 150.0)
    assert progress.out_of_hand(500.0) == []
