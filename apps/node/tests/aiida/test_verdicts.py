from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from slipway_node.aiida import verdicts
from slipway_node.aiida.placement import WALLTIME_MARK
from slipway_node.aiida.verdicts import ProcessRow
from slipway_node.ports import Phase

RECORDINGS = Path(__file__).parents[1] / "slurm" / "recordings"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CREATED = ProcessRow(
    uuid="u",
    label="s",
    description="{}",
    process_state="created",
    exit_status=None,
    exit_message=None,
    sealed=False,
    exception=None,
    scheduler_state=None,
    job_id=None,
    calcjob_state=None,
    created_at=NOW,
    changed_at=NOW,
)
ENDED = replace(CREATED, process_state="finished", exit_status=0, sealed=True, job_id="7", scheduler_state="done")


@pytest.mark.parametrize(
    ("row", "phase"),
    [
        (CREATED, Phase.CREATED),
        (replace(CREATED, process_state="waiting", calcjob_state="unstashing"), Phase.CREATED),
        (replace(CREATED, process_state="waiting", calcjob_state="uploading"), Phase.CREATED),
        (replace(CREATED, process_state="waiting", calcjob_state="withscheduler", job_id="7"), Phase.PENDING),
        (replace(CREATED, job_id="7", scheduler_state="queued"), Phase.PENDING),
        (replace(CREATED, job_id="7", scheduler_state="queued held"), Phase.PENDING),
        (replace(CREATED, job_id="7", scheduler_state="running"), Phase.RUNNING),
        (replace(CREATED, job_id="7", scheduler_state="suspended"), Phase.RUNNING),
        (replace(CREATED, job_id="7", scheduler_state="done"), Phase.RETRIEVING),
        (replace(CREATED, job_id="7", calcjob_state="retrieving"), Phase.RETRIEVING),
        (replace(ENDED, sealed=False), Phase.RETRIEVING),
        (ENDED, Phase.FINISHED),
        (replace(ENDED, exit_status=305), Phase.FAILED),
        (replace(ENDED, process_state="excepted", exit_status=None), Phase.FAILED),
        (replace(ENDED, process_state="killed", exit_status=None), Phase.KILLED),
    ],
)
def test_a_phase_is_terminal_only_once_sealed_and_running_only_by_the_schedulers_word(row, phase):
    assert verdicts.phase_of(row) is phase


@pytest.mark.parametrize(
    ("exit_status", "reason", "code", "retryable"),
    [
        (410, None, "exit_410", False),
        (300, "TIMEOUT", "walltime_exceeded", False),
        (300, "OUT_OF_MEMORY", "out_of_memory", False),
        (300, "NODE_FAIL", "node_failure", True),
        (300, "BOOT_FAIL", "node_failure", True),
        (300, "PREEMPTED", "preempted", True),
        (300, "DEADLINE", "deadline_missed", False),
        (302, verdicts.LOST, "scheduler_lost_job", True),
        (302, verdicts.NEVER_BEGAN, "scheduler_lost_job", True),
        (400, "FAILED", "exit_400", False),
        (120, None, "walltime_exceeded", False),
        (140, None, "node_failure", True),
        (None, None, "process_excepted", False),
    ],
)
def test_the_schedulers_reason_wins_where_it_is_known(exit_status, reason, code, retryable):
    failure = verdicts.failure_of(replace(ENDED, exit_status=exit_status), reason)

    assert (failure.code, failure.retryable) == (code, retryable)


@pytest.mark.parametrize(
    ("exception", "code", "retryable"),
    [
        ("Traceback …\nOSError: [Errno 28] No space left on device: 'x'\n", "node_storage", True),
        (
            "sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) database or disk is full\n(Background on …)\n",
            "node_storage",
            True,
        ),
        ("ValueError: No such species", "process_excepted", False),
        ("OSError: [Errno 28] No space left on device\nKeyError: 'x'", "process_excepted", False),
    ],
)
def test_a_process_that_excepted_for_want_of_storage_may_be_submitted_again(exception, code, retryable):
    excepted = replace(ENDED, process_state="excepted", exit_status=None, exception=exception)

    failure = verdicts.failure_of(excepted)

    assert (failure.code, failure.retryable) == (code, retryable)


@pytest.mark.parametrize(
    ("status", "gave_up"),
    [
        ("Pausing after failed transport task: upload_calculation failed 5 times consecutively", True),
        ("Pausing after failed transport task: submit_calculation failed 5 times consecutively", False),
        ("Waiting for transport task: upload", False),
        (None, False),
    ],
)
def test_an_upload_that_was_given_up_is_told_from_other_steps(status, gave_up):
    assert verdicts.gave_up_its_upload(status) is gave_up


@pytest.mark.parametrize(
    ("reason", "may"), [(None, True), ("FAILED", True), ("NODE_FAIL", False), ("CANCELLED", False)]
)
def test_a_job_that_the_scheduler_has_a_reason_for_is_not_asked_for_its_claim(reason, may):
    assert verdicts.may_lack_its_claim(reason) is may


def test_a_message_is_bounded_and_keeps_head_and_tail():
    failure = verdicts.failure_of(replace(ENDED, exit_status=400, exit_message="head" + "x" * 9000 + "tail"))

    assert len(failure.message) <= 2000
    assert failure.message.startswith("head")
    assert failure.message.endswith("tail")


@pytest.mark.parametrize(("name", "state"), [("sacct_timeout", "TIMEOUT"), ("sacct_cancelled", "CANCELLED")])
def test_the_state_is_read_from_accounting_as_aiida_keeps_it(name, state):
    kept = {"retval": 0, "stdout": (RECORDINGS / f"{name}.txt").read_text(), "stderr": ""}

    assert verdicts.accounted_end(kept, "/home/lab") == state
    assert verdicts.accounted_end(kept, "/home/another") is None  # to which the id was given again


@pytest.mark.parametrize("kept", [None, {"retval": 1, "stdout": "a|\nb|"}, {"retval": 0, "stdout": ""}])
def test_a_slurm_without_accounting_says_nothing(kept):
    assert verdicts.accounted_end(kept, "") is None


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("stderr_timeout", "TIMEOUT"),
        ("stderr_cancelled", "CANCELLED"),
        ("stderr_preempted", "PREEMPTED"),
        ("stderr_node_failure", "NODE_FAIL"),
        ("stderr_out_of_memory", "OUT_OF_MEMORY"),
    ],
)
def test_slurms_last_words_to_a_job_tell_the_reason(name, state):
    assert verdicts.said_by_slurm((RECORDINGS / f"{name}.txt").read_text(), WALLTIME_MARK) == state


@pytest.mark.parametrize(
    "said",
    [
        "the job was CANCELLED AT noon by its author",
        "slurmstepd-node1: error: *** STEP 7.0 ON node1 CANCELLED AT 2026-11-24T03:03:50 ***",
        "slurmstepd-node1: error: *** JOB 7 ON node1 CANCELLED AT 2026-11-24T03:03:50 DUE TO JOB REQUEUE ***",
    ],
)
def test_what_ended_no_job_is_no_reason(said):
    assert verdicts.said_by_slurm(said, WALLTIME_MARK) is None


FINISHED_BADLY = replace(ENDED, exit_status=302)
EXCEPTED = replace(ENDED, process_state="excepted", exit_status=None)


@pytest.mark.parametrize(
    ("state", "row", "came_to_its_end", "reason"),
    [
        ("PREEMPTED", FINISHED_BADLY, False, "PREEMPTED"),
        ("FAILED", FINISHED_BADLY, True, "FAILED"),
        (None, FINISHED_BADLY, False, verdicts.LOST),
        (None, FINISHED_BADLY, True, None),
        (None, FINISHED_BADLY, None, None),
        (None, EXCEPTED, False, None),
        ("RUNNING", EXCEPTED, False, None),  # AiiDA has given it up: there is nothing to wait for
        ("RUNNING", FINISHED_BADLY, True, None),  # its controller was killed and has forgotten the end
        ("TIMEOUT", EXCEPTED, False, "TIMEOUT"),
    ],
)
def test_the_reason_is_slurms_and_the_scripts_own_end_tells_what_slurm_does_not(state, row, came_to_its_end, reason):
    assert verdicts.asked_reason(state, row, came_to_its_end=came_to_its_end) == reason


@pytest.mark.parametrize(
    ("reason", "began", "stepped", "told"),
    [
        ("TIMEOUT", False, False, verdicts.NEVER_BEGAN),
        ("TIMEOUT", False, True, verdicts.NEVER_BEGAN),
        ("TIMEOUT", True, True, "TIMEOUT"),
        ("TIMEOUT", None, False, "TIMEOUT"),
        ("FAILED", False, False, verdicts.NEVER_BEGAN),
        ("FAILED", False, True, "FAILED"),  # in what stands before our script
        ("FAILED", None, False, "FAILED"),
        ("NODE_FAIL", False, False, "NODE_FAIL"),
        (None, False, False, None),
    ],
)
def test_a_job_whose_script_never_began_has_neither_taken_too_long_nor_failed(reason, began, stepped, told):
    assert verdicts.unless_it_never_began(reason, began=began, stepped=stepped) == told


SOMEBODY = verdicts.CANCELLED


@pytest.mark.parametrize(
    ("came_to_its_end", "placed", "ended_with_another", "reason"),
    [
        (False, None, False, SOMEBODY),
        (None, None, False, SOMEBODY),
        (False, False, False, SOMEBODY),  # in the queue
        (False, False, True, SOMEBODY),  # there too, if Slurm had forgotten it before
        (True, None, False, None),  # it failed by itself
        (True, None, True, None),
        (False, None, True, verdicts.LOST),
        (False, True, True, verdicts.NEVER_BEGAN),
        (False, True, False, verdicts.NEVER_BEGAN),  # slurmd could not start it
    ],
)
def test_a_job_counts_as_cancelled_where_somebody_has_done_so(came_to_its_end, placed, ended_with_another, reason):
    told = verdicts.whose_cancellation(
        came_to_its_end=came_to_its_end, placed=placed, ended_with_another=ended_with_another
    )
    assert told == reason


@pytest.mark.parametrize(
    ("state", "came_to_its_end"),
    [("RUNNING", False), ("RUNNING", None), ("PENDING", False), ("COMPLETING", False), ("COMPLETING", True)],
)
def test_how_a_job_ended_that_goes_on_at_slurm_is_not_told_yet(state, came_to_its_end):
    with pytest.raises(verdicts.UndecidedError, match=state):
        verdicts.asked_reason(state, FINISHED_BADLY, came_to_its_end=came_to_its_end)


def test_a_job_cancelled_at_the_scheduler_is_told_from_one_that_finished():
    assert verdicts.was_cancelled_outside(replace(ENDED, exit_status=302), "CANCELLED")
    assert not verdicts.was_cancelled_outside(ENDED, "CANCELLED")


@pytest.mark.parametrize(
    ("row", "seconds", "lacks"),
    [
        (replace(ENDED, sealed=False), 6, True),
        (replace(ENDED, sealed=False), 4, False),  # its worker may be about to
        (replace(ENDED, sealed=False), -1, False),  # as where the clock was corrected a little
        (replace(ENDED, sealed=False), -3600, True),  # it was written by a clock that was set back since
        (ENDED, 60, False),
        (replace(CREATED, process_state="waiting"), 60, False),
        (replace(CREATED, process_state="killed"), 60, True),
    ],
)
def test_what_ended_and_was_not_sealed_within_seconds_lacks_its_seal(row, seconds, lacks):
    assert verdicts.lacks_its_seal(row, NOW + timedelta(seconds=seconds)) is lacks
