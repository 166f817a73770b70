from datetime import timedelta

import pytest

from slipway.cli.watching import Progress


class Now:
    """A time in UTC that a test sets."""

    def __init__(self, moment):
        self.moment = moment

    def __call__(self):
        return self.moment

    def passes(self, seconds):
        self.moment += timedelta(seconds=seconds)


@pytest.fixture
def now(said):
    return Now(said.moment)


@pytest.fixture
def progress(now):
    return Progress(now)


def test_before_the_first_change_is_seen_the_line_says_that_it_looks(progress):
    assert progress.line().plain == "looking"


def test_a_state_is_counted_from_when_it_began_and_not_from_when_it_was_seen(progress, now, said):
    running = said.entry(said.R, 3)
    now.moment = running.occurred_at + timedelta(minutes=4)
    progress.reached(running)
    now.passes(2)
    assert progress.line().plain == "running for 4 min 2 s"


def test_a_change_within_a_state_does_not_begin_it_anew(progress, now, said):
    progress.reached(said.entry(None, 1))
    progress.reached(said.entry(said.A, 50))
    now.passes(61)
    assert progress.line().plain == "queued for 1 min 0 s"


def test_a_state_that_began_in_the_future_of_this_clock_has_lasted_for_no_time(progress, said):
    progress.reached(said.entry(said.R, 30))
    assert progress.line().plain == "running for 0 s"


def test_a_gateway_that_does_not_answer_is_told_with_the_state_that_was_last_seen(progress, now, said):
    progress.reached(said.entry(said.R, 3))
    progress.away()
    now.passes(23)
    assert progress.line().plain == "no answer for 23 s; last seen running"


def test_a_gateway_that_never_answered_is_told_without_a_state(progress, now):
    progress.away()
    now.passes(2)
    assert progress.line().plain == "no answer for 2 s"


def test_a_gateway_that_answers_again_is_no_longer_told_of_though_nothing_changed(progress, now, said):
    progress.reached(said.entry(said.R, 3))
    progress.away()
    progress.answered()
    now.passes(10)
    assert progress.line().plain == "running for 7 s"
