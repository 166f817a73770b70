"""How jobs, nodes and results look to a person: rich renderables from the contract's models. Pure.

What others wrote (messages, names, summaries) is shown as text: no markup, no control characters.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import assert_never
from urllib.parse import unquote, urlsplit

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from slipway.artifacts import OutputFile
from slipway_contracts.execution_event import ExecutionState, ResultRef
from slipway_contracts.projection_update import ProjectionFailure, ProjectionState
from slipway_contracts.reads import Job, NodeView, Projection, TimelineEntry
from slipway_contracts.submit_job_command import SubmitJobCommand

UNITS: Mapping[str, str] = {
    "_ev_per_angstrom": "eV/Å",
    "_angstrom3": "Å³",
    "_angstrom": "Å",
    "_ev": "eV",
    "_gpa": "GPa",
    "_seconds": "s",
    "_bohrmag": "μB",
    "_kelvin": "K",
    "_mib": "MiB",
}
"""The end of a quantity's name → its unit; the longer ends come first."""

Fact = tuple[str, str | Text]
OUTPUT_TAIL = "output_tail"
TAIL_LINES = 10  # as many as a node keeps; another writer's may be a whole summary of line ends
SIGNIFICANT_DIGITS = 8
SHOWN_URI_CHARS = 100
MINUTE_SECONDS, HOUR_SECONDS, DAY_SECONDS = 60, 3600, 86_400
KIB = 1024


def shown(text: str) -> str:
    """Return ``text`` with nothing in it that a terminal would obey."""
    return "".join(char if char.isprintable() or char == "\n" else "�" for char in text)


def one_line(text: str) -> str:
    """Return ``text`` on one line."""
    return shown(" ".join(text.split()))


def colour(state: ProjectionState) -> str:
    """Return the colour of ``state``."""
    match state:
        case ProjectionState.QUEUED:
            return "yellow"
        case ProjectionState.RUNNING:
            return "cyan"
        case ProjectionState.SUCCEEDED:
            return "green"
        case ProjectionState.FAILED:
            return "red"
        case ProjectionState.CANCELLED:
            return "magenta"
        case _:
            assert_never(state)


def state_text(state: ProjectionState) -> Text:
    """Return the state's word in its colour."""
    return Text(state.value, style=colour(state))


def local_time(moment: datetime) -> str:
    """Return date and time where the reader is."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def duration(seconds: float) -> str:
    """Return a span of time in its two largest units."""
    whole = int(max(0.0, seconds))
    if whole < MINUTE_SECONDS:
        return f"{whole} s"
    if whole < HOUR_SECONDS:
        return f"{whole // MINUTE_SECONDS} min {whole % MINUTE_SECONDS} s"
    if whole < DAY_SECONDS:
        return f"{whole // HOUR_SECONDS} h {whole % HOUR_SECONDS // MINUTE_SECONDS} min"
    return f"{whole // DAY_SECONDS} d {whole % DAY_SECONDS // HOUR_SECONDS} h"


def entry_detail(entry: TimelineEntry) -> str:
    """Return what a change says beyond its state."""
    said = [] if entry.kind == "event" else [entry.kind.replace("_", " ")]
    if entry.source_execution_state is ExecutionState.ACCEPTED:
        said.append("accepted by the node")  # the one execution state that the projection's does not tell
    if entry.scheduler_ref is not None:
        where = f" in {entry.scheduler_ref.partition}" if entry.scheduler_ref.partition else ""
        said.append(f"scheduler job {entry.scheduler_ref.slurm_job_id}{where}")
    if entry.display_message:
        said.append(entry.display_message)
    if entry.failure is not None:
        said.append(f"{entry.failure.code}: {entry.failure.message}")
    return one_line(", ".join(dict.fromkeys(said)))


def entry_line(entry: TimelineEntry) -> Text:
    """Return one change as a line: time, state, detail."""
    time = entry.occurred_at.astimezone().strftime("%H:%M:%S")
    return Text.assemble(
        (time, "dim"), "  ", (f"{entry.projection_state.value:<9}", colour(entry.projection_state)), "  ",
        entry_detail(entry),
    )  # fmt: skip


def entry_plain(entry: TimelineEntry) -> str:
    """Return one change as a line of a log: time in UTC, state, detail."""
    time = entry.occurred_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{time}  {entry.projection_state.value:<9}  {entry_detail(entry)}".rstrip()


def quantity(name: str, value: object) -> tuple[str, str, str]:
    """Return label, value and unit of one entry of a summary; the unit is the end of its name."""
    end = next((end for end in UNITS if name.endswith(end)), "")
    label = one_line(name.removesuffix(end).replace("_", " "))
    said = f"{value:.{SIGNIFICANT_DIGITS}g}" if isinstance(value, float) else one_line(str(value))
    return label, said, UNITS.get(end, "")


def uri_text(uri: str) -> str:
    """Return a URI as a person wants it: a local file's path, an inline input's size, else itself, cut where long."""
    parts = urlsplit(uri)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return shown(unquote(parts.path))
    if parts.scheme == "data":
        return f"inline, {len(uri)} characters of {one_line(uri[len('data:') :].partition(',')[0])}"
    return shown(uri if len(uri) <= SHOWN_URI_CHARS else f"{uri[:SHOWN_URI_CHARS]}…")


def result_parts(result: ResultRef) -> list[RenderableType]:
    """Return the summary with its units, and where outputs and provenance lie."""
    table = _plain_table("result", "value", "unit")
    for name, value in (result.summary or {}).items():
        if name != OUTPUT_TAIL:
            table.add_row(*(Text(part) for part in quantity(name, value)))
    places = [("outputs", result.output_uri), ("provenance", result.metadata_uri)]
    lines = [Text(f"{name:<12}{uri_text(uri)}") for name, uri in places if uri is not None]
    return [*([table] if table.row_count else []), *lines]


def ended(failure: ProjectionFailure | None, result: ResultRef | None) -> list[RenderableType]:
    """Return why a job failed, if it did; and the end of what it printed and its result, if it has one."""
    parts: list[RenderableType] = []
    if failure is not None:
        retry = "may help" if failure.retryable else "will not help as it is"
        parts.append(Text(f"{failure.code}: {shown(failure.message)}", style="red"))
        parts.append(Text(f"submitting again {retry}"))
    if result is not None:
        parts += [*_tail_parts(result), *result_parts(result)]
    return parts


def _tail_parts(result: ResultRef) -> list[RenderableType]:
    tail = (result.summary or {}).get(OUTPUT_TAIL)
    if not isinstance(tail, str) or not tail.strip():
        return []
    lines = tail.expandtabs().splitlines()[-TAIL_LINES:]
    return [Text(shown("\n".join(lines)), style="dim")]


def jobs_table(jobs: Iterable[Projection], now: datetime) -> Table:
    """Return jobs as they came, newest first."""
    table = _plain_table("job", "state", "node", "submitted", "age", "detail")
    for job in jobs:
        said = f"{job.failure.code}: {job.failure.message}" if job.failure else job.display_message or ""
        stale = "node overdue; " if job.stale else ""
        table.add_row(
            Text(job.job_id),
            state_text(job.projection_state),
            Text(job.management_node_id),
            local_time(job.submitted_at),
            duration((now - job.submitted_at).total_seconds()),
            Text(one_line(stale + said)),
        )
    return table


def job_parts(job: Job, timeline: Sequence[TimelineEntry]) -> list[RenderableType]:
    """Return everything about one job."""
    projection = job.projection
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, value in [*_standing(projection), *_asked_for(job.command), ("trace", projection.trace_id)]:
        facts.add_row(name, value if isinstance(value, Text) else Text(one_line(value)))
    parts: list[RenderableType] = [facts, Text(), Text("timeline", style="bold")]
    parts += [entry_line(entry) for entry in timeline]
    if projection.failure is not None or projection.result_ref is not None:
        parts += [Text(), *ended(projection.failure, projection.result_ref)]
    return parts


def _standing(projection: Projection) -> list[Fact]:
    facts: list[Fact] = [
        ("job", projection.job_id),
        ("state", state_text(projection.projection_state)),
        ("node", projection.management_node_id),
        ("submission", f"{projection.submission_id} (attempt {projection.attempt})"),
        ("submitted", local_time(projection.submitted_at)),
    ]
    if projection.execution_id is not None:
        facts.append(("AiiDA process", projection.execution_id))
    if projection.scheduler_ref is not None:
        facts.append(("scheduler job", projection.scheduler_ref.slurm_job_id))
    if projection.queued_seconds is not None:
        facts.append(("queued for", duration(projection.queued_seconds)))
    if projection.running_seconds is not None:
        facts.append(("ran for" if projection.ended_at else "running for", duration(projection.running_seconds)))
    if projection.stale:
        seen = local_time(projection.node_last_seen_at) if projection.node_last_seen_at else "never"
        facts.append(("stale", Text(f"the node was last seen {seen}", style="yellow")))
    return facts


def _asked_for(command: SubmitJobCommand) -> list[Fact]:
    shape, profile = command.resource_shape, command.execution_profile
    queue = [profile.queue_name]
    queue += [f"qos {profile.qos}"] if profile.qos else []
    queue += [f"account {profile.account}"] if profile.account else []
    return [
        ("queue", ", ".join(queue)),
        ("asked for", f"{shape.cpu} vCPU, {shape.memory_mib} MiB, at most {duration(shape.walltime_seconds)}"),
        ("input", uri_text(command.payload_ref.input_uri)),
        ("requested by", command.requested_by.user_id),
    ]


def nodes_table(nodes: Iterable[NodeView], now: datetime) -> Table:
    """Return the tenant's nodes with what they take."""
    table = _plain_table("node", "id", "state", "last seen", "queues", "jobs", "version")
    for node in nodes:
        seen = f"{duration((now - node.last_seen_at).total_seconds())} ago" if node.last_seen_at else "never"
        jobs = str(node.capacity.jobs_running) if node.capacity else ""
        if node.capacity and node.capacity.jobs_max is not None:
            jobs += f" of {node.capacity.jobs_max}"
        table.add_row(
            Text(node.node_name),
            Text(node.management_node_id),
            Text(f"{node.state.value}, overdue" if node.overdue else node.state.value),
            seen,
            Text(one_line(", ".join(sorted(node.policy.queues)) if node.policy else "")),
            jobs,
            Text(one_line(node.node_version or "")),
        )
    return table


def files_table(files: Iterable[OutputFile]) -> Table:
    """Return files with their sizes."""
    table = _plain_table("file", "size")
    for file in files:
        size = f"{file.size_bytes} B" if file.size_bytes < KIB else f"{file.size_bytes / KIB:.1f} KiB"
        table.add_row(Text(shown(file.name)), size)
    return table


def _plain_table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
