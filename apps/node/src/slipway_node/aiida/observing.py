"""One process's row as an Observation; where it failed, with the reason that the scheduler gives."""

from dataclasses import replace
from typing import Any

from slipway_node.aiida import collecting, placement, queries, submission, verdicts
from slipway_node.ports import Observation, Phase
from slipway_node.slurm.cluster import Cluster

STDERR_TAIL_CHARS = 800
_REASON_EXTRA = "slipway_scheduler_reason"


def observation(row: verdicts.ProcessRow, cluster: Cluster | None) -> Observation:
    """Return what ``row`` says; ``cluster`` None where there is no Slurm. Raises EngineUnavailableError.

    A process id of the direct scheduler refers to nothing and is not told.
    """
    phase = verdicts.phase_of(row)
    seen = Observation(
        submission_id=row.label,
        execution_id=row.uuid,
        phase=phase,
        envelope=submission.envelope_from(row.description),
        scheduler_job_id=row.job_id if cluster is not None else None,
        ended_at=row.changed_at if row.sealed else None,
    )
    if phase is Phase.KILLED and not _is_gone_from(cluster, row):
        return replace(seen, phase=Phase.PENDING, ended_at=None)  # asked for again at the next look
    if phase is not Phase.FAILED:
        return seen
    node = queries.node_of(row.uuid)
    tail = collecting.stderr_tail(node, STDERR_TAIL_CHARS)
    reason = _scheduler_reason(node, row, cluster)
    if verdicts.was_cancelled_outside(row, reason):
        return replace(seen, phase=Phase.KILLED)
    return replace(seen, failure=verdicts.failure_of(row, reason, tail))


def _is_gone_from(cluster: Cluster | None, row: verdicts.ProcessRow) -> bool:
    """Tell whether nothing of a killed execution is left at Slurm, and cancel what is."""
    folder = queries.node_of(row.uuid).base.attributes.get("remote_workdir", None)
    return cluster is None or folder is None or cluster.withdraw(folder)


def _scheduler_reason(node: Any, row: verdicts.ProcessRow, cluster: Cluster | None) -> str | None:
    """Return Slurm's word for the job's end: of its accounting, its last words, or its controller.

    The controller forgets a job within minutes, so what it said is kept with the process: asked again, later or after
    the journal's loss, the failure is the same.
    """
    known = node.base.extras.get(_REASON_EXTRA, None)
    if known is not None:
        return str(known) or None
    reason = verdicts.slurm_state(node.base.attributes.get("detailed_job_info", None))
    if reason is None or reason not in verdicts.ENDS:
        reason = verdicts.said_by_slurm(collecting.scheduler_stderr(node), placement.WALLTIME_MARK)
    if reason is None and cluster is not None and row.job_id is not None:
        reason = cluster.job_state(row.job_id)
    node.base.extras.set(_REASON_EXTRA, reason or "")
    return reason
