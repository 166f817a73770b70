"""Surface 3 in the store: projection updates, folded and written in bulk (docs/contracts/projection-update.md)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from slipway_contracts.errors import Code
from slipway_contracts.execution_event import ExecutionState, ResultRef
from slipway_contracts.lifecycle import AFTER_REFUSAL, Receipt, Refused, Standing, Verdict, fold, receipt_of
from slipway_contracts.node_protocol import NodeState
from slipway_contracts.projection_update import ProjectionFailure, ProjectionState, ProjectionUpdate
from slipway_gateway.stores.sql.ledger import Ledger
from slipway_gateway.stores.sql.nodes import NODES_BY_ID
from slipway_gateway.stores.sql.rows import ProjectionRow, node_record, scheduler_job_id
from slipway_gateway.stores.sql.session import Operation, Session
from slipway_gateway.stores.sql.statements import Keyed, Row

TARGETS = Keyed("targets")
RECEIPTS = Keyed("receipts")
# A row of the same id that tells of another submission, or of no event: equal to no update's receipt.
_ANOTHER = Receipt(None, None, None, None, None)


@dataclass(frozen=True, slots=True)
class Application:
    """One call: a node's updates."""

    management_node_id: str
    updates: Sequence[ProjectionUpdate]
    received_at: datetime
    synthesize_running: bool


@dataclass(slots=True)
class _Target:
    """A submission: whose it is, where it stands, and its job's projection."""

    management_node_id: str
    standing: Standing
    row: ProjectionRow


class _Projector:
    """Folds the calls of a group in order, each against what the ones before it left."""

    def __init__(self, session: Session, applications: Sequence[Application]) -> None:
        updates = [update for application in applications for update in application.updates]
        ids = dict.fromkeys((update.submission_id,) for update in updates)
        self._targets = _targets(session.rows_of(TARGETS, list(ids)))
        receipts = dict.fromkeys((u.tenant_id, u.workspace_id, u.projection_event_id) for u in updates)
        self._receipts: dict[Row, tuple[str, Receipt]] = {
            row[:3]: (row[3], _receipt(row[4:])) for row in session.rows_of(RECEIPTS, list(receipts))
        }
        callers = dict.fromkeys((application.management_node_id,) for application in applications)
        nodes = map(node_record, session.rows_of(NODES_BY_ID, list(callers)))
        self._revoked = {node.management_node_id for node in nodes if node.state is NodeState.REVOKED}
        rows = (target.row for target in self._targets.values())
        self.ledger = Ledger(session, ((row.tenant_id, row.workspace_id) for row in rows))

    def verdicts(self, application: Application) -> list[Verdict]:
        """Judge one call's updates, each submission's in order, and note what is to be written."""
        if application.management_node_id in self._revoked:
            return [Refused(Code.FORBIDDEN, "the node is revoked")] * len(application.updates)
        by_submission: dict[str, list[int]] = {}
        for index, update in enumerate(application.updates):
            by_submission.setdefault(update.submission_id, []).append(index)
        found: dict[int, Verdict] = {}
        for submission_id, indices in by_submission.items():
            updates = [application.updates[index] for index in indices]
            verdicts = self._judged(self._targets.get(submission_id), updates, application)
            found.update(zip(indices, verdicts, strict=True))
        return [found[index] for index in range(len(application.updates))]

    def _judged(
        self, target: _Target | None, updates: Sequence[ProjectionUpdate], application: Application
    ) -> list[Verdict]:
        """Return the verdicts of one submission's updates; from the first that misses its target on, none is tried."""
        sound: list[ProjectionUpdate] = []
        missed: Refused | None = None
        for update in updates:
            missed = _missed(target, update, application.management_node_id)
            if missed is not None:
                break
            sound.append(update)
        verdicts = self._folded(target, sound, application) if target is not None and sound else []
        if missed is not None and not (verdicts and isinstance(verdicts[-1], Refused)):
            verdicts.append(missed)
        return verdicts + [AFTER_REFUSAL] * (len(updates) - len(verdicts))

    def _folded(self, target: _Target, updates: Sequence[ProjectionUpdate], application: Application) -> list[Verdict]:
        folded = fold(target.standing, self._known(updates), updates, synthesize_running=application.synthesize_running)
        target.standing = folded.standing
        for write in folded.writes:
            self._receipts[write.tenant_id, write.workspace_id, write.projection_event_id] = (
                write.submission_id,
                receipt_of(write),
            )
            self.ledger.advanced(target.row, write, application.received_at)
        return list(folded.verdicts)

    def _known(self, updates: Sequence[ProjectionUpdate]) -> dict[str, Receipt]:
        known = {}
        for update in updates:
            receipt = self._receipts.get((update.tenant_id, update.workspace_id, update.projection_event_id))
            if receipt is not None:
                known[update.projection_event_id] = receipt[1] if receipt[0] == update.submission_id else _ANOTHER
        return known


def _missed(target: _Target | None, update: ProjectionUpdate, management_node_id: str) -> Refused | None:
    """Return why the update is not this submission's, if it is not."""
    if target is None or target.management_node_id != management_node_id:
        return Refused(Code.PROJECTION_TARGET_NOT_FOUND, f"this node has no submission {update.submission_id}")
    if (update.tenant_id, update.workspace_id) != (target.row.tenant_id, target.row.workspace_id):
        return Refused(Code.FORBIDDEN, "tenant_id and workspace_id are not the submission's")
    if update.job_id != target.row.job_id:
        return Refused(Code.PROJECTION_TARGET_NOT_FOUND, "the submission is another job's")
    return None


def _targets(rows: Sequence[Row]) -> dict[str, _Target]:
    jobs: dict[Row, ProjectionRow] = {}
    targets = {}
    for submission_id, attempt, closed_state, node_id, *columns in rows:
        row = ProjectionRow(*columns)
        row = jobs.setdefault(row.key, row)
        targets[submission_id] = _Target(node_id, _standing(submission_id, attempt, closed_state, row), row)
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


def _apply(session: Session, applications: Sequence[Application]) -> list[list[Verdict]]:
    projector = _Projector(session, applications)
    verdicts = [projector.verdicts(application) for application in applications]
    projector.ledger.write()
    return verdicts


APPLY_UPDATES: Operation[Application, list[Verdict]] = Operation("apply_projection_updates", _apply)
