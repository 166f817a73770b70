"""What one update is to one submission's standing: a test for each protection, which fails when it is taken out."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from slipway_contracts.errors import Code
from slipway_contracts.execution_event import ExecutionEvent, ExecutionState, event_id_for
from slipway_contracts.lifecycle import (
    Applied,
    Duplicate,
    Receipt,
    Refused,
    Standing,
    advanced,
    fold,
    judge,
    projection_event_id_for,
    receipt_of,
    to_projection,
)
from slipway_contracts.projection_update import ProjectionState, ProjectionUpdate

UpdateOf = Callable[..., ProjectionUpdate]

SUBMISSION, EXECUTION = "sub-1", "exec-1"
ACCEPTED, RUNNING, COMPLETED, FAILED, CANCELLED = ExecutionState
QUEUED = Standing(1, ProjectionState.QUEUED)
TAKEN = Standing(1, ProjectionState.QUEUED, ACCEPTED, EXECUTION)
AT_WORK = Standing(1, ProjectionState.RUNNING, RUNNING, EXECUTION, "4711")
RUNNING_ID = event_id_for(SUBMISSION, EXECUTION, RUNNING)
REF = {"slurm_job_id": "4711", "partition": "short"}


def refusal(standing: Standing, update: ProjectionUpdate, receipt: Receipt | None = None) -> Refused:
    verdict = judge(standing, receipt, update)
    assert isinstance(verdict, Refused)
    return verdict


def test_an_event_is_translated_field_by_field(event_of: Callable[..., dict[str, Any]]) -> None:
    told = event_of("failed", status_detail="a line", scheduler_ref=REF, result_ref={"output_uri": "file:///r"})
    update = to_projection(ExecutionEvent.model_validate(told), 3).model_dump(mode="json", exclude_defaults=True)
    assert update == {
        "projection_event_id": projection_event_id_for("sub-1", told["event_id"]),
        "tenant_id": "acme",
        "workspace_id": "alloys",
        "job_id": "job-1",
        "submission_id": "sub-1",
        "attempt": 3,
        "projection_state": "failed",
        "source_execution_state": "failed",
        "occurred_at": "2026-01-31T12:00:00.000000Z",
        "trace_id": "trace-1",
        "execution_id": "exec-1",
        "display_message": "a line",
        "scheduler_ref": REF,
        "result_ref": {"output_uri": "file:///r"},
        "failure": {"code": "job_failed", "message": "it failed"},
    }


def test_a_legal_update_is_applied(update_of: UpdateOf) -> None:
    update = update_of(ACCEPTED)
    assert judge(QUEUED, None, update) == Applied(update)


@pytest.mark.idempotency("projection-update")
def test_an_update_with_an_equal_receipt_is_a_duplicate_whatever_stands(update_of: UpdateOf) -> None:
    update = update_of(ACCEPTED)
    for standing in (QUEUED, TAKEN, AT_WORK, replace(AT_WORK, attempt=2), replace(AT_WORK, current=False)):
        assert judge(standing, receipt_of(update), update) == Duplicate()


@pytest.mark.idempotency("execution-event")
@pytest.mark.parametrize(
    "changes",
    [
        {"occurred_at": "2026-02-01T00:00:00Z"},
        {"status_detail": "told otherwise"},
        {"trace_id": "trace-2"},
        {"scheduler_ref": REF | {"partition": "long", "qos": "high"}},
        {"result_ref": {"output_uri": "file:///results/job-1", "summary": {"energy": 1}}},
        {"error": {"code": "job_failed", "message": "told otherwise", "retryable": True}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_an_update_rebuilt_after_a_loss_differs_in_time_and_text_and_is_a_duplicate(
    update_of: UpdateOf, changes: dict[str, object]
) -> None:
    state = FAILED if "error" in changes else COMPLETED
    first = update_of(state, scheduler_ref=REF)
    again = update_of(state, **({"scheduler_ref": REF} | changes))
    assert judge(AT_WORK, receipt_of(first), again) == Duplicate()


@pytest.mark.idempotency("execution-event")
@pytest.mark.parametrize(
    ("state", "changes"),
    [
        (FAILED, {"state": "cancelled"}),
        (FAILED, {"execution_id": "exec-2"}),
        (FAILED, {"scheduler_ref": {"slurm_job_id": "4712"}}),
        (FAILED, {"scheduler_ref": None}),
        (FAILED, {"error": {"code": "exit_305", "message": "it failed"}}),
        (COMPLETED, {"result_ref": {"output_uri": "file:///results/elsewhere"}}),
    ],
    ids=["state", "execution_id", "slurm_job_id", "no slurm_job_id", "error.code", "output_uri"],
)
def test_an_id_that_is_used_again_with_another_value_is_a_conflict(
    update_of: UpdateOf, state: ExecutionState, changes: dict[str, object]
) -> None:
    first = update_of(state, scheduler_ref=REF)
    proposed = ExecutionState(str(changes.get("state", state)))
    other = update_of(proposed, **({"scheduler_ref": REF} | {k: v for k, v in changes.items() if k != "state"}))
    assert refusal(TAKEN, other, receipt_of(first)).code is Code.PROJECTION_EVENT_ID_CONFLICT
    assert not refusal(TAKEN, other, receipt_of(first)).gap


def test_an_update_of_another_attempt_is_invalid(update_of: UpdateOf) -> None:
    refused = refusal(replace(QUEUED, attempt=2), update_of(ACCEPTED, attempt=1))
    assert (refused.code, refused.gap) == (Code.INVALID_PROJECTION_UPDATE, False)


def test_an_update_without_an_attempt_is_judged_as_its_submissions(update_of: UpdateOf) -> None:
    update = update_of(ACCEPTED).model_copy(update={"attempt": None})
    assert judge(replace(QUEUED, attempt=2), None, update) == Applied(update)


def test_an_update_whose_states_contradict_each_other_is_invalid(update_of: UpdateOf) -> None:
    crooked = update_of(RUNNING).model_copy(update={"projection_state": ProjectionState.SUCCEEDED})
    assert refusal(TAKEN, crooked).code is Code.INVALID_PROJECTION_UPDATE


@pytest.mark.parametrize("terminal", [ProjectionState.SUCCEEDED, ProjectionState.FAILED, ProjectionState.CANCELLED])
@pytest.mark.parametrize("proposed", list(ExecutionState))
def test_a_terminal_projection_absorbs_also_where_no_event_ever_came(
    update_of: UpdateOf, terminal: ProjectionState, proposed: ExecutionState
) -> None:
    refused = refusal(Standing(1, terminal), update_of(proposed))
    assert (refused.code, refused.gap) == (Code.INVALID_PROJECTION_TRANSITION, False)


def test_a_former_submission_never_touches_the_current_projection(update_of: UpdateOf) -> None:
    refused = refusal(replace(AT_WORK, current=False), update_of(COMPLETED, scheduler_ref=REF))
    assert (refused.code, refused.gap) == (Code.INVALID_PROJECTION_TRANSITION, False)


def test_an_execution_is_never_renamed(update_of: UpdateOf) -> None:
    refused = refusal(TAKEN, update_of(RUNNING, execution_id="exec-2"))
    assert (refused.code, refused.gap) == (Code.INVALID_PROJECTION_TRANSITION, False)
    assert EXECUTION in refused.detail


def test_an_execution_that_would_be_renamed_is_no_gap_for_which_waiting_would_help(update_of: UpdateOf) -> None:
    assert not refusal(TAKEN, update_of(COMPLETED, execution_id="exec-2")).gap


def test_a_scheduler_job_is_never_renamed(update_of: UpdateOf) -> None:
    refused = refusal(AT_WORK, update_of(COMPLETED, scheduler_ref={"slurm_job_id": "4712"}))
    assert (refused.code, refused.gap) == (Code.INVALID_PROJECTION_TRANSITION, False)
    assert "4711" in refused.detail


def test_an_update_that_says_nothing_of_its_references_renames_nothing(update_of: UpdateOf) -> None:
    silent = update_of(COMPLETED).model_copy(update={"execution_id": None, "scheduler_ref": None})
    assert judge(AT_WORK, None, silent) == Applied(silent)
    after = advanced(AT_WORK, silent)
    assert (after.execution_id, after.slurm_job_id) == (EXECUTION, "4711")


def test_a_skip_is_a_gap_that_its_predecessor_closes(update_of: UpdateOf) -> None:
    refused = refusal(QUEUED, update_of(RUNNING))
    assert (refused.code, refused.gap) == (Code.INVALID_PROJECTION_TRANSITION, True)


def test_a_step_back_is_no_gap(update_of: UpdateOf) -> None:
    refused = refusal(AT_WORK, update_of(ACCEPTED))
    assert (refused.code, refused.gap) == (Code.INVALID_PROJECTION_TRANSITION, False)


def test_the_standing_takes_over_what_an_update_tells(update_of: UpdateOf) -> None:
    assert advanced(TAKEN, update_of(RUNNING, scheduler_ref=REF)) == AT_WORK


def test_a_failure_before_any_process_is_told_by_the_submissions_own_id(update_of: UpdateOf) -> None:
    update = update_of(FAILED, execution_id=SUBMISSION)
    assert judge(QUEUED, None, update) == Applied(update)


class TestFold:
    def test_several_updates_are_judged_each_against_what_the_ones_before_left(self, update_of: UpdateOf) -> None:
        updates = [update_of(ACCEPTED), update_of(RUNNING, scheduler_ref=REF), update_of(COMPLETED)]
        folded = fold(QUEUED, {}, updates)
        assert folded.writes == tuple(updates)
        assert folded.verdicts == tuple(Applied(update) for update in updates)
        assert folded.standing == Standing(1, ProjectionState.SUCCEEDED, COMPLETED, EXECUTION, "4711")

    def test_nothing_folds_to_nothing(self) -> None:
        assert fold(QUEUED, {}, []).writes == ()
        assert fold(QUEUED, {}, []).standing == QUEUED

    @pytest.mark.idempotency("execution-event")
    def test_a_duplicate_in_the_same_batch_is_written_once(self, update_of: UpdateOf) -> None:
        update = update_of(ACCEPTED)
        folded = fold(QUEUED, {}, [update, update])
        assert folded.verdicts == (Applied(update), Duplicate())
        assert folded.writes == (update,)

    @pytest.mark.idempotency("execution-event")
    def test_a_conflict_in_the_same_batch_is_found(self, update_of: UpdateOf) -> None:
        update = update_of(FAILED)
        other = update_of(FAILED, error={"code": "exit_1", "message": ""})
        verdict = fold(QUEUED, {}, [update, other]).verdicts[1]
        assert isinstance(verdict, Refused)
        assert verdict.code is Code.PROJECTION_EVENT_ID_CONFLICT

    def test_what_follows_a_refusal_is_not_tried_and_answers_as_a_gap(self, update_of: UpdateOf) -> None:
        accepted = update_of(ACCEPTED)
        folded = fold(QUEUED, {}, [update_of(RUNNING), accepted, update_of(RUNNING)])
        assert folded.writes == ()
        assert folded.standing == QUEUED
        assert [isinstance(verdict, Refused) and verdict.gap for verdict in folded.verdicts] == [True, True, True]

    def test_a_refusal_for_good_too_stops_what_follows_as_gaps(self, update_of: UpdateOf) -> None:
        first, second = fold(AT_WORK, {}, [update_of(ACCEPTED), update_of(COMPLETED)]).verdicts
        assert isinstance(first, Refused)
        assert not first.gap
        assert isinstance(second, Refused)
        assert second.gap

    def test_a_duplicate_does_not_stop_what_follows(self, update_of: UpdateOf) -> None:
        accepted, running = update_of(ACCEPTED), update_of(RUNNING)
        receipts = {accepted.projection_event_id: receipt_of(accepted)}
        assert fold(TAKEN, receipts, [accepted, running]).verdicts == (Duplicate(), Applied(running))

    def test_the_receipts_that_were_given_are_left_as_they_are(self, update_of: UpdateOf) -> None:
        receipts: dict[str, Receipt] = {}
        fold(QUEUED, receipts, [update_of(ACCEPTED)])
        assert receipts == {}


class TestAnOlderEmitterThatSkipsRunning:
    def test_is_filled_in_with_a_running_that_is_marked(self, update_of: UpdateOf) -> None:
        completed = update_of(COMPLETED, scheduler_ref=REF, status_detail="done")
        running, written = fold(TAKEN, {}, [completed], synthesize_running=True).writes
        assert written == completed
        assert running.synthesized
        assert running.projection_event_id == update_of(RUNNING).projection_event_id
        assert (running.projection_state, running.source_execution_state) == (ProjectionState.RUNNING, RUNNING)
        assert (running.result_ref, running.failure, running.display_message) == (None, None, None)
        assert (running.execution_id, running.scheduler_ref) == (EXECUTION, completed.scheduler_ref)
        assert (running.attempt, running.occurred_at) == (1, completed.occurred_at)

    def test_is_filled_in_with_a_running_that_tells_no_failure(self, update_of: UpdateOf) -> None:
        completed = update_of(COMPLETED, error={"code": "warned", "message": "in the end it worked"})
        assert completed.failure is not None
        assert fold(TAKEN, {}, [completed], synthesize_running=True).writes[0].failure is None

    def test_is_answered_for_the_one_event_that_it_sent(self, update_of: UpdateOf) -> None:
        completed = update_of(COMPLETED)
        folded = fold(TAKEN, {}, [completed], synthesize_running=True)
        assert folded.verdicts == (Applied(completed),)
        assert folded.standing.projection_state is ProjectionState.SUCCEEDED

    def test_may_send_the_running_later_as_a_duplicate_in_the_same_batch(self, update_of: UpdateOf) -> None:
        completed, running = update_of(COMPLETED), update_of(RUNNING)
        folded = fold(TAKEN, {}, [completed, running], synthesize_running=True)
        assert folded.verdicts == (Applied(completed), Duplicate())

    def test_is_a_gap_when_it_speaks_contract_1(self, update_of: UpdateOf) -> None:
        (verdict,) = fold(TAKEN, {}, [update_of(COMPLETED)]).verdicts
        assert isinstance(verdict, Refused)
        assert verdict.gap

    def test_is_a_gap_when_it_skips_accepted_too(self, update_of: UpdateOf) -> None:
        folded = fold(QUEUED, {}, [update_of(COMPLETED)], synthesize_running=True)
        assert folded.writes == ()
        assert isinstance(folded.verdicts[0], Refused)

    def test_is_a_gap_when_it_skips_to_running(self, update_of: UpdateOf) -> None:
        assert fold(QUEUED, {}, [update_of(RUNNING)], synthesize_running=True).writes == ()

    def test_is_refused_when_it_renames_the_execution(self, update_of: UpdateOf) -> None:
        folded = fold(TAKEN, {}, [update_of(COMPLETED, execution_id="exec-2")], synthesize_running=True)
        assert folded.writes == ()

    def test_gets_nothing_filled_in_for_another_end(self, update_of: UpdateOf) -> None:
        failed = update_of(FAILED)
        assert fold(TAKEN, {}, [failed], synthesize_running=True).writes == (failed,)

    def test_gets_nothing_filled_in_when_running_came(self, update_of: UpdateOf) -> None:
        completed = update_of(COMPLETED)
        assert fold(AT_WORK, {}, [completed], synthesize_running=True).writes == (completed,)

    def test_is_named_by_its_submission_where_it_names_no_execution(self, update_of: UpdateOf) -> None:
        silent = update_of(COMPLETED, execution_id=SUBMISSION).model_copy(update={"execution_id": None})
        running = fold(replace(TAKEN, execution_id=None), {}, [silent], synthesize_running=True).writes[0]
        assert running.projection_event_id == update_of(RUNNING, execution_id=SUBMISSION).projection_event_id

    def test_is_a_conflict_when_it_gave_the_id_of_running_to_its_end(self, update_of: UpdateOf) -> None:
        completed = update_of(COMPLETED, event_id=RUNNING_ID)
        folded = fold(TAKEN, {}, [completed], synthesize_running=True)
        assert folded.writes == ()
        assert [v.code for v in folded.verdicts if isinstance(v, Refused)] == [Code.PROJECTION_EVENT_ID_CONFLICT]

    def test_is_a_conflict_when_it_gave_the_id_of_running_to_an_event_before(self, update_of: UpdateOf) -> None:
        accepted = update_of(ACCEPTED, event_id=RUNNING_ID)
        folded = fold(QUEUED, {}, [accepted, update_of(COMPLETED)], synthesize_running=True)
        assert folded.writes == (accepted,)
        ids = [write.projection_event_id for write in folded.writes]
        assert ids == [projection_event_id_for(SUBMISSION, RUNNING_ID)]
