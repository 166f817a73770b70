"""Keys, clock, back-off, events: the agent's small pure parts."""

import hashlib
import re
import stat
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_journal import command

from slipway_contracts.execution_event import ExecutionState
from slipway_contracts.node_protocol import NODE_TOKEN_AUDIENCE
from slipway_node import events, keys
from slipway_node.agent.context import Timing
from slipway_node.backoff import MAX_SECONDS, Backoff, Pacing
from slipway_node.clock import TOLERATED_SECONDS, Clock
from slipway_node.gateway_client import retry_after_seconds
from slipway_node.ports import Failure

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_a_key_is_made_once_and_for_the_owner_alone(tmp_path):
    path = tmp_path / "node.key"
    made = keys.load_or_create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert keys.public_key_of(keys.load_or_create(path)) == keys.public_key_of(made)
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", keys.public_key_of(made))


def test_a_file_that_holds_no_ed25519_key_is_told(tmp_path):
    (tmp_path / "node.key").write_text("no key")
    with pytest.raises(keys.KeyUnusableError, match="holds no private key"):
        keys.load_or_create(tmp_path / "node.key")


def test_a_token_is_signed_for_one_request_and_a_minute(tmp_path):
    key = keys.load_or_create(tmp_path / "node.key")
    token = keys.Signer(key, "n1").token("POST", "/x:y", b"{}", NOW)
    claims = jwt.decode(
        token,
        key.public_key(),
        ["EdDSA"],
        audience=NODE_TOKEN_AUDIENCE,
        options={"verify_exp": False, "verify_iat": False},
    )
    assert claims == {
        "iss": "n1",
        "aud": NODE_TOKEN_AUDIENCE,
        "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 60,
        "htm": "POST",
        "htu": "/x:y",
        "bsh": hashlib.sha256(b"{}").hexdigest(),
    }


@given(skew=st.floats(-1e6, 1e6), answer_seconds=st.floats(0, 1.5))
def test_the_corrected_clock_is_within_its_tolerance_and_what_the_header_cannot_tell(skew, answer_seconds):
    moment = [NOW]
    clock = Clock(lambda: moment[0] + timedelta(seconds=skew))
    asked_at = clock.system()
    moment[0] += timedelta(seconds=answer_seconds)
    clock.learn(format_datetime(moment[0].replace(microsecond=0), usegmt=True), asked_at)
    untold = (1 + answer_seconds) / 2  # whole seconds, at an unknown moment between asking and answering
    assert abs(clock.now() - moment[0]) <= timedelta(seconds=TOLERATED_SECONDS + untold)


def test_a_long_poll_whose_date_is_of_its_begin_changes_no_clock_that_was_right():
    """A server writes the header when the request comes, or with its answer, or between."""
    moment = [NOW]
    clock = Clock(lambda: moment[0])
    asked_at = clock.system()
    moment[0] += timedelta(seconds=20)
    clock.learn(format_datetime(asked_at, usegmt=True), asked_at)
    assert clock.skew_seconds == 0


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_a_date_that_is_none_changes_nothing(date):
    clock = Clock(lambda: NOW)
    clock.learn(date, NOW)
    assert clock.skew_seconds == 0


def test_pauses_double_up_to_half_a_minute_and_begin_anew_after_a_success():
    backoff = Backoff(lambda: 0.999999)
    pauses = [round(backoff.failed(), 3) for _ in range(9)]
    assert pauses == [0.5, 1, 2, 4, 8, 16, MAX_SECONDS, MAX_SECONDS, MAX_SECONDS]
    backoff.succeeded()
    assert backoff.failed() < 1


@given(draw=st.floats(0, 0.999), tries=st.integers(1, 200))
def test_a_pause_is_never_short_and_never_long(draw, tries):
    backoff = Backoff(lambda: draw)
    pauses = [backoff.failed() for _ in range(tries)]
    assert all(0.25 <= pause <= MAX_SECONDS for pause in pauses)


def test_what_was_asked_for_is_the_least_that_is_waited():
    assert Backoff(lambda: 0.0).failed(7.0) == 7.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("3", 3.0), ("0.5", 0.5), (None, None), ("-1", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("1e9", 3600.0)],
)
def test_retry_after_is_seconds_and_bounded(header, seconds):
    assert retry_after_seconds(header) == seconds


def test_one_key_s_rest_is_not_another_s():
    seconds = [0.0]
    pacing = Pacing(lambda: seconds[0], lambda: 0.0)
    pacing.failed("a")
    assert pacing.resting() == ["a"]
    assert pacing.is_due("b")
    assert pacing.next_due_in(60) == 0.25
    seconds[0] = 0.25
    assert pacing.is_due("a")
    assert pacing.next_due_in(60) == 60


@given(code=st.text(max_size=200), message=st.text(max_size=5000))
def test_any_failure_fits_the_wire(code, message):
    event = events.refused(command("c1"), Failure(code, message), NOW)
    assert event.state is ExecutionState.FAILED
    assert event.error.message == message or event.error.message.endswith("…")


@pytest.mark.parametrize(("look_seconds", "gap_seconds"), [(0.004, 0.25), (0.8, 0.8), (13.0, 2.0)])
def test_a_look_is_followed_by_a_rest_as_long_within_bounds(look_seconds, gap_seconds):
    assert Timing().gap_after(look_seconds) == gap_seconds
