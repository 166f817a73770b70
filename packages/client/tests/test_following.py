import socket
import time

import httpx
import pytest

from slipway import NO_RETRIES, Slipway, UnreachableError, WaitTimeoutError
from slipway.errors import InputRefusedError, JobNotFoundError, NotFoundError, RateLimitedError, UnauthorizedError
from slipway.following import OUTAGE_PATIENCE_SECONDS, QUICKEST_SECONDS, SLOWEST_SECONDS, pause_seconds
from slipway_contracts.errors import Code
from slipway_contracts.projection_update import ProjectionState
from slipway_contracts.reads import StreamReset

TIMELINE = ("GET", "/api/runtime/jobs/j1/timeline")


@pytest.fixture
def client(wire, passing, said):
    """A client whose every failed look is a failure, so that outages are counted by looks."""
    with Slipway(
        "http://gateway.test", said.token(), transport=wire.transport(), clock=passing.clock(), retries=NO_RETRIES
    ) as made:
        yield made


def test_each_change_is_given_once_and_the_terminal_one_is_the_last(client, wire, said):
    wire.on(
        *TIMELINE,
        *(
            said.ok(said.timeline(*seen))
            for seen in [(), (said.A,), (said.A,), (said.A, said.R), (said.A, said.R, said.C)]
        ),
    )
    states = [entry.source_execution_state for entry in client.watch("j1")]
    assert states == [None, said.A, said.R, said.C]


def test_only_the_current_attempt_is_followed(client, wire, said):
    former = said.timeline(said.A, said.F).entries
    current = said.entry(said.A, 9, submission_id="s2", attempt=2)
    ended = said.entry(said.F, 10, submission_id="s2", attempt=2)
    wire.on(*TIMELINE, said.ok(said.timeline().model_copy(update={"entries": [*former, current, ended]})))
    assert [entry.submission_id for entry in client.watch("j1")] == ["s2", "s2"]


def test_a_named_submission_is_followed_though_a_later_one_exists(client, wire, said):
    former = said.timeline(said.A, said.F).entries
    current = said.entry(said.A, 9, submission_id="s2", attempt=2)
    wire.on(*TIMELINE, said.ok(said.timeline().model_copy(update={"entries": [*former, current]})))
    assert len(list(client.watch("j1", submission_id=said.submission_id))) == 3


def test_waiting_ends_with_the_projection(client, wire, said):
    wire.on(*TIMELINE, said.ok(said.timeline(said.A, said.R, said.C)))
    wire.on("GET", "/api/runtime/jobs/j1/projection", said.ok(said.projection()))
    assert client.wait("j1").projection_state is ProjectionState.SUCCEEDED


def test_waiting_ends_after_the_callers_time_and_not_before(client, wire, said, passing):
    wire.on(*TIMELINE, said.ok(said.timeline(said.A)))
    with pytest.raises(WaitTimeoutError):
        client.wait("j1", timeout_seconds=7.0)
    assert passing.seconds == pytest.approx(7.0)


@pytest.fixture
def mute():
    """The URL of what takes connections and answers nothing; to what no connection can be made once it is closed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server, f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("closed", [False, True], ids=["mute", "down"])
def test_waiting_ends_after_the_callers_time_also_where_nothing_answers(closed, mute, said):
    server, url = mute
    if closed:
        server.close()
    with Slipway(url, said.token()) as waiting:
        began = time.monotonic()
        with pytest.raises(WaitTimeoutError):
            waiting.wait("j1", timeout_seconds=1.0)
        assert 1.0 <= time.monotonic() - began < 2.0


def test_looks_are_quick_after_a_change_and_slower_the_longer_nothing_happens():
    pauses = [pause_seconds(idle) for idle in (0, 5, 10, 20, 60, 3600)]
    assert pauses == sorted(pauses)
    assert pauses[0] == QUICKEST_SECONDS
    assert pauses[-1] == SLOWEST_SECONDS


def test_a_gateway_that_comes_back_is_waited_for_and_told_of_once(client, wire, said):
    away = httpx.ConnectError("refused")
    wire.on(*TIMELINE, said.ok(said.timeline(said.A)), away, away, said.ok(said.timeline(said.A, said.R, said.C)))
    outages = []
    states = [entry.source_execution_state for entry in client.watch("j1", on_outage=outages.append)]
    assert states == [None, said.A, said.R, said.C]
    assert len(outages) == 1


def test_a_gateway_that_answers_again_is_told_of_before_anything_changes(client, wire, said):
    there, away = said.ok(said.timeline(said.A)), httpx.ConnectError("refused")
    wire.on(*TIMELINE, there, away, there, said.ok(said.timeline(said.A, said.R, said.C)))
    told = []
    note = told.append
    for entry in client.watch("j1", on_outage=lambda _: note("away"), on_answer=lambda: note("answer")):
        note(entry.source_execution_state)
    assert told == ["answer", None, said.A, "away", "answer", "answer", said.R, said.C]


def test_streams_that_are_refused_are_told_of_once_and_asked_for_as_the_gateway_says(client, wire, said, passing):
    looks = [said.timeline(said.A)] * 5 + [said.timeline(said.A, said.R, said.C)]
    wire.on(*TIMELINE, *map(said.ok, looks))
    wire.on("GET", "/api/runtime/jobs/j1/stream", said.problem(Code.RATE_LIMITED, retry_after=2))
    outages = []
    states = [entry.source_execution_state for entry in client.watch("j1", on_outage=outages.append)]
    assert states == [None, said.A, said.R, said.C]
    assert [error.problem.code for error in outages] == [Code.RATE_LIMITED]
    assert passing.pauses == [2.0] * 5


def test_an_outage_long_after_another_is_told_of(client, wire, said):
    away, there = httpx.ConnectError("refused"), said.ok(said.timeline(said.A))
    wire.on(*TIMELINE, there, away, *[there] * 40, away, said.ok(said.timeline(said.A, said.R, said.C)))
    outages = []
    assert len(list(client.watch("j1", on_outage=outages.append))) == 4
    assert len(outages) == 2


def test_a_gateway_that_stays_away_ends_the_wait(client, wire, said, passing):
    wire.on(*TIMELINE, said.ok(said.timeline(said.A)), httpx.ConnectError("refused"))
    with pytest.raises(UnreachableError):
        list(client.watch("j1"))
    assert passing.seconds > OUTAGE_PATIENCE_SECONDS


def test_a_job_that_is_not_there_is_told_at_once(client, wire, said):
    wire.on(*TIMELINE, said.problem(Code.JOB_NOT_FOUND))
    with pytest.raises(JobNotFoundError):
        list(client.watch("j1"))
    assert len(wire.requests) == 1


def test_a_store_that_was_restored_is_followed_from_where_it_stands(client, wire, said):
    """Its counter goes on below what was told already."""
    before, after = said.timeline(said.A, change=9), said.timeline(said.R, said.C)
    wire.on(*TIMELINE, said.ok(before), said.ok(said.timeline()), said.ok(after))
    wire.on("GET", "/api/runtime/jobs/j1/stream", reset(1))
    states = [entry.source_execution_state for entry in client.watch("j1", timeout_seconds=60)]
    assert states == [None, said.A, said.R, said.C]


def reset(change):
    return streamed(f"event: reset\nid: 1\ndata: {StreamReset(change=change, jobs=[]).model_dump_json()}\n\n")


def streamed(text):
    return 200, {"Content-Type": "text/event-stream"}, text.encode()


def test_a_submission_that_the_job_does_not_have_is_told_at_once(client, wire, said):
    wire.on(*TIMELINE, said.ok(said.timeline(said.A)))
    with pytest.raises(InputRefusedError, match="submission_not_found: submission_id"):
        list(client.watch("j1", submission_id="another"))


STREAM = ("GET", "/api/runtime/stream")


def test_a_stream_that_stood_again_is_waited_for_anew_though_nothing_was_told(client, wire, passing):
    """A quiet workspace: what comes are heartbeats. Two short outages, longer apart than one may last."""
    away, quiet = httpx.ConnectError("refused"), streamed(": heartbeat\n\n")
    hours = [quiet] * 1_000
    wire.on(*STREAM, quiet, away, *hours, away, reset(7))
    outages = []
    assert next(client.stream(after=7, on_outage=outages.append)).change == 7
    assert passing.seconds > OUTAGE_PATIENCE_SECONDS
    assert len(outages) == 2


def test_a_gateway_whose_store_has_no_streams_is_asked_again_and_again(client, wire, said):
    wire.on(*TIMELINE, said.ok(said.timeline(said.A)), said.ok(said.timeline(said.A, said.R, said.C)))
    wire.on("GET", "/api/runtime/jobs/j1/stream", said.problem(Code.STREAM_NOT_SUPPORTED))
    assert [entry.projection_state for entry in client.watch("j1")][-1] is ProjectionState.SUCCEEDED
    assert [request.path for request in wire.requests].count("/api/runtime/jobs/j1/stream") == 1


def test_a_path_that_is_no_gateways_is_told_at_once(client, wire):
    with pytest.raises(NotFoundError):
        list(client.watch("j1"))
    assert len(wire.requests) == 1


def test_a_token_that_ended_is_told_and_not_tried_again(client, wire):
    wire.on(*STREAM, streamed('event: end\ndata: {"reason": "token_expired"}\n\n'))
    with pytest.raises(UnauthorizedError, match="expired"):
        next(client.stream())
    assert len(wire.requests) == 1


def test_a_gateway_that_asks_for_more_patience_than_there_is_is_told_of_at_once(client, wire, said, passing):
    wire.on(*STREAM, said.problem(Code.RATE_LIMITED, retry_after=3600))
    with pytest.raises(RateLimitedError):
        next(client.stream())
    assert passing.seconds == 0


def test_waiting_goes_on_where_the_job_was_submitted_again_meanwhile(client, wire, said):
    first = said.timeline(said.A, said.R, said.C)
    again = said.entry(said.C, 9, submission_id="s2", attempt=2)
    second = first.model_copy(update={"entries": [*first.entries, again]})
    wire.on(*TIMELINE, said.ok(first), said.ok(second))
    projections = [said.projection(state, submission_id="s2") for state in ("queued", "succeeded")]
    wire.on("GET", "/api/runtime/jobs/j1/projection", *map(said.ok, projections))
    assert client.wait("j1").submission_id == "s2"


def test_waiting_for_a_submission_never_returns_another_ones_projection(client, wire, said):
    wire.on(*TIMELINE, said.ok(said.timeline(said.A, said.R, said.C)))
    wire.on("GET", "/api/runtime/jobs/j1/projection", said.ok(said.projection("queued", submission_id="s2")))
    with pytest.raises(InputRefusedError, match="submission_superseded"):
        client.wait("j1", submission_id=said.submission_id)
