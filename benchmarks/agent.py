"""Throughput of a node against AiiDA's own daemon fed directly, on the same profile, in turn."""

import itertools
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from local_stack import BIN, Gateway, Node, running

from benchmarks.report import Row
from slipway import Slipway
from slipway_contracts.lifecycle import is_terminal
from slipway_contracts.projection_update import ProjectionState
from slipway_contracts.reads import JobChange

JOBS, ROUNDS = 50, 5
LIMIT = 0.9
WORKERS = 1  # a node's default
DOCUMENT = """
slipway: 1
kind: shell
program: python3
arguments: ["{script}"]
files: {script: {uri: say.py}}
"""


def measure() -> list[Row]:
    """Return the rows of both, and of their ratio."""
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        shared = root / "shared"
        shared.mkdir()
        (shared / "say.py").write_text("print('said')\n")
        (shared / "slipway.yaml").write_text(DOCUMENT)
        gateway, node = Gateway(root / "gateway", root / "gateway.log"), Node(root / "node", root / "node.log")
        _enrol(gateway, node, shared)
        theirs.append(_alone(node, shared / "say.py"))
        for number in range(ROUNDS):
            with running(gateway, node) as node_id:
                ours.append(_through_slipway(gateway, node_id, (shared / "slipway.yaml").as_uri()))
            theirs.append(_alone(node, shared / "say.py"))
            print(f"bench: agent, round {number}: {ours[-1]:.1f}/min, AiiDA {theirs[-1]:.1f}/min", file=sys.stderr)
    # A round takes minutes, in which a shared machine drifts: each is held against the mean of those around it.
    ratios = [2 * our / sum(around) for our, around in zip(ours, itertools.pairwise(theirs), strict=True)]
    median = statistics.median(ratios)
    note = f"{JOBS} shell jobs a round on core.direct, {WORKERS} worker"
    return [
        Row("node ÷ AiiDA alone, throughput", "×", ratios, f"≥ {LIMIT}", median >= LIMIT, note),
        Row("node, throughput", "/min", ours, "—", holds=True, note=note),
        Row("AiiDA alone, throughput", "/min", theirs, "—", holds=True, note=note),
    ]


def _enrol(gateway: Gateway, node: Node, shared: Path) -> None:
    """Enrol the node, and take the bound of jobs at once out of its drafted policy: AiiDA alone has none either."""
    gateway.start()
    try:
        node.enroll(gateway, options=["--scheduler", "direct", "--input-prefix", shared.as_uri()])
    finally:
        gateway.process.stop()
    policy = node.home / "policy.yaml"
    bounded = policy.read_text()
    unbounded = re.sub(r", jobs: \d+", "", bounded)
    if unbounded == bounded:
        raise RuntimeError(f"the drafted policy bounds no jobs:\n{bounded}")
    policy.write_text(unbounded)


def _through_slipway(gateway: Gateway, node_id: str, uri: str) -> float:
    """Return jobs a minute, from the first submit to the last end that the product sees."""
    with Slipway(gateway.url, gateway.token()) as client:
        warm = client.submit(input_uri=uri, node=node_id, queue="default")
        client.wait(warm.job_id, timeout_seconds=120)
        position = client.projection(warm.job_id).change
        began = time.perf_counter()
        command = client.prepare(input_uri=uri, node=node_id, queue="default")
        names = [f"{command.job_id}-{number}" for number in range(JOBS)]
        outcomes = client.submit_many(
            command.model_copy(update={"job_id": name, "idempotency_key": name}) for name in names
        )
        if any(outcome.accepted is None for outcome in outcomes):
            raise RuntimeError("a job was refused")
        left = set(names)
        for told in client.stream(after=position):
            if isinstance(told, JobChange) and told.job_id in left and is_terminal(told.projection_state):
                if told.projection_state is not ProjectionState.SUCCEEDED:
                    raise RuntimeError(f"a job {told.projection_state}: {told.failure}")
                left.discard(told.job_id)
                if not left:
                    break
        return 60 * JOBS / (time.perf_counter() - began)


def _alone(node: Node, script: Path) -> float:
    """Return jobs a minute of AiiDA's own daemon on the node's profile."""
    argv = [sys.executable, "-m", "benchmarks.aiida_alone", str(JOBS), str(WORKERS), str(script)]
    env = {**os.environ, "AIIDA_PATH": str(node.home / "aiida"), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env)
    if done.returncode != 0:
        raise RuntimeError(f"AiiDA alone: {done.stderr[-1500:]}")
    return float(60 * JOBS / json.loads(done.stdout.splitlines()[-1])["seconds"])
