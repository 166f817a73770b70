"""The ledger: the changes of jobs in one transaction, numbered and written in bulk.

Every change of a job is a timeline row, a projection, and one step of its workspace's change counter, together.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from slipway_contracts.lifecycle import is_terminal, projection_event_id_for
from slipway_contracts.projection_update import ProjectionState, ProjectionUpdate
from slipway_gateway.stores.sql.rows import ProjectionRow, document
from slipway_gateway.stores.sql.session import Session
from slipway_gateway.stores.sql.statements import Insert, Keyed, Query, Row
from slipway_gateway.stores.times import micros

LOAD_WORKSPACES = Keyed("load_workspaces")
INSERT_WORKSPACES = Insert("insert_workspaces")
UPDATE_WORKSPACE = Query("update_workspace")
DELETE_PROJECTIONS = Keyed("delete_projections")
INSERT_PROJECTIONS = Insert("insert_projections")
INSERT_TIMELINE = Insert("insert_timeline")
INSERT_AUDIT = Insert("insert_audit")
CLOSE_SUBMISSIONS = {state: Keyed(f"close_as_{state.value}") for state in ProjectionState if is_terminal(state)}
CLOSE_COMMANDS = Keyed("close_commands")


class Kind(StrEnum):
    """What a timeline row tells of."""

    SUBMITTED = "submitted"
    EVENT = "event"
    CANCEL_REQUESTED = "cancel_requested"
    CANCELLED = "cancelled"
    REVOKED = "revoked"


@dataclass(slots=True)
class _Workspace:
    """A workspace's counters, as they will stand after the transaction."""

    change: int
    open_submissions: int
    exists: bool


class Ledger:
    """Collects the changes of one transaction and writes them with one statement a table."""

    def __init__(self, session: Session, scopes: Iterable[tuple[str, str]]) -> None:
        self._session = session
        wanted = dict.fromkeys(scopes)
        self._workspaces = {
            (tenant, workspace): _Workspace(change, opened, exists=True)
            for tenant, workspace, change, opened in session.rows_of(LOAD_WORKSPACES, list(wanted))
        }
        for scope in wanted:
            self._workspaces.setdefault(scope, _Workspace(0, 0, exists=False))
        self._fresh: dict[Row, ProjectionRow] = {}
        self._changed: dict[Row, ProjectionRow] = {}
        self._timeline: list[Row] = []
        self._closed: dict[ProjectionState, list[Row]] = {}

    def open_submissions(self, tenant_id: str, workspace_id: str) -> int:
        """Return how many submissions of the workspace are open."""
        return self._workspaces[tenant_id, workspace_id].open_submissions

    def submitted(self, row: ProjectionRow, *, replaces: bool) -> None:
        """Open a submission with its first projection; ``replaces`` when the job had one before."""
        self._workspaces[row.tenant_id, row.workspace_id].open_submissions += 1
        if not replaces:
            self._fresh[row.key] = row
        self.told(row, Kind.SUBMITTED, row.submitted_at, row.submitted_at, row.trace_id)
        row.submitted_change = row.change

    def told(self, row: ProjectionRow, kind: Kind, occurred_at: int, recorded_at: int, trace_id: str) -> None:
        """Note a change that no event brought, as ``row`` now stands, under the workspace's next number."""
        event_id = projection_event_id_for(f"{kind.value}/{row.submission_id}")
        change = self._number(row, recorded_at)
        self._timeline.append(
            (
                row.tenant_id,
                row.workspace_id,
                change,
                kind.value,
                event_id,
                row.job_id,
                row.submission_id,
                row.attempt,
                row.projection_state,
                *(None, None, None, None),
                row.failure,
                row.display_message,
                0,
                occurred_at,
                recorded_at,
                trace_id,
            )
        )

    def advanced(self, row: ProjectionRow, update: ProjectionUpdate, received_at: datetime) -> None:
        """Move ``row`` as ``update`` says and note it; a terminal state closes the submission."""
        recorded_at, occurred_at = micros(received_at), micros(update.occurred_at)
        scheduler_ref, result_ref, failure = map(document, (update.scheduler_ref, update.result_ref, update.failure))
        row.projection_state = update.projection_state.value
        row.source_execution_state = update.source_execution_state.value
        row.execution_id = update.execution_id or row.execution_id
        row.scheduler_ref = scheduler_ref or row.scheduler_ref
        row.result_ref, row.failure, row.display_message = result_ref, failure, update.display_message
        if update.projection_state is ProjectionState.RUNNING:
            row.started_at = occurred_at
        change = self._number(row, recorded_at)
        self._timeline.append(
            (
                row.tenant_id,
                row.workspace_id,
                change,
                Kind.EVENT.value,
                update.projection_event_id,
                row.job_id,
                row.submission_id,
                row.attempt,
                row.projection_state,
                row.source_execution_state,
                update.execution_id,
                scheduler_ref,
                result_ref,
                failure,
                update.display_message,
                int(update.synthesized),
                occurred_at,
                recorded_at,
                update.trace_id,
            )
        )
        if is_terminal(update.projection_state):
            self.closed(row, occurred_at)

    def closed(self, row: ProjectionRow, ended_at: int) -> None:
        """Close the submission of ``row``, which stands in a terminal state."""
        row.ended_at = ended_at
        self._workspaces[row.tenant_id, row.workspace_id].open_submissions -= 1
        self._closed.setdefault(ProjectionState(row.projection_state), []).append((row.submission_id,))

    def write(self) -> None:
        """Write all that was collected."""
        session = self._session
        session.run_on(DELETE_PROJECTIONS, list(self._changed))
        session.insert(INSERT_PROJECTIONS, [row.as_row() for row in (self._fresh | self._changed).values()])
        session.insert(INSERT_TIMELINE, self._timeline)
        for state, ids in self._closed.items():
            session.run_on(CLOSE_SUBMISSIONS[state], ids)
            session.run_on(CLOSE_COMMANDS, ids)
        if not self._timeline:
            return
        for (tenant, workspace), counts in self._workspaces.items():
            session.arrivals.add((tenant, workspace))
            if counts.exists:
                session.run(
                    UPDATE_WORKSPACE,
                    tenant=tenant,
                    workspace=workspace,
                    changes=counts.change,
                    opened=counts.open_submissions,
                )
            elif counts.change:
                session.insert(INSERT_WORKSPACES, [(tenant, workspace, counts.change, counts.open_submissions)])

    def _number(self, row: ProjectionRow, recorded_at: int) -> int:
        workspace = self._workspaces[row.tenant_id, row.workspace_id]
        workspace.change += 1
        row.change = workspace.change
        row.updated_at = recorded_at
        if row.key not in self._fresh:
            self._changed[row.key] = row
        return workspace.change


@dataclass(frozen=True, slots=True)
class Deed:
    """Who did what to what, for the audit."""

    at: datetime
    tenant_id: str
    actor: str
    action: str
    subject: str


def audit(session: Session, deed: Deed) -> None:
    """Note a deed in the audit."""
    session.insert(INSERT_AUDIT, [(micros(deed.at), deed.tenant_id, deed.actor, deed.action, deed.subject)])
