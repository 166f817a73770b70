"""What a process's record says of its execution, in the contract's words. Pure: rows in, phase and failure out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from slipway_node.aiida.record_times import is_settled
from slipway_node.ports import Failure, Phase
from slipway_node.slurm.commands import ENDS, read_end
from slipway_node.storage import CODE as NODE_STORAGE

GAVE_UP = "Pausing after failed transport task"
"""How AiiDA begins the status of a process that it paused, having tried a step in vain a few times."""

MESSAGE_MAX_CHARS = 1_900  # under the wire's 2,000

SEALED_WITHIN = timedelta(seconds=5)
"""A worker seals a process some 25 ms after its last state, or it was killed in between and never will."""

_ENDED = frozenset({"finished", "excepted", "killed"})

# A calculation job past its time with the scheduler: the job was seen done, so it has run.
_AFTER_SCHEDULER = frozenset({"stashing", "retrieving", "parsing"})  # `unstashing` comes before submission

LOST = "LOST"
"""Our word for a job that Slurm has lost: it knows it no more, or has ended it as one with another's number.

It did not come to its own end.
"""

NEVER_BEGAN = "NEVER BEGAN"
"""Our word for a job that Slurm gave a machine and then ended, and whose script never began.

A slurmd that is killed just as it is told to start a job has forgotten that; the controller asks it again half an hour
later, by default, and takes the job for running until its time is up. A slurmd that cannot start a job which is not to
be queued again, as AiiDA's are not, has it cancelled.
"""

CANCELLED = "CANCELLED"
"""Slurm's word for what somebody has cancelled, and for what it has."""

SLURM_FAILURES: Mapping[str, tuple[str, bool]] = {
    "TIMEOUT": ("walltime_exceeded", False),
    "OUT_OF_MEMORY": ("out_of_memory", False),
    "NODE_FAIL": ("node_failure", True),
    "BOOT_FAIL": ("node_failure", True),
    "PREEMPTED": ("preempted", True),
    "DEADLINE": ("deadline_missed", False),
    LOST: ("scheduler_lost_job", True),
    NEVER_BEGAN: ("scheduler_lost_job", True),
}
"""Slurm's reason → error code and whether submitting again may help (docs/contracts/execution-event.md)."""

_OUT_OF_MEMORY = re.compile(r"^slurmstepd[^:]*: error: Detected \d+ oom[-_]kill", re.MULTILINE)
_ENDED_BY_SLURM = re.compile(  # of a job; a single step is also ended so where one of its ranks has failed
    r"^slurmstepd[^:]*: error: \*\*\* JOB \S+ ON \S+ CANCELLED AT \S+(?: DUE TO (?P<why>[A-Z ]*[A-Z]))?", re.MULTILINE
)
_WHY = {"TIME LIMIT": "TIMEOUT", "PREEMPTION": "PREEMPTED", "NODE FAILURE": "NODE_FAIL", None: CANCELLED}

_NO_STORAGE = re.compile(
    r"No space left on device|Disk quota exceeded|Read-only file system|database or disk is full", re.IGNORECASE
)

_EXCEPTION = re.compile(r"(?:\w+\.)*\w*(?:Error|Exception)\b")

REFUSED_STATUS = 131
"""What a process ends with whose job the scheduler refused for good; AiiDA has it for an invalid account."""
REFUSAL_EXTRA = "slipway_refusal"
"""What the scheduler said then, kept with the process."""

CANCEL_EXTRA = "slipway_cancel_asked"
"""That the product has asked for the process's cancel, kept with the process."""

_SCHEDULER_EXIT_CODES: Mapping[int, str] = {
    110: "out_of_memory",
    120: "walltime_exceeded",
    REFUSED_STATUS: "policy_rejected",
    140: "node_failure",
}
"""The exit codes AiiDA's own scheduler parser sets on any calculation job."""


class UndecidedError(Exception):
    """What ended the job cannot be told yet."""


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """The projected columns of one process node."""

    uuid: str
    label: str
    description: str
    process_state: str | None
    exit_status: int | None
    exit_message: str | None
    sealed: bool
    exception: str | None
    scheduler_state: str | None
    job_id: str | None
    calcjob_state: str | None
    created_at: datetime
    changed_at: datetime


def phase_of(row: ProcessRow) -> Phase:
    """Return the phase; terminal ones need the seal, RUNNING and RETRIEVING the scheduler's word."""
    if not row.sealed:
        if row.scheduler_state == "done" or row.calcjob_state in _AFTER_SCHEDULER:
            return Phase.RETRIEVING
        if row.scheduler_state in ("running", "suspended"):
            return Phase.RUNNING
        return Phase.PENDING if row.job_id is not None else Phase.CREATED
    if row.process_state == "killed":
        return Phase.KILLED
    if row.process_state == "finished" and row.exit_status == 0:
        return Phase.FINISHED
    return Phase.FAILED


def lacks_its_seal(row: ProcessRow, now: datetime) -> bool:
    """Tell whether the process ended and its worker was killed before it sealed it: nobody else will."""
    return not row.sealed and row.process_state in _ENDED and is_settled(row.changed_at, now, SEALED_WITHIN)


def failure_of(row: ProcessRow, scheduler_reason: str | None = None, tail: str = "") -> Failure:
    """Return why a FAILED process failed; the scheduler's reason wins where it is known."""
    code, retryable = f"exit_{row.exit_status}", False
    if row.process_state == "excepted" or row.exit_status is None:
        code = "process_excepted"
        if _NO_STORAGE.search(_raised(row.exception)):
            code, retryable = NODE_STORAGE, True
    if row.exit_status is not None and row.exit_status in _SCHEDULER_EXIT_CODES:
        code = _SCHEDULER_EXIT_CODES[row.exit_status]
        retryable = code == "node_failure"
    if scheduler_reason is not None and scheduler_reason in SLURM_FAILURES:
        code, retryable = SLURM_FAILURES[scheduler_reason]
    said = row.exit_message or _raised(row.exception) or f"the process ended as {row.process_state}"
    if scheduler_reason == LOST:
        said = f"the scheduler has lost the job, and it did not come to its end; {said}"
    elif scheduler_reason == NEVER_BEGAN:
        said = f"the scheduler gave the job a machine and ended it, and its script never began; {said}"
    elif scheduler_reason in SLURM_FAILURES:
        said = f"the scheduler ended the job: {scheduler_reason}; {said}"
    if tail and tail not in said:
        said = f"{said}\n{tail}"
    return Failure(code, _bounded(said), retryable)


def gave_up_its_upload(status: str | None) -> bool:
    """Tell whether AiiDA paused the process since it could not write the job's files, by the process's status."""
    return (status or "").startswith(f"{GAVE_UP}: upload_calculation failed")


def unless_it_never_began(scheduler_reason: str | None, *, began: bool | None, stepped: bool) -> str | None:
    """Return the reason, NEVER_BEGAN for a time-out of a job whose script did not; ``began`` None: not known.

    So ends as failed, too, what had no batch step (``stepped``): a controller may find that slurmd would not start it.
    """
    never = began is False and (scheduler_reason == "TIMEOUT" or (scheduler_reason == "FAILED" and not stepped))
    return NEVER_BEGAN if never else scheduler_reason


def whose_cancellation(*, came_to_its_end: bool | None, placed: bool | None, ended_with_another: bool) -> str | None:
    """Return the reason of a job that Slurm calls cancelled, which is so only where somebody has cancelled it.

    ``came_to_its_end`` is what the job's script says, ``placed`` whether one that never began was given a machine; None
    where that is not known, or the job began. Slurm itself cancels what it cannot start: a job whose machine is not
    in order, and one with the number of another that its controller has forgotten and that runs there still. It ends
    both then (``ended_with_another``). That other one may be the same, submitted again, or work in another folder.
    """
    if came_to_its_end:
        return None
    if placed is not None:
        return NEVER_BEGAN if placed else CANCELLED
    return LOST if ended_with_another else CANCELLED


def may_lack_its_claim(scheduler_reason: str | None) -> bool:
    """Tell whether a failed job may have failed before it began: the scheduler has no better reason."""
    return scheduler_reason in (None, "FAILED", LOST, NEVER_BEGAN)


def without_storage(said: str) -> Failure:
    """Return the failure of an execution that the node had no storage for."""
    return Failure(NODE_STORAGE, _bounded(said), retryable=True)


def refused(said: str) -> Failure:
    """Return the failure of an execution whose job the scheduler would never take."""
    return Failure(_SCHEDULER_EXIT_CODES[REFUSED_STATUS], _bounded(said))


def was_cancelled_outside(row: ProcessRow, scheduler_reason: str | None) -> bool:
    """Tell whether someone cancelled the job at the scheduler, past AiiDA."""
    return row.process_state == "finished" and row.exit_status != 0 and scheduler_reason == CANCELLED


def asked_reason(state: str | None, row: ProcessRow, *, came_to_its_end: bool | None) -> str | None:
    """Return the reason in what Slurm says when it is asked; ``state`` None where it knows neither job nor end.

    ``came_to_its_end`` is whether the job's script says so, None where that is not known. Raises UndecidedError where
    the job goes on, unless AiiDA has given the process up, for then nobody fetches from it.
    """
    if state in ENDS:
        return state
    if row.exit_status is None:
        return None
    if state is None:
        return LOST if came_to_its_end is False else None
    if came_to_its_end and state != "COMPLETING":
        # A controller that was killed comes back with what it knew before, and takes the job for running for minutes.
        return None
    raise UndecidedError(f"the scheduler has not ended job {row.job_id}: {state}")


def accounted_end(job_info: Mapping[str, Any] | None, folder: str) -> str | None:
    """Return the end that Slurm's accounting gave the job of ``folder`` in AiiDA's ``detailed_job_info``.

    None where it is not kept, lags behind, or tells of another job that was given the same id since.
    """
    lines = str((job_info or {}).get("stdout") or "").splitlines()
    if len(lines) < 2 or (job_info or {}).get("retval") != 0:  # noqa: PLR2004 - a header and a job
        return None
    record = dict(zip(lines[0].split("|"), lines[1].split("|"), strict=False))
    return read_end(record.get("State", "")) if record.get("WorkDir") == folder else None


def said_by_slurm(stderr: str, walltime_mark: str) -> str | None:
    """Return the reason in what slurmstepd (or our own time limit) wrote to the job's stderr as it ended it."""
    if walltime_mark in stderr:
        return "TIMEOUT"
    if _OUT_OF_MEMORY.search(stderr):
        return "OUT_OF_MEMORY"
    ended = _ENDED_BY_SLURM.search(stderr)
    return _WHY.get(ended["why"]) if ended else None


def _raised(traceback: str | None) -> str:
    """Return the line of a traceback that says what was raised last; what it says may go on below that."""
    lines = (traceback or "").strip().splitlines()
    return next((line for line in reversed(lines) if _EXCEPTION.match(line)), lines[-1] if lines else "")


def _bounded(text: str) -> str:
    """Keep the head, which says what failed, and the tail, which says where."""
    if len(text) <= MESSAGE_MAX_CHARS:
        return text
    half = MESSAGE_MAX_CHARS // 2
    return f"{text[:half]} … {text[-half:]}"
