"""How jobs and nodes look in a terminal."""

from collections.abc import Iterable
from datetime import datetime

from rich.console import Console
from rich.table import Table

from slipway_contracts.projection_update import ProjectionState
from slipway_contracts.reads import Job, NodeView, Projection, TimelineEntry

COLOURS = {
    ProjectionState.QUEUED: "yellow",
    ProjectionState.RUNNING: "cyan",
    ProjectionState.SUCCEEDED: "green",
    ProjectionState.FAILED: "red",
    ProjectionState.CANCELLED: "magenta",
}
TAIL_LINES = 8


def clock(moment: datetime | None) -> str:
    """Return a time of day in the reader's own zone; a dash for none."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else "–"


def state(projection_state: ProjectionState) -> str:
    """Return a state in its colour."""
    return f"[{COLOURS[projection_state]}]{projection_state}[/]"


def job_table(projections: Iterable[Projection]) -> Table:
    """Return jobs, a row each."""
    table = Table(box=None, pad_edge=False)
    for column in ("job", "state", "attempt", "submitted", "updated", "node"):
        table.add_column(column, overflow="fold")
    for job in projections:
        shown = state(job.projection_state) + (" (stale)" if job.stale else "")
        submitted, updated = clock(job.submitted_at), clock(job.updated_at)
        table.add_row(job.job_id, shown, str(job.attempt), submitted, updated, job.management_node_id)
    return table


def node_table(nodes: Iterable[NodeView]) -> Table:
    """Return nodes, a row each."""
    table = Table(box=None, pad_edge=False)
    for column in ("node", "name", "state", "last seen", "queues", "programs"):
        table.add_column(column, overflow="fold")
    for node in nodes:
        shown = f"{node.state}, overdue" if node.overdue else str(node.state)
        queues = ", ".join(sorted(node.policy.queues)) if node.policy else "–"
        programs = ", ".join(node.policy.programs) if node.policy else "–"
        table.add_row(node.management_node_id, node.node_name, shown, clock(node.last_seen_at), queues, programs)
    return table


def change_line(projection: Projection) -> str:
    """Return one line for a state a job reached."""
    parts = [clock(projection.updated_at), f"{projection.projection_state:<9}"]
    source = projection.source_execution_state
    if source is not None and str(source) != str(projection.projection_state):
        parts.append(f"({source})")
    if projection.scheduler_ref is not None:
        parts.append(f"slurm job {projection.scheduler_ref.slurm_job_id}")
    if projection.display_message:
        parts.append(projection.display_message)
    if projection.cancel_requested_at is not None and projection.projection_state is not ProjectionState.CANCELLED:
        parts.append("cancel requested")
    return "  ".join(parts)


def show_end(console: Console, projection: Projection) -> None:
    """Print how a job ended: its figures and where its results lie, or why it failed."""
    if projection.failure is not None:
        again = "submitting it again may help" if projection.failure.retryable else "submitting it again will not help"
        console.print(f"{projection.failure.code}: {projection.failure.message}", style="red", markup=False)
        console.print(f"({again})", markup=False)
    result = projection.result_ref
    if result is None:
        return
    summary = dict(result.summary or {})
    tail = summary.pop("output_tail", None)
    for name, value in summary.items():
        console.print(f"  {name:<28} {value}", markup=False, soft_wrap=True)
    if isinstance(tail, str) and tail.strip():
        for line in tail.strip().splitlines()[-TAIL_LINES:]:
            console.print(f"  | {line}", markup=False, soft_wrap=True, style="dim")
    console.print(f"  {'outputs':<28} {result.output_uri}", markup=False, soft_wrap=True)
    if result.metadata_uri:
        console.print(f"  {'provenance':<28} {result.metadata_uri}", markup=False, soft_wrap=True)


def show_job(console: Console, job: Job, entries: Iterable[TimelineEntry]) -> None:
    """Print a job: where it stands, what was asked for, what happened."""
    projection, command = job.projection, job.command
    shape = command.resource_shape
    console.print(f"[bold]{projection.job_id}[/]  {state(projection.projection_state)}  attempt {projection.attempt}")
    if projection.stale:
        console.print(f"  stale: the node was last seen {clock(projection.node_last_seen_at)}", style="yellow")
    rows = {
        "submission": projection.submission_id,
        "node": projection.management_node_id,
        "queue": command.execution_profile.queue_name,
        "resources": f"{shape.cpu} vCPU, {shape.memory_mib} MiB, {shape.walltime_seconds} s",
        "AiiDA process": projection.execution_id or "–",
        "slurm job": projection.scheduler_ref.slurm_job_id if projection.scheduler_ref else "–",
        "trace": projection.trace_id,
    }
    for name, value in rows.items():
        console.print(f"  {name:<28} {value}", markup=False, soft_wrap=True)
    show_end(console, projection)
    for entry in entries:
        told = entry.source_execution_state or entry.kind
        console.print(f"  {clock(entry.occurred_at)}  {entry.projection_state:<9}  {told}", markup=False, style="dim")
