"""What a projection is read with beside its state: a line in plain words, and how long it queued and ran. Pure.

Worked out at each read and never stored (docs/adr/0003). Words and cases are data, shared with TypeScript through
``vectors/enrichment.json``.
"""

import re
from collections.abc import Mapping
from datetime import datetime

from slipway_contracts.execution_event import ExecutionState
from slipway_contracts.projection_update import ProjectionState

FAILURES: Mapping[str, str] = {
    "walltime_exceeded": "Stopped: it ran for longer than the walltime it asked for",
    "out_of_memory": "Stopped: it needed more memory than it asked for",
    "node_failure": "The machine it ran on failed",
    "preempted": "Stopped to make room for other work",
    "deadline_missed": "It could not have ended before its deadline",
    "scheduler_lost_job": "The cluster lost it",
    "node_storage": "The lab's node had no room for its files",
    "node_revoked": "The lab's node was revoked; what became of the job is unknown",
    "invalid_payload": "Its input could not be read",
    "policy_rejected": "The cluster does not take such a job",
    "process_excepted": "It broke off with an error",
}
"""What a failure's code says to people who do not know the code; any other is a failure and no more."""
_EXIT_CODE = re.compile(r"exit_(\d+)")


def plain_words(
    state: ProjectionState,
    source_execution_state: ExecutionState | None = None,
    failure_code: str | None = None,
    *,
    cancel_requested: bool = False,
) -> str:
    """Return a line that tells where a job stands."""
    match state:
        case ProjectionState.QUEUED | ProjectionState.RUNNING if cancel_requested:
            return "Being cancelled"
        case ProjectionState.QUEUED if source_execution_state is None:
            return "Waiting for the lab's node to take it"
        case ProjectionState.QUEUED:
            return "Taken by the lab's node; waiting for its turn"
        case ProjectionState.RUNNING:
            return "Running"
        case ProjectionState.SUCCEEDED:
            return "Done"
        case ProjectionState.CANCELLED:
            return "Cancelled"
        case ProjectionState.FAILED:
            return _failure_words(failure_code)


def _failure_words(code: str | None) -> str:
    exit_code = _EXIT_CODE.fullmatch(code or "")
    if exit_code is not None:
        return f"The program ended with exit code {exit_code.group(1)}"
    return FAILURES.get(code or "", "Failed")


def queued_seconds(
    submitted_at: datetime, started_at: datetime | None, ended_at: datetime | None, now: datetime
) -> float:
    """Return how long a job waited before it ran, or before it ended without; up to ``now`` where it still waits.

    Its start is told by the node's clock, its submission by the gateway's: what comes out negative is 0.
    """
    return _seconds(submitted_at, started_at or ended_at or now)


def running_seconds(started_at: datetime | None, ended_at: datetime | None, now: datetime) -> float | None:
    """Return how long a job ran, up to ``now`` where it runs; None where it has not begun."""
    return None if started_at is None else _seconds(started_at, ended_at or now)


def _seconds(since: datetime, until: datetime) -> float:
    return max(0.0, round((until - since).total_seconds(), 3))
