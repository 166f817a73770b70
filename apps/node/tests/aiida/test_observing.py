import errno
import json
import sqlite3
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from sqlalchemy.exc import OperationalError

from slipway_node.aiida import collecting, observing, queries, submission, verdicts, work_directory
from slipway_node.aiida.collecting import SCHEDULER_STDERR
from slipway_node.aiida.observing import Look
from slipway_node.aiida.verdicts import ProcessRow, UndecidedError
from slipway_node.ports import EngineUnavailableError, Phase
from slipway_node.slurm import own_end
from slipway_node.slurm.cluster import Cluster
from slipway_node.slurm.submit_once import CLAIM, claim


def test_a_slurm_that_does_not_answer_is_asked_once_a_look():
    asked = []

    def away(command: tuple[str, ...]) -> str:
        asked.append(command)
        raise EngineUnavailableError("no route")

    look = Look(Cluster(away))
    for job_id in ("7", "8"):
        with pytest.raises(UndecidedError, match="no route"):
            look.last_state(job_id, "/lab")
        with pytest.raises(UndecidedError, match="no route"):
            look.withdraw("/lab")

    assert len(asked) == 1


def test_a_slow_slurm_is_asked_for_some_seconds_a_look():
    now, asked = [0.0], []

    def slow(command: tuple[str, ...]) -> str:
        asked.append(command)
        now[0] += observing.ASKING_SECONDS / 2
        return "JobState=RUNNING WorkDir=/lab "

    look = Look(Cluster(slow), clock=lambda: now[0])
    assert look.last_state("7", "/lab") == "RUNNING"
    now[0] += 0.1

    with pytest.raises(UndecidedError, match="asked again at the next look"):
        look.last_state("8", "/lab")
    assert len(asked) == 2  # the ping and the job


def row_of(**known) -> ProcessRow:
    now = datetime.now(UTC)
    always = {"uuid": "u", "label": "s", "sealed": True, "created_at": now, "changed_at": now}
    return ProcessRow(**dict.fromkeys(ProcessRow.__dataclass_fields__) | always | known)


def test_a_record_that_cannot_be_read_hides_no_other(monkeypatch):
    monkeypatch.setattr(submission, "envelope_from", json.loads)
    changed, whole = row_of(label="a", description="my best run"), row_of(label="b", description="{}", sealed=False)

    seen = observing.observations([changed, whole], None)

    assert [it.submission_id for it in seen] == ["b"]


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("update", {}, sqlite3.OperationalError("database is locked")),
        OSError(errno.ENOSPC, "No space left on device"),
    ],
)
def test_a_locked_database_or_a_full_disk_is_no_records_own_trouble(monkeypatch, error):
    """An execution that is told of no more is taken for one that is not there."""
    monkeypatch.setattr(submission, "envelope_from", failing(error))

    with pytest.raises(type(error)):
        observing.observations([row_of()], None)


def test_a_file_that_may_not_be_read_hides_no_other_execution(monkeypatch):
    monkeypatch.setattr(submission, "envelope_from", failing(PermissionError(errno.EACCES, "Permission denied")))

    assert observing.observations([row_of()], None) == []


def failing(error: Exception):
    def fail(*_arguments):
        raise error

    return fail


def test_a_refusal_is_told_also_where_a_worker_that_took_the_process_up_broke_off(monkeypatch):
    row = row_of(description="{}", process_state="excepted", exception="AssertionError: it does not have a job id")
    kept = {verdicts.REFUSAL_EXTRA: "invalid partition specified: x"}
    node = SimpleNamespace(base=SimpleNamespace(attributes={}, extras=kept))
    monkeypatch.setattr(queries, "node_of", lambda _: node)
    monkeypatch.setattr(submission, "envelope_from", json.loads)
    monkeypatch.setattr(observing, "_scheduler_reason", lambda *_: None)

    [seen] = observing.observations([row], SimpleNamespace())

    assert (seen.failure.code, seen.failure.message) == ("policy_rejected", "invalid partition specified: x")


def test_what_aiida_has_given_up_has_not_failed_before_its_job_is_gone(monkeypatch):
    row = row_of(
        description="{}", process_state="excepted", exception="ImportError: gone", scheduler_state="running",
        job_id="7", calcjob_state="withscheduler",
    )  # fmt: skip
    node = SimpleNamespace(base=SimpleNamespace(attributes={"remote_workdir": "/lab"}, extras={}))
    monkeypatch.setattr(queries, "node_of", lambda _: node)
    monkeypatch.setattr(submission, "envelope_from", lambda _: None)
    monkeypatch.setattr(observing, "_scheduler_reason", lambda *_: None)
    monkeypatch.setattr(work_directory, "told", lambda _: None)
    monkeypatch.setattr(collecting, "stderr_tail", lambda *_: "")
    answers = [False, True]
    asked = []
    cluster = SimpleNamespace(withdraw=lambda folder: (asked.append(folder), answers.pop(0))[1])

    [first], [second] = (observing.observations([row], cluster) for _ in range(2))

    assert (first.phase, first.ended_at, first.trouble) == (Phase.RETRIEVING, None, observing.WITHDRAWING)
    assert (second.phase, second.failure.code) == (Phase.FAILED, "process_excepted")
    assert asked == ["/lab", "/lab"]


@pytest.mark.parametrize(
    ("state", "reason", "asked_for", "phase"),
    [
        ("finished", verdicts.LOST, True, Phase.KILLED),
        ("finished", verdicts.LOST, False, Phase.FAILED),
        ("finished", "TIMEOUT", True, Phase.FAILED),
        ("finished", None, True, Phase.FAILED),
        ("excepted", None, True, Phase.KILLED),  # AiiDA's own fault, after which the job is withdrawn
        ("excepted", None, False, Phase.FAILED),
    ],
)
def test_only_a_failure_of_its_own_wins_over_a_cancel(monkeypatch, state, reason, asked_for, phase):
    status = 302 if state == "finished" else None
    row = row_of(description="{}", process_state=state, exit_status=status, job_id="7")
    extras = {verdicts.CANCEL_EXTRA: True} if asked_for else {}
    node = SimpleNamespace(base=SimpleNamespace(attributes={}, extras=extras))
    monkeypatch.setattr(queries, "node_of", lambda _: node)
    monkeypatch.setattr(submission, "envelope_from", lambda _: None)
    monkeypatch.setattr(observing, "_scheduler_reason", lambda *_: reason)
    monkeypatch.setattr(collecting, "stderr_tail", lambda *_: "")

    [seen] = observing.observations([row], SimpleNamespace())

    assert seen.phase is phase


@pytest.mark.parametrize(
    ("files", "asked", "reason"),
    [
        (None, [], verdicts.CANCELLED),  # the folder is gone, and what it said with it
        ([], ["placed"], verdicts.NEVER_BEGAN),
        ([SCHEDULER_STDERR], [], verdicts.CANCELLED),  # in what stands before our script
        ([SCHEDULER_STDERR, CLAIM], ["another's"], verdicts.LOST),  # slurmd has ended both
        ([SCHEDULER_STDERR, CLAIM, own_end.MARK], [], ""),
    ],
)
def test_slurm_is_asked_of_a_job_that_never_began_for_its_machine_and_of_another_for_its_number(
    monkeypatch, tmp_path, files, asked, reason
):
    folder = tmp_path / "job"
    if files is not None:
        folder.mkdir()
        for name in files:
            (folder / name).touch()
    options, kept, questions = {"prepend_text": claim(), "append_text": own_end.mark()}, {}, []
    extras = SimpleNamespace(get=kept.get, set=kept.__setitem__)
    node = SimpleNamespace(
        base=SimpleNamespace(attributes={}, extras=extras),
        get_option=options.get,
        get_remote_workdir=lambda: str(folder),
    )
    look = SimpleNamespace(
        last_state=lambda *_: "CANCELLED",
        was_placed=lambda *_: (questions.append("placed"), True)[1],
        is_anothers=lambda *_: (questions.append("another's"), True)[1],
        exit_status=lambda *_: None,
    )
    monkeypatch.setattr(collecting, "scheduler_stderr", lambda _: "")
    monkeypatch.setattr(work_directory, "path", lambda: tmp_path)

    observing._scheduler_reason(node, row_of(job_id="7", exit_status=302, process_state="finished"), look)

    assert (kept[observing.REASON_EXTRA], questions) == (reason, asked)
