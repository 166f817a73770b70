"""Slurm: from a job's last instruction to its end on the product's stream, with the node's defaults."""

import concurrent.futures
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from local_stack import Gateway, Node, running

from benchmarks import report
from benchmarks.report import Row
from slipway import Slipway

JOBS, AT_ONCE = 40, 2
P50_SECONDS, P99_SECONDS = 2.0, 5.0
SERVICE = Path(__file__).parents[1] / "tests" / "services" / "slurm.sh"

# The last thing the job does is to write down when it ended, beside its submission's file.
SCRIPT = """
import sys, time
time.sleep(1.0)
open(sys.argv[1], "w").write(repr(time.time()))
"""
DOCUMENT = """
slipway: 1
kind: shell
program: python3
arguments: ["{script}", "END"]
files: {script: {uri: end.py}}
"""


WITH_ACCOUNTS = {
    "SLIPWAY_SLURM_ACCOUNTING": "1",
    "SLIPWAY_SLURM_DIR": "/var/tmp/slipway-slurm-accounts",  # it may run beside another
    "SLIPWAY_SLURM_PORT": "14817",
}


@contextmanager
def scheduler() -> Iterator[None]:
    """Use the Slurm that answers, or start one and stop it again; raises RuntimeError where there is none."""
    if subprocess.run(["sh", "-c", "sinfo"], capture_output=True, check=False).returncode == 0:
        yield
        return
    with own_scheduler({}):
        yield


@contextmanager
def own_scheduler(settings: Mapping[str, str]) -> Iterator[None]:
    """Start a Slurm as slurm.sh has it under ``settings``, and stop it; raises RuntimeError where there is none."""
    if shutil.which("sbatch") is None or os.geteuid() != 0:
        raise RuntimeError("this part needs Slurm: tests/services/install.sh, as root")
    env, former = os.environ | settings, os.environ.get("SLURM_CONF")
    subprocess.run([SERVICE, "start"], check=True, capture_output=True, env=env)
    conf = subprocess.run([SERVICE, "conf"], check=True, capture_output=True, text=True, env=env).stdout.strip()
    os.environ["SLURM_CONF"] = conf
    try:
        yield
    finally:
        subprocess.run([SERVICE, "stop"], check=False, capture_output=True, env=env)
        del os.environ["SLURM_CONF"]
        if former is not None:
            os.environ["SLURM_CONF"] = former


def measure() -> list[Row]:
    """Return the row of the delay, in seconds."""
    with scheduler(), tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        shared = root / "shared"
        shared.mkdir()
        gateway, node = Gateway(root / "gateway", root / "gateway.log"), Node(root / "node", root / "node.log")
        options = ["--scheduler", "slurm", "--input-prefix", shared.as_uri()]
        with running(gateway, node, options=options) as node_id, Slipway(gateway.url, gateway.token()) as client:
            _delay(client, shared, node_id, -1)  # the first also loads AiiDA's plugins, and is not counted
            delays = []
            with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
                for delay in pool.map(lambda number: _delay(client, shared, node_id, number), range(JOBS)):
                    delays.append(delay)
                    print(f"bench: slurm, job {len(delays)} of {JOBS}: {delay:.2f} s", file=sys.stderr)
    note = f"{JOBS} jobs of a second, {AT_ONCE} at once"
    return [report.delays("Slurm job's end → visible", "s", [delays], (P50_SECONDS, P99_SECONDS), note)]


def _delay(client: Slipway, shared: Path, node_id: str, number: int) -> float:
    """Run one job; return the seconds between its last instruction and its end on the stream."""
    folder = shared / f"job-{number}"
    folder.mkdir()
    end = folder / "end"
    (folder / "end.py").write_text(SCRIPT)
    (folder / "slipway.yaml").write_text(DOCUMENT.replace("END", str(end)))
    uri = (folder / "slipway.yaml").as_uri()
    queue = next(iter(sorted(_queues(client, node_id))))
    job = client.submit(input_uri=uri, node=node_id, queue=queue, cpu=1, memory_mib=100, walltime_seconds=120)
    *_, last = client.watch(job.job_id, timeout_seconds=120)
    seen = time.time()
    if last.projection_state != "succeeded":
        raise RuntimeError(f"a job {last.projection_state}: {last.failure}")
    return seen - float(end.read_text())


def _queues(client: Slipway, node_id: str) -> list[str]:
    policy = next(node.policy for node in client.nodes() if node.management_node_id == node_id)
    return [] if policy is None else list(policy.queues)
