"""The command line: `slipway-node enroll|run|status|policy`."""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import httpx
from cyclopts import App, CycloptsError, Parameter
from pydantic import ValidationError

from slipway_node import policy_file
from slipway_node.agent import logs
from slipway_node.agent.context import Context
from slipway_node.clock import Clock
from slipway_node.enrolment import (
    Enrolled,
    EnrolledElsewhereError,
    Enrolment,
    SchedulerChoice,
    gateway_origin,
)
from slipway_node.enrolment import enroll as enroll_node
from slipway_node.filesystem import NetworkFileSystemError
from slipway_node.gateway_client import (
    GatewayRefusedError,
    GatewayUnreachableError,
    LeaseLostError,
    NodeForbiddenError,
)
from slipway_node.home import Home, NotEnrolledError
from slipway_node.journal import NewerJournalError
from slipway_node.keys import KeyUnusableError
from slipway_node.lock import LockHeldError, this_process
from slipway_node.ports import Engine, EngineUnavailableError
from slipway_node.running import run as run_agent
from slipway_node.running import system_time
from slipway_node.settings import NodeSettings
from slipway_node.status import status_of
from slipway_node.status_text import status_text
from slipway_node.version import VERSION

OK, REFUSED, USAGE, UNREACHABLE, LEASE_LOST = 0, 1, 2, 3, 4
DEFAULT_GATEWAY = "http://127.0.0.1:8700"
ENROLL_SECONDS = 30.0

app = App(
    name="slipway-node",
    version=VERSION,
    help=(
        "The management node's agent: takes jobs from the gateway, runs them under AiiDA, reports back.\n\n"
        "It only dials out. Begin with `slipway-node enroll`, then `slipway-node run`.\n\n"
        "Exit status: 0 done, 1 refused, 2 usage, 3 gateway unreachable, 4 a newer agent has taken this node over."
    ),
)
policy_app = App(name="policy", help="The policy file: what this node runs for its tenant.")
app.command(policy_app)

HomeOption = Annotated[Path | None, Parameter(help="The node's home [env: SLIPWAY_NODE_HOME] [default: .slipway/node]")]
JsonOption = Annotated[bool, Parameter(negative="", help="Print JSON")]


class UsageError(Exception):
    """The command line asks for something that cannot be."""


# What ends a command, how, and what may help. The first that fits counts.
ENDINGS: dict[type[Exception], tuple[int, str]] = {
    UsageError: (USAGE, "slipway-node --help"),
    policy_file.PolicyFileError: (USAGE, "correct the file, then `slipway-node policy check`"),
    NotEnrolledError: (USAGE, "`slipway-node enroll`, or another --home"),
    LeaseLostError: (LEASE_LOST, "two agents run as this node; this one has ended, see to the other"),
    NodeForbiddenError: (REFUSED, "the node was revoked; its jobs at the scheduler run on, enrol a new home to go on"),
    GatewayRefusedError: (REFUSED, "ask an admin for a new join token"),
    GatewayUnreachableError: (UNREACHABLE, "is the gateway's URL right, and is it up?"),
    LockHeldError: (REFUSED, "`slipway-node status` tells more"),
    NetworkFileSystemError: (REFUSED, "choose a --home on a disk of this machine"),
    EnrolledElsewhereError: (REFUSED, "choose another --home"),
    KeyUnusableError: (REFUSED, "put the key back, or enrol another --home"),
    NewerJournalError: (REFUSED, "run the version of slipway-node that wrote it, or a later one"),
    EngineUnavailableError: (REFUSED, "`slipway-node status`, and the engine's own log under HOME/aiida"),
    ValueError: (REFUSED, "another --scheduler wants another --home"),
    OSError: (REFUSED, "may this account write there?"),
}


@app.command
def enroll(
    *,
    token: Annotated[str, Parameter(env_var="SLIPWAY_JOIN_TOKEN", help="The join token that an admin was given")],
    gateway: Annotated[str, Parameter(env_var="SLIPWAY_GATEWAY", help="The gateway's URL")] = DEFAULT_GATEWAY,
    home: HomeOption = None,
    name: Annotated[
        str | None, Parameter(help="What this node calls itself here [default: the join token's name]")
    ] = None,
    scheduler: Annotated[SchedulerChoice, Parameter(help="auto: Slurm where it answers")] = SchedulerChoice.AUTO,
    program: Annotated[
        Sequence[str], Parameter(help="NAME=PATH of a program jobs may run; repeatable", negative="")
    ] = (),
    input_prefix: Annotated[
        Sequence[str], Parameter(help="A URI prefix inputs may come from; repeatable", negative="")
    ] = (),
    artifacts: Annotated[str | None, Parameter(help="The URI results go under [default: HOME/artifacts]")] = None,
) -> int:
    """Register this machine with a gateway, set AiiDA up, and draft a policy. May be run again after a failure."""
    place = _home(home)
    try:
        asked = Enrolment(
            gateway_url=gateway_origin(gateway),
            token=token,
            name=name,
            scheduler=scheduler,
            programs=dict(_named_path(text) for text in program),
            input_prefixes=input_prefix,
            artifacts=artifacts,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    enrolled = asyncio.run(_enroll(place, asked))
    who = enrolled.identity
    _tell(f"enrolled {who.node_name} ({who.management_node_id}) with {who.gateway_url}, scheduler {enrolled.scheduler}")
    what = "drafted, read it" if enrolled.drafted else "kept as it was"
    queues = ", ".join(enrolled.policy.policy.queues)
    _tell(f"policy {place.policy_file} ({what}): queues {queues}")
    _tell(f"next: slipway-node run --home {place.root}")
    return OK


@app.command
def run(
    *,
    home: HomeOption = None,
    log: Annotated[Literal["stderr", "file"], Parameter(help="Where the log goes; file: HOME/agent.log")] = "stderr",
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Parameter(help="The least that is logged")
    ] = "info",
    leave_engine_running: Annotated[
        bool, Parameter(negative="", help="Leave AiiDA's daemon running at the end")
    ] = False,
) -> int:
    """Run the agent until it is told to stop (SIGTERM, SIGINT); prints one line when it is ready."""
    place = _home(home)
    identity = place.identity()
    logs.configure(log_level, identity.management_node_id, place.log_file if log == "file" else None)

    def tell_ready(context: Context) -> None:
        health = context.sight.health
        engine = " ".join(str(health[key]) for key in ("engine", "scheduler") if key in health)
        _tell(f"node {identity.node_name} ready, engine {engine}, gateway {identity.gateway_url}")

    asyncio.run(run_agent(place, _settings(home), _engine, keep_engine=leave_engine_running, on_ready=tell_ready))
    _tell(f"node {identity.node_name} stopped")
    return OK


@app.command
def status(*, home: HomeOption = None, json: JsonOption = False) -> int:
    """Show leases, processes, outbox, dead letters, clock skew and the engine's health."""
    told = status_of(_home(home), this_process(), system_time())
    _tell(told.model_dump_json(indent=2) if json else status_text(told))
    return OK


@policy_app.command
def check(*, home: HomeOption = None) -> int:
    """Tell whether the policy file holds, and which version of it that is."""
    place = _home(home)
    read = policy_file.read(place.policy_file)
    _tell(f"{place.policy_file} holds: version {read.policy.policy_version}, queues {', '.join(read.policy.queues)}")
    return OK


@policy_app.command
def show(*, home: HomeOption = None) -> int:
    """Print the policy as the gateway is told it, in JSON."""
    _tell(policy_file.read(_home(home).policy_file).policy.model_dump_json(indent=2))
    return OK


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit; what goes wrong is one line with a hint."""
    sys.exit(run_command_line(arguments))


def run_command_line(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    try:
        done = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        return _say(" ".join(str(error).split()), USAGE, "slipway-node --help")
    except tuple(ENDINGS) as error:
        status, hint = next(ending for kind, ending in ENDINGS.items() if isinstance(error, kind))
        return _say(str(error), status, hint)
    return done if isinstance(done, int) else OK


def _tell(line: str) -> None:
    """Print a line now; who waits for it may read through a pipe."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _say(what: str, exit_status: int, hint: str) -> int:
    """Print one line of what went wrong and what may help; return the exit status."""
    sys.stderr.write(f"slipway-node: {what} (hint: {hint})\n")
    return exit_status


def _settings(home: Path | None) -> NodeSettings:
    """Return the settings of the environment, with the flag before them. Raises UsageError."""
    try:
        return NodeSettings() if home is None else NodeSettings(home=home)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"SLIPWAY_NODE_{str(first['loc'][0]).upper()}: {first['msg']}") from error


def _home(home: Path | None) -> Home:
    return Home(_settings(home).home.absolute())


def _named_path(text: str) -> tuple[str, str]:
    name, separator, path = text.partition("=")
    if not separator or not name or not os.access(path, os.X_OK):
        raise ValueError(f"--program {text}: NAME=PATH of an executable file is wanted")
    return name, str(Path(path).absolute())


async def _enroll(home: Home, asked: Enrolment) -> Enrolled:
    async with httpx.AsyncClient(base_url=asked.gateway_url, timeout=ENROLL_SECONDS) as http:
        return await enroll_node(home, asked, http, Clock(system_time), _set_up)


def _set_up(home: Home, scheduler: SchedulerChoice) -> None:
    from slipway_node.aiida.profile import SchedulerKind, set_up

    set_up(home.root, SchedulerKind(scheduler.value))


def _engine(home: Home, policy: policy_file.PolicyInForce, settings: NodeSettings) -> Engine:
    from slipway_node.aiida.engine import AiidaEngine

    return AiidaEngine(home.root, policy.policy, program_paths=policy.program_paths, workers=settings.workers)
