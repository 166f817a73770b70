"""What products read (docs/contracts/reads.md): the store's rows, with what is worked out at each read."""

from collections.abc import Iterable
from datetime import datetime

from slipway_contracts.enrichment import plain_words, queued_seconds, running_seconds
from slipway_contracts.errors import Code
from slipway_contracts.lifecycle import is_terminal
from slipway_contracts.problem import FieldError
from slipway_contracts.reads import Job, JobPage, NodeList, NodeView, Projection, Timeline
from slipway_gateway.ports import CursorError, JobFilter, NodeRecord, ProductStore, Scope
from slipway_gateway.problems import ContractError
from slipway_gateway.usecases.submit import is_overdue


async def list_jobs(
    store: ProductStore, scope: Scope, filters: JobFilter, *, now: datetime, overdue_seconds: float
) -> JobPage:
    """Return a page of the workspace's jobs; raises invalid_request for a cursor that is none."""
    try:
        rows = await store.list_jobs(scope, filters)
    except CursorError as error:
        message = FieldError(field="cursor", message=str(error))
        raise ContractError(Code.INVALID_REQUEST, "the query does not hold", [message]) from None
    nodes = await store.list_nodes(scope.tenant_id) if rows.projections else []
    jobs = enriched(rows.projections, nodes, now, overdue_seconds)
    return JobPage(jobs=jobs, next_cursor=rows.next_cursor)


async def read_job(store: ProductStore, scope: Scope, job_id: str, *, now: datetime, overdue_seconds: float) -> Job:
    """Return a job; raises job_not_found."""
    row = await store.get_job(scope, job_id)
    if row is None:
        raise no_job(job_id)
    node = await store.find_node(row.projection.management_node_id, fresh=True)  # when it was last heard is asked
    (projection,) = enriched([row.projection], [node] if node else [], now, overdue_seconds)
    return Job(projection=projection, command=row.command)


async def read_timeline(store: ProductStore, scope: Scope, job_id: str) -> Timeline:
    """Return a job's changes; raises job_not_found."""
    entries = await store.timeline(scope, job_id)
    if entries is None:
        raise no_job(job_id)
    return Timeline(job_id=job_id, entries=entries)


async def list_nodes(store: ProductStore, tenant_id: str, *, now: datetime, overdue_seconds: float) -> NodeList:
    """Return the tenant's nodes."""
    return NodeList(nodes=[_view(node, now, overdue_seconds) for node in await store.list_nodes(tenant_id)])


def enriched(
    projections: Iterable[Projection], nodes: Iterable[NodeRecord], now: datetime, overdue_seconds: float
) -> list[Projection]:
    """Return projections with words, seconds and freshness; a node that is gone counts as silent."""
    by_id = {node.management_node_id: node for node in nodes}
    return [_enriched(each, by_id.get(each.management_node_id), now, overdue_seconds) for each in projections]


def _enriched(of: Projection, node: NodeRecord | None, now: datetime, overdue_seconds: float) -> Projection:
    silent = node is None or is_overdue(node, now, overdue_seconds)
    words = plain_words(
        of.projection_state,
        of.source_execution_state,
        of.failure.code if of.failure else None,
        cancel_requested=of.cancel_requested_at is not None,
    )
    return of.model_copy(
        update={
            "display_message": of.display_message or words,
            "queued_seconds": queued_seconds(of.submitted_at, of.started_at, of.ended_at, now),
            "running_seconds": running_seconds(of.started_at, of.ended_at, now),
            "node_last_seen_at": node.last_seen_at if node else None,
            "stale": silent and not is_terminal(of.projection_state),
        }
    )


def _view(node: NodeRecord, now: datetime, overdue_seconds: float) -> NodeView:
    return NodeView(
        management_node_id=node.management_node_id,
        node_name=node.node_name,
        state=node.state,
        overdue=is_overdue(node, now, overdue_seconds),
        last_seen_at=node.last_seen_at,
        enrolled_at=node.enrolled_at,
        node_version=node.node_version,
        policy=node.policy,
        capacity=node.capacity,
        health=node.health,
    )


def no_job(job_id: str) -> ContractError:
    """Return the refusal of a job that the workspace does not have."""
    return ContractError(Code.JOB_NOT_FOUND, f"this workspace has no job {job_id}")
