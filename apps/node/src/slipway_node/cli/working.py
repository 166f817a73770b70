"""`slipway-node run` and `slipway-node reconcile`."""

import asyncio
import os
import sys
from typing import Annotated, Literal

from cyclopts import Parameter

from slipway_node import running
from slipway_node.agent import logs
from slipway_node.agent.context import Context
from slipway_node.cli.endings import OK, end
from slipway_node.cli.options import HomeOption, JsonOption, home_of, settings_of, tell
from slipway_node.home import Home
from slipway_node.lock import this_process, without_an_agent
from slipway_node.policy_file import PolicyInForce
from slipway_node.ports import Engine, EngineStandsStillError
from slipway_node.settings import NodeSettings


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
    place = home_of(home)
    identity = place.identity()
    logs.configure(log_level, identity.management_node_id, place.log_file if log == "file" else None)

    def tell_ready(context: Context) -> None:
        health = context.sight.health
        engine = " ".join(str(health[key]) for key in ("engine", "scheduler") if key in health)
        tell(f"node {identity.node_name} ready, engine {engine}, gateway {identity.gateway_url}")

    work = running.run(place, settings_of(home), engine_of, keep_engine=leave_engine_running, on_ready=tell_ready)
    with asyncio.Runner() as runner:
        try:
            runner.run(work)
        except EngineStandsStillError as error:
            status = end(error)
            sys.stdout.flush()
            os._exit(status)  # Python's own end waits for each thread
    tell(f"node {identity.node_name} stopped")
    return OK


def reconcile(*, home: HomeOption = None, json: JsonOption = False) -> int:
    """Write back into the journal what AiiDA knows and the journal has lost; stop the agent before.

    What is written back is told to the gateway when the agent runs.
    """
    place = home_of(home)
    logs.configure("warning", place.identity().management_node_id)  # what was done is told below
    with without_an_agent(place.lock_file, this_process(), "and may be launching what would be written back"):
        done = asyncio.run(running.reconcile(place, settings_of(home), engine_of))
    if json:
        tell(done.model_dump_json(indent=2))
        return OK
    tell(f"in the journal {done.in_journal}, written back {len(done.written_back)}")
    for lost in done.written_back:
        tell(f"  {lost.job_id}  {lost.submission_id}  {lost.execution_id}")
    return OK


def engine_of(home: Home, policy: PolicyInForce, settings: NodeSettings) -> Engine:
    """Return AiiDA as the engine of ``home``; it is imported here, since that takes a second."""
    from slipway_node.aiida.engine import AiidaEngine

    return AiidaEngine(home.root, policy.policy, program_paths=policy.program_paths, workers=settings.workers)
