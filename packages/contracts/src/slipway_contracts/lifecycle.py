"""The lifecycle, pure: states, transitions, event → projection, and what a store does with an update.

A store reads one submission's standing and receipts, calls :func:`fold`, and writes what it returns, in one
transaction. So every store decides alike, and a race is a matter of the order of transactions alone. The tables are
data and are shared with TypeScript through ``vectors/`` (docs/adr/0002, docs/contracts/projection-update.md).
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from slipway_contracts.errors import Code
from slipway_contracts.execution_event import ExecutionEvent, ExecutionState, event_id_for
from slipway_contracts.projection_update import ProjectionFailure, ProjectionState, ProjectionUpdate

_PROJECTION_NAMESPACE = uuid.UUID("3b1c2c0e-6f0b-5d0a-9a70-0d6c6d1b8f52")


class Step(StrEnum):
    """What one proposed execution state is to the standing one."""

    ADVANCE = "advance"
    GAP = "gap"  # a predecessor is missing: it may still be on its way
    REGRESSION = "regression"  # nothing that comes later makes it legal


_A, _R, _C, _F, _X = (
    ExecutionState.ACCEPTED,
    ExecutionState.RUNNING,
    ExecutionState.COMPLETED,
    ExecutionState.FAILED,
    ExecutionState.CANCELLED,
)
ADVANCES: Mapping[ExecutionState | None, frozenset[ExecutionState]] = {
    None: frozenset({_A, _F, _X}),
    _A: frozenset({_R, _F, _X}),
    _R: frozenset({_C, _F, _X}),
    _C: frozenset(),
    _F: frozenset(),
    _X: frozenset(),
}
GAPS: Mapping[ExecutionState | None, frozenset[ExecutionState]] = {
    None: frozenset({_R, _C}),
    _A: frozenset({_C}),
    _R: frozenset(),
    _C: frozenset(),
    _F: frozenset(),
    _X: frozenset(),
}
PROJECTION_RANK: Mapping[ProjectionState, int] = {
    ProjectionState.QUEUED: 0,
    ProjectionState.RUNNING: 1,
    ProjectionState.SUCCEEDED: 2,
    ProjectionState.FAILED: 2,
    ProjectionState.CANCELLED: 2,
}
TERMINAL_RANK = 2


def step(standing: ExecutionState | None, proposed: ExecutionState) -> Step:
    """Return what ``proposed`` is to ``standing`` (None: no event yet). Total over both arguments."""
    if proposed in ADVANCES[standing]:
        return Step.ADVANCE
    return Step.GAP if proposed in GAPS[standing] else Step.REGRESSION


def projection_of(state: ExecutionState) -> ProjectionState:
    """Map an execution state to what a person sees; ``accepted`` enriches ``queued`` and is no regression."""
    match state:
        case ExecutionState.ACCEPTED:
            return ProjectionState.QUEUED
        case ExecutionState.RUNNING:
            return ProjectionState.RUNNING
        case ExecutionState.COMPLETED:
            return ProjectionState.SUCCEEDED
        case ExecutionState.FAILED:
            return ProjectionState.FAILED
        case ExecutionState.CANCELLED:
            return ProjectionState.CANCELLED
        case _:
            assert_never(state)


def is_terminal(state: ProjectionState) -> bool:
    """Tell whether ``state`` absorbs."""
    return PROJECTION_RANK[state] == TERMINAL_RANK


def projection_event_id_for(*names: str) -> str:
    """Derive the id of a timeline row (UUIDv5) from what names it; an event is named by submission_id and event_id.

    By both, since emitters older than contract 1 choose their event ids: two that choose alike must not meet in one
    receipt.
    """
    return str(uuid.uuid5(_PROJECTION_NAMESPACE, "/".join(names)))


def to_projection(event: ExecutionEvent, attempt: int | None = None) -> ProjectionUpdate:
    """Translate an event into its projection update; ``attempt`` (1-based) is checked where it is given."""
    failure = event.error and ProjectionFailure(**event.error.model_dump())
    return ProjectionUpdate(
        projection_event_id=projection_event_id_for(event.submission_id, event.event_id),
        tenant_id=event.tenant_id,
        workspace_id=event.workspace_id,
        job_id=event.job_id,
        submission_id=event.submission_id,
        attempt=attempt,
        projection_state=projection_of(event.state),
        source_execution_state=event.state,
        occurred_at=event.occurred_at,
        trace_id=event.trace_id,
        execution_id=event.execution_id,
        display_message=event.status_detail,
        scheduler_ref=event.scheduler_ref,
        result_ref=event.result_ref,
        failure=failure,
    )


@dataclass(frozen=True, slots=True)
class Receipt:
    """What makes two deliveries the same update: one rebuilt after a loss differs only in time and text."""

    source_execution_state: ExecutionState | None
    execution_id: str | None
    slurm_job_id: str | None
    output_uri: str | None
    failure_code: str | None


def receipt_of(update: ProjectionUpdate) -> Receipt:
    """Return the compared fields of ``update`` (docs/contracts/execution-event.md, "Idempotency key")."""
    return Receipt(
        source_execution_state=update.source_execution_state,
        execution_id=update.execution_id,
        slurm_job_id=_slurm_job_id(update),
        output_uri=update.result_ref.output_uri if update.result_ref else None,
        failure_code=update.failure.code if update.failure else None,
    )


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one submission stands in the store.

    ``projection_state`` can be terminal while ``execution_state`` is None: cancelled before the node took it, or
    failed with its node's revocation. ``current`` is False once a later attempt has replaced it.
    """

    attempt: int
    projection_state: ProjectionState
    execution_state: ExecutionState | None = None
    execution_id: str | None = None
    slurm_job_id: str | None = None
    current: bool = True


@dataclass(frozen=True, slots=True)
class Applied:
    """The update moves the projection and is to be written."""

    update: ProjectionUpdate


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The update was written before; nothing is to be done."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The update is not to be written; ``gap`` tells that a predecessor may still make it legal."""

    code: Code
    detail: str
    gap: bool = False


Verdict = Applied | Duplicate | Refused

AFTER_REFUSAL = Refused(Code.INVALID_PROJECTION_TRANSITION, "an earlier event of this submission was refused", gap=True)
"""What stands behind a submission's first refusal: it is not tried, and may be sent again in order."""


@dataclass(frozen=True, slots=True)
class Folded:
    """The outcome of :func:`fold`: a verdict an update, in order, and what is to be written, in order."""

    standing: Standing
    verdicts: tuple[Verdict, ...]
    writes: tuple[ProjectionUpdate, ...]


def judge(standing: Standing, receipt: Receipt | None, update: ProjectionUpdate) -> Verdict:
    """Judge one update against its submission's standing and the receipt of the same id, if there is one."""
    if receipt is not None:
        if receipt == receipt_of(update):
            return Duplicate()
        return Refused(Code.PROJECTION_EVENT_ID_CONFLICT, "this id was used before with another state or reference")
    if update.attempt not in (None, standing.attempt):
        return Refused(Code.INVALID_PROJECTION_UPDATE, f"attempt is {standing.attempt}, not {update.attempt}")
    if projection_of(update.source_execution_state) is not update.projection_state:
        return Refused(
            Code.INVALID_PROJECTION_UPDATE,
            f"{update.source_execution_state} never projects to {update.projection_state}",
        )
    if not standing.current or is_terminal(standing.projection_state):
        return _regression(f"the submission is {standing.projection_state}, which absorbs")
    renamed = _renamed(standing, update)
    if renamed is not None:
        return _regression(renamed)
    match step(standing.execution_state, update.source_execution_state):
        case Step.ADVANCE:
            return Applied(update)
        case Step.GAP:
            return Refused(
                Code.INVALID_PROJECTION_TRANSITION,
                f"{update.source_execution_state} cannot follow {standing.execution_state or 'no event'} directly",
                gap=True,
            )
        case Step.REGRESSION:
            return _regression(
                f"{update.source_execution_state} cannot follow {standing.execution_state or 'no event'}"
            )


def _renamed(standing: Standing, update: ProjectionUpdate) -> str | None:
    """Tell which reference of the execution would change, if one would."""
    if standing.execution_id is not None and update.execution_id not in (None, standing.execution_id):
        return f"execution_id is {standing.execution_id} and immutable"
    if standing.slurm_job_id is not None and _slurm_job_id(update) not in (None, standing.slurm_job_id):
        return f"slurm_job_id is {standing.slurm_job_id} and immutable"
    return None


def _slurm_job_id(update: ProjectionUpdate) -> str | None:
    return update.scheduler_ref.slurm_job_id if update.scheduler_ref else None


def _regression(detail: str) -> Refused:
    return Refused(Code.INVALID_PROJECTION_TRANSITION, detail)


def advanced(standing: Standing, update: ProjectionUpdate) -> Standing:
    """Return the standing after ``update`` was applied."""
    return replace(
        standing,
        projection_state=update.projection_state,
        execution_state=update.source_execution_state,
        execution_id=update.execution_id or standing.execution_id,
        slurm_job_id=_slurm_job_id(update) or standing.slurm_job_id,
    )


def fold(
    standing: Standing,
    receipts: Mapping[str, Receipt],
    updates: Sequence[ProjectionUpdate],
    *,
    synthesize_running: bool = False,
) -> Folded:
    """Judge one submission's updates in order, each against what the ones before it left.

    ``receipts`` maps projection_event_id → receipt for those of ``updates`` already written. After the first refusal
    the rest are not tried and answer as gaps, so that a producer sends them again in order. ``synthesize_running``
    fills in the ``running`` that emitters older than contract 1 skip, marked ``synthesized``.
    """
    known = dict(receipts)
    verdicts: list[Verdict] = []
    writes: list[ProjectionUpdate] = []
    for update in updates:
        if verdicts and isinstance(verdicts[-1], Refused):
            verdicts.append(AFTER_REFUSAL)
            continue
        verdict = judge(standing, known.get(update.projection_event_id), update)
        due = [update]
        if synthesize_running and _skips_running(standing, verdict):
            running = _synthesized_running(update)
            due = [running, update]
            verdict = _filled_in(running, known, update)
        if isinstance(verdict, Applied):
            for write in due:
                standing = advanced(standing, write)
                known[write.projection_event_id] = receipt_of(write)
            writes += due
        verdicts.append(verdict)
    return Folded(standing, tuple(verdicts), tuple(writes))


def _skips_running(standing: Standing, verdict: Verdict) -> bool:
    """Tell whether a gap is the missing ``running`` and nothing else: only ``completed`` is one behind ``accepted``."""
    return isinstance(verdict, Refused) and verdict.gap and standing.execution_state is ExecutionState.ACCEPTED


def _filled_in(running: ProjectionUpdate, known: Mapping[str, Receipt], update: ProjectionUpdate) -> Verdict:
    """Judge ``update`` behind the ``running`` filled in for it: legal, unless the emitter gave that id to another."""
    if running.projection_event_id in {*known, update.projection_event_id}:
        return Refused(Code.PROJECTION_EVENT_ID_CONFLICT, "the id of the skipped running was used for another event")
    return Applied(update)


def _synthesized_running(completed: ProjectionUpdate) -> ProjectionUpdate:
    execution_id = completed.execution_id or completed.submission_id
    return completed.model_copy(
        update={
            "projection_event_id": projection_event_id_for(
                completed.submission_id, event_id_for(completed.submission_id, execution_id, ExecutionState.RUNNING)
            ),
            "projection_state": ProjectionState.RUNNING,
            "source_execution_state": ExecutionState.RUNNING,
            "result_ref": None,
            "failure": None,
            "display_message": None,
            "synthesized": True,
        }
    )
