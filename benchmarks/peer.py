"""Durable accept against what Prefect's server does with the same request, in turn, in one run.

Prefect is installed from PyPI into an environment of its own, so this part runs only where it is asked for.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local_stack import Gateway, Process, free_port
from signed_node import SignedNode

from benchmarks.accept import CONNECTIONS, REQUESTS_A_ROUND, command, serving, submitted
from benchmarks.prepared import post, send
from benchmarks.report import Row

VERSION = "3.9.1"
ROUNDS, RUNS_A_ROUND, SUBMITS_A_ROUND = 5, 400, 2_000  # five seconds and more of theirs, and of ours one by one
CREATED, BUSY = 201, 503
TOOLS = Path(__file__).parents[1] / ".tools"
# Its defaults, but for what it would tell its makers, and for its pages.
SETTINGS = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1", "PREFECT_SERVER_UI_ENABLED": "false"}


def installed() -> Path:
    """Return the `prefect` of an environment of its own, made where there is none; raises RuntimeError without uv."""
    uv = shutil.which("uv", path=f"{TOOLS / 'uv' / 'bin'}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        raise RuntimeError("this part needs uv: scripts/bootstrap.sh dev")
    environment = TOOLS / "prefect-bench"
    make = [uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(environment)]
    install = [uv, "pip", "install", "--quiet", "--python", str(environment), f"prefect=={VERSION}"]
    for argv in (make, install):
        subprocess.run(argv, check=True)
    return environment / "bin" / "prefect"


@contextmanager
def prefect(root: Path) -> Iterator[int]:
    """Run Prefect's server on a new database under ``root``; yield its port. Nothing of it is left afterwards."""
    port = free_port()
    argv = [str(installed()), "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    env = {**SETTINGS, "PREFECT_HOME": str(root / "prefect")}
    process = Process("Prefect's server", argv, root / "prefect.log", env)
    try:
        with serving(process, f"http://127.0.0.1:{port}/api/health"):
            yield port
    finally:
        with contextlib.suppress(ProcessLookupError):  # there are no children left, or not even one of them
            os.killpg(process.pid, signal.SIGKILL)


def flow(port: int) -> str:
    """Make the flow whose runs are created; return its id."""
    url, headers = f"http://127.0.0.1:{port}/api/flows/", {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps({"name": "bench"}).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(json.load(answer)["id"])


def created(port: int, flow_id: str, node_id: str) -> dict[str, float]:
    """Create a round's new flow runs, each with its own idempotency key and a command of ours as its parameters.

    One by one: of two at once its database refuses one, and at 32 it takes fewer a second than at one.
    """
    requests = []
    for _ in range(RUNS_A_ROUND):
        parameters = command(node_id)
        names = {"name": parameters["job_id"], "idempotency_key": parameters["idempotency_key"]}
        requests.append(post("/api/flow_runs/", {"flow_id": flow_id, **names, "parameters": parameters}))
    return send(port, 1, requests, CREATED, again=BUSY)


@dataclass(frozen=True)
class Round:
    """Requests a second: ours over many connections, ours and theirs over one; and how often theirs was sent again."""

    many: float
    one: float
    theirs: float
    again: float


def measure() -> list[Row]:
    """Return the rows of both, and of their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        gateway = Gateway(root / "gateway", root / "gateway.log", env={"SLIPWAY_MAX_OPEN_JOBS": "100000000"})
        with prefect(root) as port:
            gateway.start()
            try:
                rounds = rounds_in_turn(gateway, port)
            finally:
                gateway.process.stop()
    many, one = f"over {CONNECTIONS} connections", "over one connection"
    peer = f"Prefect {VERSION} {one}"
    sent = f"{RUNS_A_ROUND} requests a round, {sum(each.again for each in rounds):g} in all sent again"
    figures = [
        (f"durable accept {many} ÷ {peer}", "×", [each.many / each.theirs for each in rounds], ""),
        (f"durable accept {one} ÷ {peer}", "×", [each.one / each.theirs for each in rounds], ""),
        (f"durable accept {many}", "/s", [each.many for each in rounds], f"{REQUESTS_A_ROUND} requests a round"),
        (f"durable accept {one}", "/s", [each.one for each in rounds], f"{SUBMITS_A_ROUND} requests a round"),
        (f"{peer}, create_flow_run", "/s", [each.theirs for each in rounds], sent),
    ]
    return [Row(what, unit, runs, "—", holds=True, note=note) for what, unit, runs, note in figures]


def rounds_in_turn(gateway: Gateway, prefect_port: int) -> list[Round]:
    """Measure the rounds, after one that is not counted."""
    token, node, flow_id = gateway.token(), SignedNode.enrolled(gateway), flow(prefect_port)
    rounds = []
    for number in range(ROUNDS + 1):
        node.heartbeat()
        many = submitted(gateway.port, token, node.node_id)
        one = submitted(gateway.port, token, node.node_id, count=SUBMITS_A_ROUND, connections=1)
        theirs = created(prefect_port, flow_id, node.node_id)
        rounds.append(Round(many["per_second"], one["per_second"], theirs["per_second"], theirs["again"]))
        print(f"bench: peer round {number}: {rounds[-1]}", file=sys.stderr)
    return rounds[1:]
