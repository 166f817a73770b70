"""Jobs given straight to AiiDA's own daemon, on a node's profile while its agent is down.

usage: AIIDA_PATH=… python -m benchmarks.aiida_alone COUNT WORKERS SCRIPT     Prints one JSON object: seconds.
"""

import json
import sys
import time
from pathlib import Path

from aiida import load_profile
from aiida.engine.daemon.client import get_daemon_client
from aiida.orm import Computer, ProcessNode, QueryBuilder, SinglefileData, load_computer, load_node
from aiida_shell import launch_shell_job

POLL_SECONDS = 0.1
COMPUTER = "slipway"  # as the node calls the one it submits to


def main(count: int, workers: int, script: Path) -> None:
    """Submit ``count`` jobs and wait until each is sealed and ended well."""
    load_profile()
    daemon = get_daemon_client()
    daemon.start_daemon(workers)
    try:
        computer = load_computer(COMPUTER)
        content = SinglefileData(script)
        submit(content, computer, 1)  # loads the plugins on both sides, and is not counted
        began = time.perf_counter()
        submit(content, computer, count)
        print(json.dumps({"seconds": time.perf_counter() - began}))
    finally:
        daemon.stop_daemon(wait=True)


def submit(script: SinglefileData, computer: Computer, count: int) -> None:
    """Submit so many jobs, and wait for them."""
    pks = []
    for _ in range(count):
        options = {
            "computer": computer,
            "withmpi": False,
            "resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1},
        }
        _, node = launch_shell_job(
            "python3", arguments="{script}", nodes={"script": script}, metadata={"options": options}, submit=True
        )
        pks.append(node.pk)
    waiting = set(pks)
    while waiting:
        time.sleep(POLL_SECONDS)
        query = QueryBuilder().append(
            ProcessNode, filters={"id": {"in": list(waiting)}, "attributes.sealed": True}, project="id"
        )
        waiting -= set(query.all(flat=True))
    if not all(load_node(pk).is_finished_ok for pk in pks):
        raise RuntimeError("a job did not end well")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
