"""Processes' rows as Observations; of those that failed, with the reason that the scheduler gives."""

import os
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import structlog

from slipway_node import storage
from slipway_node.aiida import collecting, placement, queries, submission, verdicts, work_directory
from slipway_node.aiida.profile import is_of_the_database
from slipway_node.ports import EngineUnavailableError, Failure, Observation, Phase
from slipway_node.slurm import own_end
from slipway_node.slurm.cluster import Cluster
from slipway_node.slurm.submit_once import claim

_log = structlog.get_logger(__name__)

STDERR_TAIL_CHARS = 800
ASKING_SECONDS = 5.0  # an answer takes 10 ms
WITHDRAWING = "what may be left of it at Slurm is being withdrawn"
REASON_EXTRA = "slipway_scheduler_reason"

Told = TypeVar("Told")


def observations(rows: Iterable[verdicts.ProcessRow], cluster: Cluster | None) -> list[Observation]:
    """Return what ``rows`` say; ``cluster`` None where there is no Slurm.

    One that failed has not ended before it can be told why: where Slurm cannot be asked, nothing changes.
    """
    look = None if cluster is None else Look(cluster)
    some = [*rows]
    random.shuffle(some)  # a look may end before it has come to the last that Slurm is to be asked after
    return [seen for row in some if (seen := _observed(row, look)) is not None]


def _observed(row: verdicts.ProcessRow, look: "Look | None") -> Observation | None:
    """Return what ``row`` says, None where it cannot be read: its own trouble, and none of the other executions'.

    A full disk and a locked database are all executions' trouble, and raised. That one file may not be read is not.
    """
    try:
        return _observation(row, look)
    except Exception as error:
        of_the_disk = storage.is_told_by(error) and not isinstance(error, PermissionError)
        if of_the_disk or is_of_the_database(error):
            raise
        _log.exception("record_not_read", execution_id=row.uuid)  # somebody has changed it, or it lacks a file
        return None


class Look:
    """Asks Slurm after jobs. Where it does not answer it is not asked again in this look, for that may take long.

    Nor is a slow one that has been asked for ``ASKING_SECONDS``: launches and kills wait behind the look. ``clock`` is
    in seconds.
    """

    def __init__(self, cluster: Cluster, clock: Callable[[], float] = time.monotonic) -> None:
        self._cluster = cluster
        self._clock = clock
        self._ask_until = clock() + ASKING_SECONDS
        self._unanswered: EngineUnavailableError | None = None

    def last_state(self, job_id: str, folder: str) -> str | None:
        """Return what Cluster.last_state does; raises UndecidedError."""
        return self._ask(lambda: self._cluster.last_state(job_id, folder))

    def was_placed(self, job_id: str, folder: str) -> bool | None:
        """Return what Cluster.was_placed does; raises UndecidedError."""
        return self._ask(lambda: self._cluster.was_placed(job_id, folder))

    def is_anothers(self, job_id: str, folder: str) -> bool:
        """Return what Cluster.is_anothers does; raises UndecidedError."""
        return self._ask(lambda: self._cluster.is_anothers(job_id, folder))

    def exit_status(self, job_id: str, folder: str) -> int | None:
        """Return what Cluster.exit_status does; raises UndecidedError."""
        return self._ask(lambda: self._cluster.exit_status(job_id, folder))

    def withdraw(self, folder: str) -> bool:
        """Do what Cluster.withdraw does; raises UndecidedError."""
        return self._ask(lambda: self._cluster.withdraw(folder))

    def _ask(self, question: Callable[[], Told]) -> Told:
        if self._unanswered is None and self._clock() > self._ask_until:
            self._unanswered = EngineUnavailableError("Slurm takes long to answer, and is asked again at the next look")
        if self._unanswered is None:
            try:
                return question()
            except EngineUnavailableError as error:
                self._unanswered = error
        raise verdicts.UndecidedError(str(self._unanswered))


def _observation(row: verdicts.ProcessRow, look: Look | None) -> Observation:
    """Return what ``row`` says. A process id of the direct scheduler refers to nothing and is not told."""
    phase = verdicts.phase_of(row)
    seen = Observation(
        submission_id=row.label,
        execution_id=row.uuid,
        phase=phase,
        envelope=submission.envelope_from(row.description),
        scheduler_job_id=row.job_id if look is not None else None,
        ended_at=row.changed_at if row.sealed else None,
    )
    if phase not in (Phase.FAILED, Phase.KILLED):
        return seen
    node = queries.node_of(row.uuid)
    try:
        reason = _scheduler_reason(node, row, look) if phase is Phase.FAILED else None
        # AiiDA fetches nothing of a process that it has given up, nor cancels its job; and of one whose job was refused
        # another may come that an earlier try left under way.
        given_up = phase is Phase.KILLED or row.exit_status in (None, verdicts.REFUSED_STATUS)
        if given_up and not _is_gone(node, look):
            return _before_its_end(seen, WITHDRAWING)  # asked for again at the next look
    except (verdicts.UndecidedError, EngineUnavailableError, OSError) as error:
        # Its own trouble, and none of the other executions'.
        _log.warning("end_not_judged", execution_id=row.uuid, detail=str(error))
        return _before_its_end(seen, f"how it ended cannot be told yet: {error}")
    failure = _failure(node, row, phase, reason)
    # What may be tried again nobody wants to be, where its cancel was asked for; nor was AiiDA's fault the job's own.
    no_end_of_its_own = failure is None or failure.retryable or row.process_state == "excepted"
    if failure is None or (no_end_of_its_own and node.base.extras.get(verdicts.CANCEL_EXTRA, False)):
        return replace(seen, phase=Phase.KILLED)
    return replace(seen, phase=Phase.FAILED, failure=failure)


def _failure(node: Any, row: verdicts.ProcessRow, phase: Phase, reason: str | None) -> Failure | None:
    """Return why an execution that has ended failed, None where it was cancelled."""
    if (said := work_directory.told(node)) is not None:
        return verdicts.without_storage(said)
    if row.job_id is None and (refusal := node.base.extras.get(verdicts.REFUSAL_EXTRA, None)) is not None:
        return verdicts.refused(str(refusal))
    if phase is Phase.KILLED or verdicts.was_cancelled_outside(row, reason):
        return None
    return verdicts.failure_of(row, reason, collecting.stderr_tail(node, STDERR_TAIL_CHARS))


def _before_its_end(seen: Observation, why: str) -> Observation:
    """Return what an execution is told as whose end cannot be told yet."""
    phase = Phase.RETRIEVING if seen.phase is Phase.FAILED else Phase.PENDING
    return replace(seen, phase=phase, ended_at=None, trouble=why)


def _is_gone(node: Any, look: Look | None) -> bool:
    """Tell whether nothing of an execution that was given up is left at Slurm, and cancel what is.

    Raises UndecidedError.

    What was killed for want of storage never came to Slurm, and its folder takes no claim.
    """
    folder = node.base.attributes.get("remote_workdir", None)
    return look is None or folder is None or work_directory.told(node) is not None or look.withdraw(folder)


def _scheduler_reason(node: Any, row: verdicts.ProcessRow, look: Look | None) -> str | None:
    """Return Slurm's word for the job's end, of its accounting, its last words, or asked for; raises UndecidedError.

    The controller forgets a job within minutes, so what was said is kept with the process: asked again, later or after
    the journal's loss, the failure is the same.
    """
    known = node.base.extras.get(REASON_EXTRA, None)
    if known is not None:
        return str(known) or None
    folder = os.path.realpath(node.get_remote_workdir() or "")
    # A job that was submitted by an older version leaves no marks.
    ended = own_end.was_reached(Path(folder)) if own_end.mark() in (node.get_option("append_text") or "") else None
    began = work_directory.has_begun(Path(folder)) if claim() in (node.get_option("prepend_text") or "") else None
    stepped = work_directory.has_a_batch_step(Path(folder))
    reason = verdicts.accounted_end(node.base.attributes.get("detailed_job_info", None), folder)
    if reason is None:
        reason = verdicts.said_by_slurm(collecting.scheduler_stderr(node), placement.WALLTIME_MARK)
    if reason is None and look is not None and row.job_id is not None:
        reason = verdicts.asked_reason(look.last_state(row.job_id, folder), row, came_to_its_end=ended)
    reason = verdicts.unless_it_never_began(reason, began=began, stepped=stepped)
    if reason == verdicts.CANCELLED and look is not None and row.job_id is not None:
        never = began is False and not stepped  # neither our script nor what stands before it
        placed = look.was_placed(row.job_id, folder) if never else None
        with_another = work_directory.may_have_been_started_twice(Path(folder)) or (
            began is True and not ended and look.is_anothers(row.job_id, folder)
        )
        reason = verdicts.whose_cancellation(came_to_its_end=ended, placed=placed, ended_with_another=with_another)
    if look is not None and row.job_id is not None and verdicts.may_lack_its_claim(reason):
        work_directory.note_a_job_without_claim(node, row.job_id, look.exit_status)
    node.base.extras.set(REASON_EXTRA, reason or "")
    return reason
