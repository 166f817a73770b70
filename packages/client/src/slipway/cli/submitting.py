"""`slipway submit`."""

from pathlib import Path
from typing import Annotated

from cyclopts import CycloptsError, Group, Parameter
from rich.text import Text

from slipway.cli.connection import Connection
from slipway.cli.endings import Exit, HintedError
from slipway.cli.printing import jsonable, print_for_people, print_json, tell
from slipway.cli.values import COUNT, ID, URI
from slipway.cli.watching import watch
from slipway.client import Slipway
from slipway.errors import SlipwayError
from slipway.views import Submission
from slipway_contracts.submit_job_command import SubmitJobCommand

EXAMPLES = (
    "submit samples/copper-eos --watch           # a folder",
    "submit silicon.in --queue normal --cpu 2    # a pw.x input",
    "submit job.tar.gz --job-id band-gap-17      # a bundle",
    "submit command.json --json                  # a whole command",
    "submit --input-uri s3://lab/jobs/eos.tar.gz",
)

_PLACE = Group("Where it runs, and with what", sort_key=1)
_IDENTITY = Group("Identity", sort_key=2)


def submit(  # noqa: PLR0913 - one parameter an option
    file: Annotated[
        Path | None,
        Parameter(help="A job document, its folder, a .tar.gz or .zip, a pw.x input (.in, .pwi), or a command's JSON"),
    ] = None,
    /,
    *,
    watch_it: Annotated[
        bool,
        Parameter(
            name=("--watch", "--wait"),
            negative="",
            help="Show each state until the job ends; the exit status tells how",
        ),
    ] = False,
    input_uri: Annotated[str | None, URI, Parameter(help="Instead of FILE: where the node finds the input")] = None,
    node: Annotated[str | None, Parameter(group=_PLACE, help="Name or id [default: the only active one]")] = None,
    queue: Annotated[
        str | None, ID, Parameter(group=_PLACE, help="A queue of the node [default: its only one, or `default`]")
    ] = None,
    qos: Annotated[str | None, ID, Parameter(group=_PLACE, help="A QOS that the queue allows")] = None,
    account: Annotated[str | None, ID, Parameter(group=_PLACE, help="An account that the queue allows")] = None,
    cpu: Annotated[int | None, COUNT, Parameter(group=_PLACE, help="vCPU [default: 1]")] = None,
    memory_mib: Annotated[int | None, COUNT, Parameter(group=_PLACE, help="MiB [default: 1024]")] = None,
    walltime_seconds: Annotated[int | None, COUNT, Parameter(group=_PLACE, help="Seconds [default: 3600]")] = None,
    artifact_bucket: Annotated[
        str | None, URI, Parameter(group=_PLACE, help="URI under which results go [default: the node's own]")
    ] = None,
    job_id: Annotated[
        str | None, ID, Parameter(group=_IDENTITY, help="Your id of the job [default: from the file's name]")
    ] = None,
    idempotency_key: Annotated[
        str | None,
        ID,
        Parameter(group=_IDENTITY, help="Repeat it (and --job-id) to retry: nothing runs twice [default: drawn]"),
    ] = None,
    connection: Connection | None = None,
) -> int:
    """Submit a job; local files that its document names are packed with it, up to 32 KiB."""
    if (file is None) == (input_uri is None):
        raise CycloptsError(msg="give FILE or --input-uri, and not both")
    connection = connection or Connection()
    with connection.open() as client:
        command = client.prepare(
            file,
            input_uri=input_uri,
            node=node,
            queue=queue,
            qos=qos,
            account=account,
            cpu=cpu,
            memory_mib=memory_mib,
            walltime_seconds=walltime_seconds,
            artifact_bucket=artifact_bucket,
            job_id=job_id,
            idempotency_key=idempotency_key,
        )
        submission = _submitted(client, command)
        _tell(submission, as_json=connection.json, streamed=watch_it)
        if watch_it:
            return watch(client, submission.job_id, submission.submission_id, as_json=connection.json)
    return Exit.OK


def _submitted(client: Slipway, command: SubmitJobCommand) -> Submission:
    """Submit; where the outcome is unknown, say how to ask again without doubling it."""
    hint = f"repeat with --job-id {command.job_id} --idempotency-key {command.idempotency_key}: nothing runs twice"
    try:
        return client.submit_command(command)
    except KeyboardInterrupt:
        tell(f"slipway: whether the job was submitted is not known; {hint}")
        raise
    except SlipwayError as error:
        if not error.retryable:
            raise
        raise HintedError(error, hint) from error


def _tell(submission: Submission, *, as_json: bool, streamed: bool) -> None:
    if as_json:
        plain = jsonable(submission)
        print_json({"submission": plain} if streamed else plain, indent=None if streamed else 2)
        return
    done = "replayed" if submission.idempotent_replayed else "submitted"
    print_for_people(
        Text(f"{done} {submission.job_id} to node {submission.execution_owner}"),
        Text(f"submission {submission.submission_id}, idempotency key {submission.idempotency_key}", style="dim"),
    )
