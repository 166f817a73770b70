"""`slipway`: submit, follow, cancel and fetch jobs.

Exit codes: 0 well, 1 refused (or the watched job did not succeed), 2 usage, 3 unreachable.
"""

import json
import secrets
import shutil
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, NoReturn
from urllib.parse import urlsplit
from urllib.request import url2pathname

import yaml
from cyclopts import App, CycloptsError, Parameter
from pydantic import BaseModel, ValidationError
from rich.console import Console

from slipway import credentials, rendering
from slipway.client import Slipway
from slipway.errors import CredentialError, PackingError, RefusedError, SlipwayError, UnreachableError
from slipway.packing import Packed, is_document, pack
from slipway_contracts.node_protocol import NodeState
from slipway_contracts.projection_update import ProjectionState
from slipway_contracts.reads import NodeView, Projection
from slipway_contracts.submit_job_command import SubmitJobCommand

REFUSED, USAGE, UNREACHABLE, INTERRUPTED = 1, 2, 3, 130
HINTS = {
    "unauthorized": "get a new token and run `slipway login`",
    "policy_rejected": "`slipway nodes` shows what the node allows",
    "execution_unavailable": "`slipway nodes` shows which node is there",
    "management_node_not_found": "`slipway nodes` lists the tenant's nodes",
    "job_not_found": "`slipway jobs` lists the workspace's jobs",
    "job_active": "wait for it, or cancel it first",
    "idempotency_conflict": "use another --idempotency-key",
}

app = App(name="slipway", help="Submit, follow, cancel and fetch jobs.", version=version("slipway"))
console = Console(highlight=False)

Url = Annotated[str | None, Parameter(help="Gateway's URL; else SLIPWAY_URL, else what `login` kept")]
Token = Annotated[str | None, Parameter(help="User token; else SLIPWAY_TOKEN, else what `login` kept")]
Workspace = Annotated[str | None, Parameter(help="One of the token's workspaces, where it lists several")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON, for machines")]


@app.command
def login(*, url: str, token: str | None = None, json_: Json = False) -> None:
    """Keep a gateway's URL and a token for this account; the token is read from stdin where it is left out.

    Example: slipway-gateway dev-token --tenant lab --workspace physics --user ada | slipway login --url http://127.0.0.1:8700
    """
    found = credentials.Credentials(url.rstrip("/"), (token or sys.stdin.readline()).strip())
    identity = found.identity()
    with Slipway(found.url, found.token) as client:
        client.nodes()  # an answer proves the URL and the token
    kept = credentials.keep(found)
    if json_:
        _print_json({"user_id": identity.user_id, "tenant_id": identity.tenant_id, "file": str(kept)})
    else:
        console.print(f"logged in to {found.url} as {identity.user_id} of {identity.tenant_id}", markup=False)


@app.command
def submit(  # noqa: PLR0913 - a command's fields
    file: Path | None = None,
    *,
    watch: Annotated[bool, Parameter(negative="")] = False,
    input_uri: str | None = None,
    node: str | None = None,
    queue: str | None = None,
    cpu: int = 1,
    memory_mib: int = 1024,
    walltime_seconds: int = 3600,
    qos: str | None = None,
    account: str | None = None,
    job_id: str | None = None,
    idempotency_key: str | None = None,
    artifact_bucket: str | None = None,
    json_: Json = False,
    url: Url = None,
    token: Token = None,
    workspace: Workspace = None,
) -> None:
    """Submit a job document (or its folder), a bundle, a pw.x input, or a whole SubmitJobCommand.

    A document and the files beside it travel with the command when they are small (32 KiB packed).

    Examples:
      slipway submit samples/copper-eos --watch
      slipway submit --input-uri https://lab.example/jobs/eos.tar.gz --queue main --cpu 4

    Parameters
    ----------
    watch
        Follow the job to its end; the exit code is 1 when it does not succeed.
    input_uri
        Submit by reference: the node fetches it.
    node
        A node's id or name; default: the tenant's only one.
    queue
        A queue of the node's policy; default: its only one, or `default`.
    cpu
        vCPU.
    memory_mib
        MiB.
    walltime_seconds
        Seconds.
    idempotency_key
        Submitting again under the same key is the same submission; drawn when left out.
    """
    with Slipway(url, token, workspace=workspace) as client:
        whole = _whole_command(file, client) if file is not None else None
        if whole is None:
            packed = _input(file, input_uri)
            chosen = _chosen_node(client.nodes(), node)
            whole = client.command(
                packed.input_uri,
                node=chosen.management_node_id,
                queue=queue or _default_queue(chosen),
                cpu=cpu,
                memory_mib=memory_mib,
                walltime_seconds=walltime_seconds,
                qos=qos,
                account=account,
                job_id=job_id or f"{packed.name}-{secrets.token_hex(3)}",
                idempotency_key=idempotency_key,
                artifact_bucket=artifact_bucket,
            )
        accepted, replayed = client.submit_with_replay(whole)
        if not json_:
            word = "accepted before" if replayed else "accepted"
            console.print(f"{accepted.job_id}  {word}  (idempotency key {whole.idempotency_key})", markup=False)
        elif not watch:
            _print_json(
                {
                    **accepted.model_dump(mode="json"),
                    "idempotency_key": whole.idempotency_key,
                    "idempotent_replayed": replayed,
                }
            )
        if watch:
            _follow(client, accepted.job_id, json_=json_)


@app.command
def jobs(
    *,
    state: list[ProjectionState] | None = None,
    node: str | None = None,
    limit: int = 20,
    all_: Annotated[bool, Parameter(name="--all", negative="")] = False,
    json_: Json = False,
    url: Url = None,
    token: Token = None,
    workspace: Workspace = None,
) -> None:
    """List the workspace's jobs, newest first.

    Parameters
    ----------
    state
        Only jobs in this state; repeatable.
    node
        Only jobs of this node.
    limit
        At most this many.
    all_
        Every job, however many.
    """
    with Slipway(url, token, workspace=workspace) as client:
        found = client.jobs(states=state or (), node=node, page_size=min(limit, 200) if not all_ else 200)
        listed = [job for _, job in zip(range(10**9 if all_ else limit), found, strict=False)]
    if json_:
        _print_json({"jobs": [job.model_dump(mode="json") for job in listed]})
    elif listed:
        console.print(rendering.job_table(listed))
    else:
        console.print("no jobs")


@app.command
def show(
    job_id: str, *, json_: Json = False, url: Url = None, token: Token = None, workspace: Workspace = None
) -> None:
    """Show a job: where it stands, what was asked for, what happened."""
    with Slipway(url, token, workspace=workspace) as client:
        job, timeline = client.job(job_id), client.timeline(job_id)
    if json_:
        _print_json({**job.model_dump(mode="json"), "timeline": timeline.model_dump(mode="json")["entries"]})
    else:
        rendering.show_job(console, job, timeline.entries)


@app.command
def watch(
    job_id: str, *, json_: Json = False, url: Url = None, token: Token = None, workspace: Workspace = None
) -> None:
    """Follow a job to its end; exit code 1 when it does not succeed. With --json, a line a change."""
    with Slipway(url, token, workspace=workspace) as client:
        _follow(client, job_id, json_=json_)


@app.command
def cancel(
    job_id: str,
    *,
    submission_id: str | None = None,
    json_: Json = False,
    url: Url = None,
    token: Token = None,
    workspace: Workspace = None,
) -> None:
    """Cancel a job.

    Parameters
    ----------
    submission_id
        Only if this is still the job's submission.
    """
    with Slipway(url, token, workspace=workspace) as client:
        accepted = client.cancel(job_id, submission_id=submission_id)
    if json_:
        _print_json(accepted)
    else:
        done = accepted.projection_state is ProjectionState.CANCELLED
        console.print(f"{job_id}  {'cancelled' if done else 'cancel recorded; the node will end it'}", markup=False)


@app.command
def outputs(
    job_id: str,
    *,
    to: Path | None = None,
    json_: Json = False,
    url: Url = None,
    token: Token = None,
    workspace: Workspace = None,
) -> None:
    """Tell where a job's results lie, and what they are where this machine can see them.

    Parameters
    ----------
    to
        Copy them into this folder.
    """
    with Slipway(url, token, workspace=workspace) as client:
        projection = client.projection(job_id)
    result = projection.result_ref
    if result is None:
        _fail(REFUSED, f"{job_id} is {projection.projection_state} and has no results", "`slipway watch` follows it")
    folder = _local_folder(result.output_uri)
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) if folder else []
    if to is not None:
        if folder is None:
            _fail(
                REFUSED, f"{result.output_uri} cannot be read from this machine", "fetch it with its store's own tools"
            )
        shutil.copytree(folder, to, dirs_exist_ok=True)
    if json_:
        _print_json({**result.model_dump(mode="json"), "files": files, "copied_to": str(to) if to else None})
        return
    console.print(f"outputs     {result.output_uri}", markup=False, soft_wrap=True)
    console.print(f"provenance  {result.metadata_uri or '–'}", markup=False, soft_wrap=True)
    for name in files:
        console.print(f"  {name}", markup=False)
    if to is not None:
        console.print(f"copied to {to}", markup=False)


@app.command
def nodes(*, json_: Json = False, url: Url = None, token: Token = None) -> None:
    """List the tenant's nodes and what they allow."""
    with Slipway(url, token) as client:
        found = client.nodes()
    if json_:
        _print_json({"nodes": [node.model_dump(mode="json") for node in found]})
    elif found:
        console.print(rendering.node_table(found))
    else:
        console.print("no nodes: an admin makes a join token and runs `slipway-node enroll` on the node")


def _follow(client: Slipway, job_id: str, *, json_: bool) -> None:
    """Show each state as it comes; exit with 1 unless the job succeeds."""
    last: Projection | None = None
    for last in client.watch(job_id):
        if json_:
            print(last.model_dump_json(), flush=True)  # noqa: T201 - the machine's output
        else:
            console.print(rendering.change_line(last), markup=False, soft_wrap=True)
    if last is None:
        return
    if not json_:
        rendering.show_end(console, last)
    if last.projection_state is not ProjectionState.SUCCEEDED:
        sys.exit(REFUSED)


def _whole_command(file: Path, client: Slipway) -> SubmitJobCommand | None:
    """Return the SubmitJobCommand in ``file``, what it leaves out filled in; None when it is something else."""
    if not file.is_file() or file.suffix not in {".json", ".yaml", ".yml"}:
        return None
    try:
        content = yaml.safe_load(file.read_text())
    except (yaml.YAMLError, UnicodeDecodeError):
        return None  # packing says where it is malformed
    if not isinstance(content, dict) or is_document(content) or "payload_ref" not in content:
        return None
    content = {
        "tenant_id": client.identity.tenant_id,
        "workspace_id": client.workspace_id,
        "job_id": f"{file.stem}-{secrets.token_hex(3)}",
        "idempotency_key": secrets.token_hex(16),
        "requested_by": {"user_id": client.identity.user_id},
        **content,
    }
    try:
        return SubmitJobCommand.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        _fail(USAGE, f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}")


def _input(file: Path | None, input_uri: str | None) -> Packed:
    if (file is None) == (input_uri is None):
        _fail(USAGE, "submit takes either a FILE or --input-uri", "`slipway submit --help` has examples")
    if input_uri is not None:
        return Packed(input_uri, "job")
    return pack(Path(str(file)))


def _chosen_node(found: Sequence[NodeView], wanted: str | None) -> NodeView:
    named = [node for node in found if wanted in (node.management_node_id, node.node_name)]
    present = [node for node in found if not node.overdue and node.state is NodeState.ACTIVE]
    chosen = present if wanted is None else named
    if len(chosen) != 1:
        names = ", ".join(node.node_name for node in present) or "none"
        what = "which node?" if wanted is None else f"no node {wanted} in this tenant;"
        _fail(REFUSED, f"{what} active ones: {names}", "name one by --node" if present else "is the agent running?")
    return chosen[0]


def _default_queue(node: NodeView) -> str:
    queues = sorted(node.policy.queues) if node.policy else []
    if "default" not in queues and len(queues) != 1:
        _fail(REFUSED, f"which queue? {node.node_name} has: {', '.join(queues) or 'none'}", "name one by --queue")
    return "default" if "default" in queues else queues[0]


def _local_folder(uri: str) -> Path | None:
    parts = urlsplit(uri)
    folder = Path(url2pathname(parts.path))
    return folder if parts.scheme == "file" and folder.is_dir() else None


def _print_json(value: BaseModel | dict[str, Any]) -> None:
    content = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    print(json.dumps(content, indent=2, ensure_ascii=False))  # noqa: T201 - the machine's output


def _fail(code: int, message: str, hint: str = "") -> NoReturn:
    """Say what is wrong in one line, with a hint, and exit."""
    print(f"slipway: {message}{f' — {hint}' if hint else ''}", file=sys.stderr)  # noqa: T201 - the command line's word
    sys.exit(code)


def _refused(error: RefusedError) -> NoReturn:
    problem = error.problem
    fields = "; ".join(f"{entry.field}: {entry.message}" for entry in problem.errors)
    what = f"{problem.detail} ({problem.code})" if not fields else f"{problem.code}: {fields}"
    _fail(REFUSED, what, HINTS.get(problem.code, f"trace {problem.trace_id}"))


def _run(command: Callable[[], object]) -> None:
    try:
        command()
    except CycloptsError:
        sys.exit(USAGE)  # cyclopts has said what and why
    except RefusedError as error:
        _refused(error)
    except UnreachableError as error:
        _fail(UNREACHABLE, str(error), "is the gateway up, and the URL its own?")
    except (CredentialError, PackingError) as error:
        _fail(USAGE, str(error))
    except SlipwayError as error:
        _fail(REFUSED, str(error))
    except ValidationError as error:
        first = error.errors()[0]
        _fail(USAGE, f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.exit(0)


def main() -> None:
    """Run the command line."""
    _run(lambda: app(exit_on_error=False))
