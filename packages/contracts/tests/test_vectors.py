"""The golden vectors hold for the Python code, as they have to for every other implementation of the contract."""

import hashlib
import importlib.resources
import json
import uuid
from datetime import datetime
from typing import Any

import pytest

from slipway_contracts.compatibility import FIELD_NAMES, WORDS, UnknownWordError, normalise
from slipway_contracts.enrichment import FAILURES, plain_words, queued_seconds, running_seconds
from slipway_contracts.execution_event import ExecutionState, event_id_for
from slipway_contracts.lifecycle import (
    PROJECTION_RANK,
    Applied,
    Duplicate,
    Receipt,
    Refused,
    Standing,
    Verdict,
    fold,
    is_terminal,
    projection_event_id_for,
    projection_of,
    step,
)
from slipway_contracts.projection_update import ProjectionState, ProjectionUpdate
from slipway_contracts.submit_job_command import SubmitJobCommand

VECTORS = importlib.resources.files("slipway_contracts") / "vectors"
NAMES = ["compatibility", "enrichment", "fold", "ids", "intent", "projection", "transitions"]


def vectors(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def cases(name: str, key: str = "cases") -> list[Any]:
    return [pytest.param(case, id=case.get("name", str(number))) for number, case in enumerate(vectors(name)[key])]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_vectors_says_what_it_is_and_is_byte_stable(name: str) -> None:
    text = (VECTORS / f"{name}.json").read_text(encoding="utf-8")
    assert json.loads(text)["about"]
    assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"


def test_there_are_no_other_files_of_vectors() -> None:
    assert sorted(file.name for file in VECTORS.iterdir() if file.name.endswith(".json")) == [
        f"{n}.json" for n in NAMES
    ]


def test_the_steps_are_the_whole_table() -> None:
    told = {(cell["standing"], cell["proposed"]): cell["step"] for cell in vectors("transitions")["cells"]}
    due = {
        (standing and standing.value, proposed.value): step(standing, proposed).value
        for standing in (None, *ExecutionState)
        for proposed in ExecutionState
    }
    assert told == due


def test_the_projection_is_the_whole_map_and_the_whole_order() -> None:
    told = vectors("projection")
    assert told["projection_of"] == {state.value: projection_of(state).value for state in ExecutionState}
    assert told["rank"] == {state.value: PROJECTION_RANK[state] for state in ProjectionState}
    assert told["terminal"] == [state.value for state in ProjectionState if is_terminal(state)]


@pytest.mark.parametrize("case", cases("ids"))
def test_an_id_is_derived(case: dict[str, str]) -> None:
    derived = event_id_for(case["submission_id"], case["execution_id"], ExecutionState(case["state"]))
    assert derived == case["event_id"]
    assert projection_event_id_for(case["submission_id"], derived) == case["projection_event_id"]


@pytest.mark.parametrize("case", cases("ids"))
def test_an_id_can_be_derived_by_the_rule_alone(case: dict[str, str]) -> None:
    told = vectors("ids")
    event_id = uuid.uuid5(
        uuid.UUID(told["event_namespace"]), f"{case['submission_id']}/{case['execution_id']}/{case['state']}"
    )
    row_id = uuid.uuid5(uuid.UUID(told["projection_namespace"]), f"{case['submission_id']}/{event_id}")
    assert (str(event_id), str(row_id)) == (case["event_id"], case["projection_event_id"])


@pytest.mark.parametrize("case", cases("ids", "chosen_by_an_older_emitter"))
def test_an_id_that_an_older_emitter_chose_is_told_apart_by_its_submission(case: dict[str, str]) -> None:
    assert projection_event_id_for(case["submission_id"], case["event_id"]) == case["projection_event_id"]


@pytest.mark.parametrize("case", cases("intent"))
def test_an_intent_is_the_hash_of_its_canonical_text(case: dict[str, Any]) -> None:
    assert SubmitJobCommand.model_validate(case["command"]).intent_sha256() == case["sha256"]
    assert hashlib.sha256(case["canonical"].encode()).hexdigest() == case["sha256"]


@pytest.mark.parametrize("case", cases("enrichment", "words"))
def test_where_a_job_stands_is_said_in_plain_words(case: dict[str, Any]) -> None:
    source = case.get("source_execution_state")
    words = plain_words(
        ProjectionState(case["state"]),
        source and ExecutionState(source),
        case.get("failure_code"),
        cancel_requested=case.get("cancel_requested", False),
    )
    assert words == case["words"]


def test_each_failure_that_has_words_of_its_own_is_among_the_cases() -> None:
    told = {case.get("failure_code"): case["words"] for case in vectors("enrichment")["words"]}
    assert {code: told.get(code) for code in FAILURES} == dict(FAILURES)


@pytest.mark.parametrize("case", cases("enrichment", "times"))
def test_a_job_has_queued_and_run_for_so_long(case: dict[str, Any]) -> None:
    submitted, started, ended, now = (
        case.get(name) and datetime.fromisoformat(case[name])
        for name in ("submitted_at", "started_at", "ended_at", "now")
    )
    assert queued_seconds(submitted, started, ended, now) == case["queued_seconds"]
    assert running_seconds(started, ended, now) == case.get("running_seconds")


def test_the_words_are_the_whole_normalisation_table() -> None:
    told = vectors("compatibility")
    assert [tuple(row.values()) for row in told["words"]] == [
        (word, meaning.state.value, meaning.error_code, meaning.retryable) for word, meaning in WORDS.items()
    ]
    assert told["field_names"] == dict(FIELD_NAMES)


@pytest.mark.parametrize("case", cases("compatibility"))
def test_an_older_event_is_normalised_or_refused(case: dict[str, Any]) -> None:
    if "normalised" in case:
        assert normalise(case["event"]) == case["normalised"]
        return
    with pytest.raises(UnknownWordError) as refused:
        normalise(case["event"])
    assert refused.value.field == case["refused_field"]


def standing_of(told: dict[str, Any]) -> Standing:
    state = told["execution_state"]
    return Standing(
        **told
        | {
            "projection_state": ProjectionState(told["projection_state"]),
            "execution_state": state and ExecutionState(state),
        }
    )


def told_of(verdict: Verdict) -> dict[str, object]:
    match verdict:
        case Applied():
            return {"verdict": "applied"}
        case Duplicate():
            return {"verdict": "duplicate"}
        case Refused():
            return {"verdict": "refused", "code": verdict.code.value, "gap": verdict.gap}


@pytest.mark.idempotency("projection-update")
@pytest.mark.parametrize("case", cases("fold"))
def test_updates_fold(case: dict[str, Any]) -> None:
    receipts = {
        key: Receipt(**told | {"source_execution_state": ExecutionState(told["source_execution_state"])})
        for key, told in case["receipts"].items()
    }
    updates = [ProjectionUpdate.model_validate(told) for told in case["updates"]]
    folded = fold(standing_of(case["standing"]), receipts, updates, synthesize_running=case["synthesize_running"])
    assert [told_of(verdict) for verdict in folded.verdicts] == case["verdicts"]
    assert [write.model_dump(mode="json", exclude_defaults=True) for write in folded.writes] == case["writes"]
    assert folded.standing == standing_of(case["standing_after"])
