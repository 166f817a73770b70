"""The reads of the store (docs/contracts/reads.md)."""

from dataclasses import dataclass

from slipway_contracts.projection_update import ProjectionState
from slipway_contracts.reads import TimelineEntry
from slipway_contracts.submit_job_command import SubmitJobCommand
from slipway_gateway.ports import Changes, CursorError, JobFilter, JobRow, JobRows, NodeRecord, Scope, Standing
from slipway_gateway.stores.sql.rows import node_record, projection, timeline_entry
from slipway_gateway.stores.sql.session import Session, each
from slipway_gateway.stores.sql.statements import Query
from slipway_gateway.stores.times import micros

_ALL = 2**62
_STATES = tuple(f"state{index}" for index in range(len(ProjectionState)))

JOBS = Query("jobs")
JOB = Query("job")
TIMELINE_OF_JOB = Query("timeline_of_job")
POSITION = Query("position")
CHANGES_OF_WORKSPACE = Query("changes_of_workspace")
CHANGES_OF_JOB = Query("changes_of_job")
NODES_OF_TENANT = Query("nodes_of_tenant")


def position(cursor: str | None) -> int:
    """Return the position a page starts after; raises CursorError for one of no list."""
    if cursor is None:
        return _ALL
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < len(str(_ALL))):
        raise CursorError("not a cursor of this list")
    return int(cursor)


@dataclass(frozen=True, slots=True)
class JobsOf:
    """Which page of whose jobs."""

    scope: Scope
    filters: JobFilter
    before: int


def _jobs(session: Session, of: JobsOf) -> JobRows:
    filters = of.filters
    states = sorted(filters.states or ProjectionState)
    states += [states[-1]] * (len(_STATES) - len(states))
    rows = session.rows(
        JOBS,
        tenant=of.scope.tenant_id,
        workspace=of.scope.workspace_id,
        before=of.before,
        any_node=int(filters.management_node_id is None),
        node=filters.management_node_id,
        since=-_ALL if filters.submitted_after is None else micros(filters.submitted_after),
        until=_ALL if filters.submitted_before is None else micros(filters.submitted_before),
        most=filters.limit + 1,
        **dict(zip(_STATES, (state.value for state in states), strict=True)),
    )
    page = rows[: filters.limit]
    more = len(rows) > filters.limit
    return JobRows(tuple(map(projection, page)), str(page[-1][-1]) if more else None)


LIST_JOBS = each("list_jobs", _jobs)


@dataclass(frozen=True, slots=True)
class JobOf:
    """Whose job."""

    scope: Scope
    job_id: str

    def parameters(self) -> dict[str, str]:
        """Return the job as statement parameters."""
        return {"tenant": self.scope.tenant_id, "workspace": self.scope.workspace_id, "job": self.job_id}


def _job(session: Session, of: JobOf) -> JobRow | None:
    rows = session.rows(JOB, **of.parameters())
    if not rows:
        return None
    *columns, command = rows[0]
    return JobRow(projection(tuple(columns)), SubmitJobCommand.model_validate_json(command))


GET_JOB = each("get_job", _job)


def _timeline(session: Session, of: JobOf) -> list[TimelineEntry] | None:
    # Every job has a timeline: its first row commits with it.
    return [timeline_entry(row) for row in session.rows(TIMELINE_OF_JOB, **of.parameters())] or None


READ_TIMELINE = each("timeline", _timeline)


def _position(session: Session, scope: Scope) -> int:
    """Return the workspace's counter; 0 for one in which nothing ever happened."""
    rows = session.rows(POSITION, tenant=scope.tenant_id, workspace=scope.workspace_id)
    return int(rows[0][0]) if rows else 0


@dataclass(frozen=True, slots=True)
class ChangesOf:
    """Which changes of whose."""

    scope: Scope
    job_id: str | None
    after: int
    limit: int


def _changes(session: Session, of: ChangesOf) -> Changes | None:
    where = {"tenant": of.scope.tenant_id, "workspace": of.scope.workspace_id, "after": of.after, "most": of.limit}
    if of.job_id is None:
        rows = session.rows(CHANGES_OF_WORKSPACE, **where)
    else:
        rows = session.rows(CHANGES_OF_JOB, **where, job=of.job_id)
        if not rows and not session.rows(JOB, **JobOf(of.scope, of.job_id).parameters()):
            return None
    return Changes(_position(session, of.scope), tuple(map(timeline_entry, rows)))


READ_CHANGES = each("changes", _changes)


@dataclass(frozen=True, slots=True)
class StandingOf:
    """How many jobs of whose, or which one."""

    scope: Scope
    job_id: str | None
    limit: int


def _standing(session: Session, of: StandingOf) -> Standing | None:
    position = _position(session, of.scope)
    if of.job_id is None:
        return Standing(position, _jobs(session, JobsOf(of.scope, JobFilter(limit=of.limit), _ALL)))
    job = _job(session, JobOf(of.scope, of.job_id))
    return None if job is None else Standing(position, JobRows((job.projection,), None))


READ_STANDING = each("standing", _standing)


def _nodes(session: Session, tenant_id: str) -> list[NodeRecord]:
    return [node_record(row) for row in session.rows(NODES_OF_TENANT, tenant=tenant_id)]


LIST_NODES = each("list_nodes", _nodes)


def _is_current(session: Session, _nothing: None) -> bool:
    return session.schema_is_current()


SCHEMA_IS_CURRENT = each("schema_is_current", _is_current)
