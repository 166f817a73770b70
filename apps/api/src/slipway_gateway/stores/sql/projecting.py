"""Surface 3 in the store: projection updates, folded and written in bulk (docs/contracts/projection-update.md)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from slipway_contracts.errors import Code
from slipway_contracts.execution_event import ExecutionState, ResultRef
from slipway_contracts.lifecycle import Receipt, Refused, Standing, Verdict, fold, receipt_of
from slipway_contracts.projection_update import ProjectionFailure, ProjectionState, ProjectionUpdate
from slipway_gateway.ports import Scope, SubmissionTarget
from slipway_gateway.stores.sql.ledger import Ledger
from slipway_gateway.stores.sql.rows import ProjectionRow, scheduler_job_id
from slipway_gateway.stores.sql.session import Operation, Session
from slipway_gateway.stores.sql.statements import Keyed, Row

TARGETS = Keyed("targets")
RECEIPTS = Keyed("receipts")
NODE_TARGETS = Keyed("node_targets")
# A row of the same id that tells of another submission, or of no event: equal to no update's receipt.
_ANOTHER = Receipt(None, None, None, None, None)


@dataclass(frozen=True, slots=True)
class Application:
    """One call's updates."""

    updates: Sequence[ProjectionUpdate]
    received_at: datetime
    synthesize_running: bool


@dataclass(slots=True)
class _Target:
    """A submission: where it stands, and its job's projection."""

    standing: Standing
    row: ProjectionRow


class _Projector:
    """Folds the calls of a group in order, each against what the ones before it left."""

    def __init__(self, session: Session, updates: Sequence[ProjectionUpdate]) -> None:
        ids = dict.fromkeys((update.submission_id,) for update in updates)
        self._targets = _targets(session.rows_of(TARGETS, list(ids)))
        receipts = dict.fromkeys((u.tenant_id, u.workspace_id, u.projection_event_id) for u in updates)
        self._receipts: dict[Row, tuple[str, Receipt]] = {
            row[:3]: (row[3], _receipt(row[4:])) for row in session.rows_of(RECEIPTS, list(receipts))
        }
        rows = (target.row for target in self._targets.values())
        self.ledger = Ledger(session, ((row.tenant_id, row.workspace_id) for row in rows))

    def verdicts(self, application: Application) -> list[Verdict]:
        """Judge one call's updates, each submission's in order, and note what is to be written."""
        by_target: dict[Row, list[int]] = {}
        for index, update in enumerate(application.updates):
            by_target.setdefault((update.tenant_id, update.workspace_id, update.submission_id), []).append(index)
        found: dict[int, Verdict] = {}
        for (tenant, workspace, submission), indices in by_target.items():
            target = self._targets.get(submission)
            updates = [application.updates[index] for index in indices]
            if target is None or (target.row.tenant_id, target.row.workspace_id) != (tenant, workspace):
                verdicts = _not_found(updates)
            else:
                verdicts = self._folded(target, updates, application)
            found.update(zip(indices, verdicts, strict=True))
        return [found[index] for index in range(len(application.updates))]

    def _folded(self, target: _Target, updates: Sequence[ProjectionUpdate], application: Application) -> list[Verdict]:
        sound = next((i for i, update in enumerate(updates) if update.job_id != target.row.job_id), len(updates))
        folded = fold(
            target.standing,
            self._known(updates[:sound]),
            updates[:sound],
            synthesize_running=application.synthesize_running,
        )
        target.standing = folded.standing
        for write in folded.writes:
            self._receipts[write.tenant_id, write.workspace_id, write.projection_event_id] = (
                write.submission_id,
                receipt_of(write),
            )
            self.ledger.advanced(target.row, write, application.received_at)
        return [*folded.verdicts, *_contradicting(target.row.job_id, folded.verdicts, len(updates) - sound)]

    def _known(self, updates: Sequence[ProjectionUpdate]) -> dict[str, Receipt]:
        known = {}
        for update in updates:
            receipt = self._receipts.get((update.tenant_id, update.workspace_id, update.projection_event_id))
            if receipt is not None:
                known[update.projection_event_id] = receipt[1] if receipt[0] == update.submission_id else _ANOTHER
        return known


def _targets(rows: Sequence[Row]) -> dict[str, _Target]:
    jobs: dict[Row, ProjectionRow] = {}
    targets = {}
    for submission_id, attempt, closed_state, *columns in rows:
        row = ProjectionRow(*columns)
        row = jobs.setdefault(row.key, row)
        targets[submission_id] = _Target(_standing(submission_id, attempt, closed_state, row), row)
    return targets


def _standing(submission_id: str, attempt: int, closed_state: str | None, row: ProjectionRow) -> Standing:
    if closed_state is not None and row.submission_id != submission_id:
        return Standing(attempt, ProjectionState(closed_state), current=False)
    return Standing(
        attempt=attempt,
        projection_state=ProjectionState(row.projection_state),
        execution_state=ExecutionState(row.source_execution_state) if row.source_execution_state else None,
        execution_id=row.execution_id,
        slurm_job_id=scheduler_job_id(row.scheduler_ref),
    )


def _receipt(columns: Row) -> Receipt:
    source, execution_id, scheduler_ref, result_ref, failure = columns
    return Receipt(
        source_execution_state=ExecutionState(source) if source else None,
        execution_id=execution_id,
        slurm_job_id=scheduler_job_id(scheduler_ref),
        output_uri=ResultRef.model_validate_json(result_ref).output_uri if result_ref else None,
        failure_code=ProjectionFailure.model_validate_json(failure).code if failure else None,
    )


def _not_found(updates: Sequence[ProjectionUpdate]) -> list[Verdict]:
    return [
        Refused(Code.PROJECTION_TARGET_NOT_FOUND, f"no submission {update.submission_id} in that workspace")
        for update in updates
    ]


def _contradicting(job_id: str, before: Sequence[Verdict], count: int) -> list[Verdict]:
    """Return the verdicts of ``count`` updates of which the first names another job than its submission's."""
    if not count:
        return []
    after_refusal = Refused(
        Code.INVALID_PROJECTION_TRANSITION, "an earlier event of this submission was refused", gap=True
    )
    if before and isinstance(before[-1], Refused):
        return [after_refusal] * count
    first = Refused(Code.INVALID_PROJECTION_UPDATE, f"the submission is of job {job_id}")
    return [first, *[after_refusal] * (count - 1)]


def _apply(session: Session, applications: Sequence[Application]) -> list[list[Verdict]]:
    projector = _Projector(session, list(chain.from_iterable(each.updates for each in applications)))
    verdicts = [projector.verdicts(application) for application in applications]
    projector.ledger.write()
    return verdicts


APPLY_UPDATES: Operation[Application, list[Verdict]] = Operation("apply_projection_updates", _apply)


def _submission_targets(
    session: Session, questions: Sequence[tuple[str, Sequence[str]]]
) -> list[dict[str, SubmissionTarget]]:
    ids = dict.fromkeys((submission_id,) for _, ids in questions for submission_id in ids)
    owned = {
        (node, submission): SubmissionTarget(submission, Scope(tenant, workspace), job, attempt)
        for submission, tenant, workspace, job, attempt, node in session.rows_of(NODE_TARGETS, list(ids))
    }
    return [
        {submission: owned[node, submission] for submission in ids if (node, submission) in owned}
        for node, ids in questions
    ]


SUBMISSION_TARGETS: Operation[tuple[str, Sequence[str]], dict[str, SubmissionTarget]] = Operation(
    "submission_targets", _submission_targets
)
