"""The normalisation table, a test a row, and what is refused because the table does not have it."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway_contracts.compatibility import FIELD_NAMES, WORDS, UnknownWordError, normalise
from slipway_contracts.execution_event import ExecutionEvent, ExecutionState, event_id_for

Body = dict[str, Any]
EventOf = Callable[..., Body]

# The contract's table by hand: word as its source spells it, state, error code, whether submitting again may help.
ROWS = [
    ("accepted", "accepted", None, False),
    ("running", "running", None, False),
    ("completed", "completed", None, False),
    ("failed", "failed", "job_failed", False),
    ("cancelled", "cancelled", None, False),
    ("created", "accepted", None, False),
    ("waiting", "accepted", None, False),
    ("excepted", "failed", "process_excepted", False),
    ("killed", "cancelled", None, False),
    ("PENDING", "accepted", None, False),
    ("CONFIGURING", "accepted", None, False),
    ("REQUEUED", "accepted", None, False),
    ("RESIZING", "accepted", None, False),
    ("RUNNING", "running", None, False),
    ("COMPLETING", "running", None, False),
    ("SUSPENDED", "running", None, False),
    ("STAGE_OUT", "running", None, False),
    ("COMPLETED", "completed", None, False),
    ("FAILED", "failed", "job_failed", False),
    ("TIMEOUT", "failed", "walltime_exceeded", False),
    ("OUT_OF_MEMORY", "failed", "out_of_memory", False),
    ("NODE_FAIL", "failed", "node_failure", True),
    ("BOOT_FAIL", "failed", "node_failure", True),
    ("PREEMPTED", "failed", "preempted", True),
    ("DEADLINE", "failed", "deadline_missed", False),
    ("CANCELLED", "cancelled", None, False),
    ("queued", "accepted", None, False),
    ("submitted", "accepted", None, False),
    ("pending", "accepted", None, False),
    ("started", "running", None, False),
    ("in_progress", "running", None, False),
    ("active", "running", None, False),
    ("done", "completed", None, False),
    ("complete", "completed", None, False),
    ("success", "completed", None, False),
    ("succeeded", "completed", None, False),
    ("error", "failed", "job_failed", False),
    ("failure", "failed", "job_failed", False),
    ("canceled", "cancelled", None, False),
    ("aborted", "cancelled", None, False),
]


@pytest.fixture
def older(event_of: EventOf) -> EventOf:
    """Give an older emitter's event: a state in any word, no id, and results or an error only where told."""

    def build(word: object, **changes: object) -> Body:
        body = event_of("accepted") | {"state": word} | changes
        return {name: value for name, value in body.items() if name != "event_id" or name in changes}

    return build


@pytest.mark.parametrize(("word", "state", "code", "retryable"), ROWS, ids=[row[0] for row in ROWS])
def test_a_word_means(older: EventOf, word: str, state: str, code: str | None, *, retryable: bool) -> None:
    results = {"result_ref": {"output_uri": "file:///r"}} if state == "completed" else {}
    event = ExecutionEvent.model_validate(normalise(older(word, **results)))
    assert event.state == state
    assert (event.error.code if event.error else None) == code
    assert (event.error.retryable if event.error else False) is retryable


def test_every_word_of_the_table_has_a_row_here() -> None:
    assert {word.lower() for word, *_ in ROWS} == set(WORDS)


@pytest.mark.parametrize(
    ("exit_status", "state", "code"),
    [(0, "completed", None), (1, "failed", "exit_1"), (410, "failed", "exit_410"), (-9, "failed", "exit_-9")],
)
def test_finished_means_what_its_exit_status_says(
    older: EventOf, exit_status: int, state: str, code: str | None
) -> None:
    fields = normalise(older("finished", exitStatus=exit_status))
    assert fields["state"] == state
    assert fields.get("error", {}).get("code") == code


@pytest.mark.parametrize("exit_status", [None, "0", 0.0, True, False, "done"])
def test_finished_without_an_exit_status_is_never_guessed(older: EventOf, exit_status: object) -> None:
    with pytest.raises(UnknownWordError) as refused:
        normalise(older("finished", exit_status=exit_status))
    assert refused.value.field == "exit_status"


@pytest.mark.parametrize(
    "word", ["", "unknown", "REVOKED", "CANCELLED by 1000", "run ning", "finish", None, 3, True, []]
)
def test_an_unknown_word_is_refused(older: EventOf, word: object) -> None:
    with pytest.raises(UnknownWordError) as refused:
        normalise(older(word))
    assert refused.value.field == "state"


@given(st.text())
def test_a_word_is_known_only_when_the_table_has_it(word: str) -> None:
    if word.strip().lower() in WORDS:
        assert normalise({"state": word})["state"] == WORDS[word.strip().lower()].state
    else:
        with pytest.raises(UnknownWordError):
            normalise({"state": word})


@pytest.mark.parametrize("word", [" Running ", "RUNNING", "Running"])
def test_case_and_space_around_a_word_do_not_count(older: EventOf, word: str) -> None:
    assert normalise(older(word))["state"] == "running"


def test_a_completed_without_results_stays_invalid(older: EventOf) -> None:
    with pytest.raises(ValueError, match="result_ref is required"):
        ExecutionEvent.model_validate(normalise(older("done")))


class TestFields:
    def test_may_be_camel_case_at_every_depth(self) -> None:
        assert normalise({"submissionId": "s", "resultRef": {"outputUri": "file:///r"}}) == {
            "submission_id": "s",
            "result_ref": {"output_uri": "file:///r"},
        }

    def test_inside_of_a_summary_are_the_jobs_own(self) -> None:
        fields = normalise({"resultRef": {"summary": {"totalEnergy": 1, "status": "x", "state": "y"}}})
        assert fields["result_ref"]["summary"] == {"totalEnergy": 1, "status": "x", "state": "y"}

    @pytest.mark.parametrize(("older_name", "name"), sorted(FIELD_NAMES.items()))
    def test_may_have_an_older_name(self, older_name: str, name: str) -> None:
        assert normalise({older_name: "running"}) == {name: "running"}

    @pytest.mark.parametrize("older_name", ["eventTime", "lifecycleState"])
    def test_may_have_an_older_name_in_camel_case(self, older_name: str) -> None:
        assert set(normalise({older_name: "running"})) <= {"occurred_at", "state"}

    def test_may_be_spelt_twice_alike(self) -> None:
        assert normalise({"state": "running", "status": "running"})["state"] == "running"

    def test_spelt_twice_and_unlike_are_refused(self) -> None:
        with pytest.raises(UnknownWordError) as refused:
            normalise({"timestamp": "2026-01-01T00:00:00Z", "eventTime": "2026-01-02T00:00:00Z"})
        assert refused.value.field == "eventTime"

    def test_of_a_reference_spelt_twice_and_unlike_are_refused(self) -> None:
        with pytest.raises(UnknownWordError):
            normalise({"resultRef": {"outputUri": "file:///a", "output_uri": "file:///b"}})

    def test_nested_without_end_are_no_burden(self) -> None:
        nest: object = 1
        for _ in range(5_000):
            nest = {"aB": nest}
        assert "error" in normalise({"error": nest})

    def test_the_event_that_was_given_is_left_as_it_is(self) -> None:
        event = {"status": "RUNNING"}
        normalise(event)
        assert event == {"status": "RUNNING"}

    def test_without_a_state_are_left_to_validation(self) -> None:
        assert normalise({"jobId": "j"}) == {"job_id": "j"}


class TestTheError:
    def test_takes_its_message_from_the_detail(self, older: EventOf) -> None:
        assert normalise(older("TIMEOUT", statusDetail="too slow"))["error"]["message"] == "too slow"

    def test_says_its_code_where_there_is_no_detail(self, older: EventOf) -> None:
        assert normalise(older("TIMEOUT"))["error"]["message"] == "walltime_exceeded"

    def test_that_the_event_brings_is_kept(self, older: EventOf) -> None:
        own = {"code": "scf_diverged", "message": "it diverged", "retryable": False}
        assert normalise(older("FAILED", error=own))["error"] == own

    def test_is_filled_in_where_it_is_null(self, older: EventOf) -> None:
        assert normalise(older("FAILED", error=None))["error"]["code"] == "job_failed"


class TestTheId:
    def test_is_derived_where_it_is_missing(self, older: EventOf) -> None:
        assert normalise(older("RUNNING"))["event_id"] == event_id_for("sub-1", "exec-1", ExecutionState.RUNNING)

    def test_that_the_event_brings_is_kept(self, older: EventOf) -> None:
        assert normalise(older("RUNNING", eventId="evt-7"))["event_id"] == "evt-7"

    @pytest.mark.idempotency("execution-event")
    def test_of_another_state_is_refused(self, older: EventOf) -> None:
        with pytest.raises(UnknownWordError) as refused:
            normalise(older("queued", event_id=event_id_for("sub-1", "exec-1", ExecutionState.RUNNING)))
        assert refused.value.field == "event_id"

    def test_of_its_own_state_is_kept(self, older: EventOf) -> None:
        own = event_id_for("sub-1", "exec-1", ExecutionState.RUNNING)
        assert normalise(older("RUNNING", event_id=own))["event_id"] == own

    @pytest.mark.parametrize("missing", ["submission_id", "execution_id"])
    def test_is_not_derived_from_less_than_all(self, older: EventOf, missing: str) -> None:
        event = {name: value for name, value in older("RUNNING").items() if name != missing}
        assert "event_id" not in normalise(event)

    @pytest.mark.parametrize("not_text", [7, None, ["sub-1"]])
    def test_is_not_derived_from_what_is_no_text(self, older: EventOf, not_text: object) -> None:
        assert "event_id" not in normalise(older("RUNNING", submission_id=not_text))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=12,
    ).filter(lambda value: isinstance(value, dict))
)
def test_whatever_an_emitter_sends_is_normalised_or_refused(event: dict[str, Any]) -> None:
    with suppress(UnknownWordError):
        assert isinstance(normalise(event), dict)
