"""Ends that no event brings: a product's cancel and a node's revocation (docs/contracts/cancel-job-command.md)."""

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from slipway_contracts.errors import Code
from slipway_contracts.lifecycle import Refused
from slipway_contracts.node_protocol import CommandKind
from slipway_contracts.projection_update import ProjectionFailure, ProjectionState
from slipway_gateway.ports import CancelRecorded, CancelRequest
from slipway_gateway.stores.sql.ledger import Deed, Kind, Ledger, audit
from slipway_gateway.stores.sql.rows import ProjectionRow, document
from slipway_gateway.stores.sql.session import Session, each
from slipway_gateway.stores.sql.statements import Query
from slipway_gateway.stores.sql.submitting import INSERT_COMMANDS
from slipway_gateway.stores.times import micros, moment

PROJECTION_OF_JOB = Query("projection_of_job")
WAS_ACKED = Query("was_acked")
REVOKE_NODE = Query("revoke_node")
NODE_TENANT = Query("node_tenant")
OPEN_PROJECTIONS = Query("open_projections")
REVOKED_FAILURE = ProjectionFailure(
    code="node_revoked", message="The node was revoked; what became of the execution is unknown", retryable=False
)


def _cancel(session: Session, request: CancelRequest) -> CancelRecorded | Refused:
    scope = request.scope
    found = session.rows(PROJECTION_OF_JOB, tenant=scope.tenant_id, workspace=scope.workspace_id, job=request.job_id)
    if not found:
        return Refused(Code.JOB_NOT_FOUND, f"the workspace has no job {request.job_id}")
    row = ProjectionRow(*found[0])
    if request.submission_id is not None and request.submission_id != row.submission_id:
        return Refused(Code.SUBMISSION_SUPERSEDED, f"the job's current submission is {row.submission_id}")
    state = ProjectionState(row.projection_state)
    match state:
        case ProjectionState.QUEUED | ProjectionState.RUNNING:
            if row.cancel_requested_at is None:
                _record_cancel(session, request, row)
        case ProjectionState.CANCELLED:
            pass
        case ProjectionState.SUCCEEDED | ProjectionState.FAILED:
            return Refused(Code.JOB_TERMINAL, f"the job is {state}")
        case _:
            assert_never(state)
    requested_at = row.cancel_requested_at if row.cancel_requested_at is not None else row.updated_at
    return CancelRecorded(row.submission_id, ProjectionState(row.projection_state), moment(requested_at))


def _record_cancel(session: Session, request: CancelRequest, row: ProjectionRow) -> None:
    """Cancel ``row`` at once when no journal has held its command, else send the node a cancel command."""
    at = micros(request.requested_at)
    ledger = Ledger(session, [(row.tenant_id, row.workspace_id)])
    row.cancel_requested_at = at
    taken = row.source_execution_state is not None or session.rows(WAS_ACKED, submission=row.submission_id)
    if taken:
        command = (request.command_id, row.management_node_id, row.submission_id, CommandKind.CANCEL.value)
        session.insert(INSERT_COMMANDS, [(*command, "pending", None, None, None)])
        session.arrivals.add(row.management_node_id)
        ledger.told(row, Kind.CANCEL_REQUESTED, at, at, request.trace_id)
    else:
        row.projection_state = ProjectionState.CANCELLED.value
        ledger.told(row, Kind.CANCELLED, at, at, request.trace_id)
        ledger.closed(row, at)
    ledger.write()
    audit(session, Deed(request.requested_at, row.tenant_id, request.requested_by, "cancel_job", row.submission_id))


CANCEL_JOB = each("cancel_job", _cancel)


@dataclass(frozen=True, slots=True)
class Revocation:
    """Who revokes which node, and when."""

    management_node_id: str
    by: str
    now: datetime
    trace_id: str


def _revoke(session: Session, revocation: Revocation) -> int:
    node_id = revocation.management_node_id
    tenants = session.rows(NODE_TENANT, node=node_id)
    if not tenants:
        raise LookupError(f"no node {node_id}")
    if not session.run(REVOKE_NODE, node=node_id):
        return 0
    rows = [ProjectionRow(*columns) for columns in session.rows(OPEN_PROJECTIONS, node=node_id)]
    ledger = Ledger(session, ((row.tenant_id, row.workspace_id) for row in rows))
    at = micros(revocation.now)
    for row in rows:
        row.projection_state = ProjectionState.FAILED.value
        row.failure = document(REVOKED_FAILURE)
        row.display_message = None
        ledger.told(row, Kind.REVOKED, at, at, revocation.trace_id)
        ledger.closed(row, at)
    ledger.write()
    session.arrivals.add(node_id)
    audit(session, Deed(revocation.now, tenants[0][0], revocation.by, "revoke_node", node_id))
    return len(rows)


REVOKE = each("revoke_node", _revoke)
