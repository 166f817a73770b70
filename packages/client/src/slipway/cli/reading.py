"""`slipway jobs`, `show`, `watch`, `cancel`, `outputs` and `nodes`."""

from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.text import Text

from slipway.cli.connection import Connection
from slipway.cli.endings import Exit
from slipway.cli.hints import REFUSALS, of_failure
from slipway.cli.printing import jsonable, print_for_people, print_json, tell
from slipway.cli.values import ID
from slipway.cli.watching import watch as watch_job
from slipway.client import Slipway
from slipway.completing import named_node
from slipway.errors import InputRefusedError
from slipway.rendering import files_table, job_parts, jobs_table, nodes_table, uri_text
from slipway_contracts.errors import Code
from slipway_contracts.node_protocol import NodeState
from slipway_contracts.projection_update import ProjectionState
from slipway_contracts.reads import PAGE_MAX

JOBS_SHOWN = 50

JobId = Annotated[str, ID, Parameter(help="The job's id, as `slipway jobs` shows it")]


def jobs(
    *,
    state: Annotated[
        list[ProjectionState] | None, Parameter(help="Only in this state; repeatable", negative="")
    ] = None,
    node: Annotated[str | None, Parameter(help="Only of this node, by its name or id")] = None,
    limit: Annotated[int, Parameter(help="At most so many", validator=Number(gte=1))] = JOBS_SHOWN,
    all_pages: Annotated[bool, Parameter(name="--all", negative="", help="All of them, page after page")] = False,
    connection: Connection | None = None,
) -> int:
    """List the workspace's jobs, newest first."""
    connection = connection or Connection()
    with connection.open() as client:
        size = PAGE_MAX if all_pages else min(PAGE_MAX, limit + 1)  # one more tells whether there are more
        node_id = None if node is None else _node_id(client, node)
        found = client.jobs(states=state or (), management_node_id=node_id, page_size=size)
        shown = list(found) if all_pages else list(islice(found, limit))
        more = not all_pages and next(found, None) is not None
    if connection.json:
        print_json({"jobs": [jsonable(job) for job in shown], "more": more})
        return Exit.OK
    if shown:
        print_for_people(jobs_table(shown, datetime.now(UTC)))
    else:
        print_for_people(Text("no jobs"))
    if more:
        tell(f"there are more than these {limit}: --limit, or --all")
    return Exit.OK


def _node_id(client: Slipway, wanted: str) -> str:
    """Return the id of a node that is meant by name or id; raises InputRefusedError where there is none."""
    nodes = client.nodes()
    found = named_node(wanted, nodes)
    if found is None:
        there = ", ".join(sorted(node.node_name for node in nodes if node.state is not NodeState.REVOKED))
        reason = f"no node is called {wanted}; there {f'are: {there}' if there else 'is none'}"
        raise InputRefusedError(
            Code.MANAGEMENT_NODE_NOT_FOUND, "--node", reason, REFUSALS[Code.MANAGEMENT_NODE_NOT_FOUND]
        )
    return found.management_node_id


def show(job: JobId, /, *, connection: Connection | None = None) -> int:
    """Show one job: its state, what was asked for, its timeline, its result or why it failed."""
    connection = connection or Connection()
    with connection.open() as client:
        found, timeline = client.job(job), client.timeline(job)
    failure = found.projection.failure
    if connection.json:
        print_json({**jsonable(found), "timeline": [jsonable(entry) for entry in timeline]})
        return Exit.OK
    print_for_people(*job_parts(found, timeline))
    if failure is not None:
        tell(f"hint: {of_failure(failure.code, retryable=failure.retryable)}")
    return Exit.OK


def watch(job: JobId, /, *, connection: Connection | None = None) -> int:
    """Show each state of a job as it comes, until its end; exits 0 when it succeeded and 1 otherwise."""
    connection = connection or Connection()
    with connection.open() as client:
        return watch_job(client, job, None, as_json=connection.json)


def cancel(
    job: JobId,
    /,
    *,
    submission: Annotated[str | None, ID, Parameter(help="Only if this is the job's current submission")] = None,
    connection: Connection | None = None,
) -> int:
    """Ask that a job be stopped; `slipway watch` tells whether it was, or ended first."""
    connection = connection or Connection()
    with connection.open() as client:
        accepted = client.cancel(job, submission_id=submission)
    if connection.json:
        print_json(accepted)
    elif accepted.projection_state is ProjectionState.CANCELLED:
        print_for_people(Text(f"{accepted.job_id} is cancelled"))
    else:
        state = accepted.projection_state.value
        print_for_people(Text(f"{accepted.job_id} is {state}; its node is told to stop it"))
    return Exit.OK


def outputs(
    job: JobId,
    /,
    *,
    to: Annotated[Path | None, Parameter(help="Copy the files into this folder; nothing is overwritten")] = None,
    connection: Connection | None = None,
) -> int:
    """List a job's output files, and copy them where this machine can read them; else tell where they lie."""
    connection = connection or Connection()
    with connection.open() as client:
        found = client.outputs(job, to=to)
    result, folder, files = found.result, found.folder, found.files
    copied = to is not None and folder is not None
    if connection.json:
        content = {
            "job_id": job,
            "output_uri": result.output_uri,
            "metadata_uri": result.metadata_uri,
            "reachable": folder is not None,
            "files": [asdict(file) for file in files],
            "copied_to": str(to) if copied else None,
        }
        print_json(content)
    else:
        print_for_people(Text(uri_text(result.output_uri)), files_table(files))
        if copied:
            print_for_people(Text(f"copied to {to}"))
    if folder is None:
        tell(f"slipway: this machine does not reach {result.output_uri}; fetch it where it lies")
        return Exit.OK if to is None else Exit.REFUSED
    return Exit.OK


def nodes(*, connection: Connection | None = None) -> int:
    """List the tenant's nodes: whether they are there, their queues, how much they run."""
    connection = connection or Connection()
    with connection.open() as client:
        found = client.nodes()
    if connection.json:
        print_json({"nodes": [jsonable(node) for node in found]})
    elif found:
        print_for_people(nodes_table(found, datetime.now(UTC)))
    else:
        print_for_people(Text("no nodes; an admin enrols one with `slipway-node enroll`"))
    return Exit.OK
