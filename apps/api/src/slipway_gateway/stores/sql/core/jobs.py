"""Statements on submissions, projections, the timeline and workspaces."""

from sqlalchemy import and_, bindparam, delete, or_, select, update

from slipway_contracts.lifecycle import is_terminal
from slipway_contracts.projection_update import ProjectionState
from slipway_gateway.stores.sql.core.definition import Insert, Keyed, constant
from slipway_gateway.stores.sql.core.schema import PROJECTIONS, SUBMISSIONS, TIMELINE, WORKSPACES
from slipway_gateway.stores.sql.rows import SUBMISSION_WIDTH

RECORD = list(SUBMISSIONS.columns)[:SUBMISSION_WIDTH]
_JOB = (PROJECTIONS.c.tenant_id, PROJECTIONS.c.workspace_id, PROJECTIONS.c.job_id)
_THIS_JOB = and_(
    PROJECTIONS.c.tenant_id == bindparam("tenant"),
    PROJECTIONS.c.workspace_id == bindparam("workspace"),
    PROJECTIONS.c.job_id == bindparam("job"),
)
_OF_ITS_JOB = and_(
    PROJECTIONS.c.tenant_id == SUBMISSIONS.c.tenant_id,
    PROJECTIONS.c.workspace_id == SUBMISSIONS.c.workspace_id,
    PROJECTIONS.c.job_id == SUBMISSIONS.c.job_id,
)
STATE_NAMES = tuple(f"state{index}" for index in range(len(ProjectionState)))


def _close_as(state: ProjectionState) -> Keyed:
    return Keyed(
        lambda keys: update(SUBMISSIONS).where(keys).values(closed_state=constant(state.value)),
        SUBMISSIONS.c.submission_id,
    )


QUERIES = {
    "update_workspace": (
        update(WORKSPACES)
        .where(and_(WORKSPACES.c.tenant_id == bindparam("tenant"), WORKSPACES.c.workspace_id == bindparam("workspace")))
        .values(change=bindparam("changes"), open_submissions=bindparam("opened"))
    ),
    "projection_of_job": select(PROJECTIONS).where(_THIS_JOB).with_for_update(),
    "open_projections": (
        select(PROJECTIONS)
        .join_from(SUBMISSIONS, PROJECTIONS, _OF_ITS_JOB)
        .where(and_(SUBMISSIONS.c.management_node_id == bindparam("node"), SUBMISSIONS.c.closed_state.is_(None)))
        .order_by(SUBMISSIONS.c.accepted_at)
    ),
    # Newest first along one index; filters are tested along the way.
    "jobs": (
        select(PROJECTIONS)
        .where(
            PROJECTIONS.c.tenant_id == bindparam("tenant"),
            PROJECTIONS.c.workspace_id == bindparam("workspace"),
            PROJECTIONS.c.submitted_change < bindparam("before"),
            PROJECTIONS.c.projection_state.in_([bindparam(name) for name in STATE_NAMES]),
            or_(bindparam("any_node") == 1, PROJECTIONS.c.management_node_id == bindparam("node")),
            PROJECTIONS.c.submitted_at >= bindparam("since"),
            PROJECTIONS.c.submitted_at < bindparam("until"),
        )
        .order_by(PROJECTIONS.c.submitted_change.desc())
        .limit(bindparam("most"))
    ),
    "job": (
        select(*PROJECTIONS.columns, SUBMISSIONS.c.command)
        .join_from(PROJECTIONS, SUBMISSIONS, SUBMISSIONS.c.submission_id == PROJECTIONS.c.submission_id)
        .where(_THIS_JOB)
    ),
    "timeline_of_job": (
        select(TIMELINE)
        .join_from(SUBMISSIONS, TIMELINE, TIMELINE.c.submission_id == SUBMISSIONS.c.submission_id)
        .where(
            and_(
                SUBMISSIONS.c.tenant_id == bindparam("tenant"),
                SUBMISSIONS.c.workspace_id == bindparam("workspace"),
                SUBMISSIONS.c.job_id == bindparam("job"),
            )
        )
        .order_by(SUBMISSIONS.c.attempt, TIMELINE.c.change)  # an attempt ends before the next begins
    ),
}
QUERIES |= {
    "position": select(WORKSPACES.c.change).where(
        and_(WORKSPACES.c.tenant_id == bindparam("tenant"), WORKSPACES.c.workspace_id == bindparam("workspace"))
    ),
    "changes_of_workspace": (
        select(TIMELINE)
        .where(
            TIMELINE.c.tenant_id == bindparam("tenant"),
            TIMELINE.c.workspace_id == bindparam("workspace"),
            TIMELINE.c.change > bindparam("after"),
        )
        .order_by(TIMELINE.c.change)
        .limit(bindparam("most"))
    ),
    "changes_of_job": (
        select(TIMELINE)
        .join_from(SUBMISSIONS, TIMELINE, TIMELINE.c.submission_id == SUBMISSIONS.c.submission_id)
        .where(
            SUBMISSIONS.c.tenant_id == bindparam("tenant"),
            SUBMISSIONS.c.workspace_id == bindparam("workspace"),
            SUBMISSIONS.c.job_id == bindparam("job"),
            TIMELINE.c.change > bindparam("after"),
        )
        .order_by(SUBMISSIONS.c.attempt, TIMELINE.c.change)  # as above, so the order is that of the changes
        .limit(bindparam("most"))
    ),
}
KEYED = {
    "records_by_key": Keyed(
        lambda keys: select(*RECORD).where(keys),
        SUBMISSIONS.c.tenant_id,
        SUBMISSIONS.c.workspace_id,
        SUBMISSIONS.c.idempotency_key,
    ),
    "standing_by_job": Keyed(
        lambda keys: select(*_JOB, PROJECTIONS.c.attempt, PROJECTIONS.c.projection_state).where(keys), *_JOB
    ),
    # The row is locked where the database locks rows: changes of one workspace are numbered one after another.
    "load_workspaces": Keyed(
        lambda keys: select(WORKSPACES).where(keys).with_for_update(),
        WORKSPACES.c.tenant_id,
        WORKSPACES.c.workspace_id,
    ),
    "delete_projections": Keyed(lambda keys: delete(PROJECTIONS).where(keys), *_JOB),
    "targets": Keyed(
        lambda keys: (
            select(
                SUBMISSIONS.c.submission_id,
                SUBMISSIONS.c.attempt,
                SUBMISSIONS.c.closed_state,
                SUBMISSIONS.c.management_node_id,  # the projection's is its current submission's
                *PROJECTIONS.columns,
            )
            .join_from(SUBMISSIONS, PROJECTIONS, _OF_ITS_JOB)
            .where(keys)
            .with_for_update()
        ),
        SUBMISSIONS.c.submission_id,
    ),
    "receipts": Keyed(
        lambda keys: select(
            TIMELINE.c.tenant_id,
            TIMELINE.c.workspace_id,
            TIMELINE.c.projection_event_id,
            TIMELINE.c.submission_id,
            TIMELINE.c.source_execution_state,
            TIMELINE.c.execution_id,
            TIMELINE.c.scheduler_ref,
            TIMELINE.c.result_ref,
            TIMELINE.c.failure,
        ).where(and_(TIMELINE.c.kind == constant("event"), keys)),
        TIMELINE.c.tenant_id,
        TIMELINE.c.workspace_id,
        TIMELINE.c.projection_event_id,
    ),
    **{f"close_as_{state.value}": _close_as(state) for state in ProjectionState if is_terminal(state)},
}
INSERTS = {
    "insert_submissions": Insert(SUBMISSIONS),
    "insert_projections": Insert(PROJECTIONS),
    "insert_timeline": Insert(TIMELINE),
    "insert_workspaces": Insert(WORKSPACES),
}
