"""Batch submit: jobs a second through `jobs:batchSubmit`, 500 a request."""

import sys
import tempfile
from pathlib import Path

from job_world import JobWorld
from local_stack import Gateway

from benchmarks.prepared import post, send
from benchmarks.report import Row
from slipway_contracts.submit_job_command import BATCH_MAX_COMMANDS

ROUNDS, BATCHES_A_ROUND, CONNECTIONS = 5, 20, 4
LIMIT_PER_SECOND = 3_000
OK = 200


def submitted(gateway: Gateway, world: JobWorld) -> dict[str, float]:
    """Submit a round's batches; return the figures. Raises RuntimeError when one is not taken."""
    bodies = [{"commands": [world.command() for _ in range(BATCH_MAX_COMMANDS)]} for _ in range(BATCHES_A_ROUND)]
    requests = [post("/api/runtime/jobs:batchSubmit", body, world.token) for body in bodies]
    return send(gateway.port, CONNECTIONS, requests, OK)


def measure() -> list[Row]:
    """Return the row of batch submit; raises RuntimeError when a job is not accepted."""
    rates = []
    with tempfile.TemporaryDirectory() as folder:
        gateway = Gateway(Path(folder) / "data", Path(folder) / "gateway.log", env={"SLIPWAY_MAX_OPEN_JOBS": "1000000"})
        gateway.start()
        try:
            world = JobWorld.at(gateway)
            for number in range(ROUNDS + 1):
                world.node.heartbeat()
                rate = submitted(gateway, world)["per_second"] * BATCH_MAX_COMMANDS
                print(f"bench: batch round {number}: {rate:.0f} jobs/s", file=sys.stderr)
                if number > 0:
                    rates.append(rate)
            expected = (ROUNDS + 1) * BATCHES_A_ROUND * BATCH_MAX_COMMANDS
            page = gateway.call("GET", "/api/runtime/jobs?limit=1", token=world.token)
            if page["jobs"][0]["change"] != expected:  # type: ignore[index] # a page of one job
                raise RuntimeError(f"{expected} jobs were sent, and the counter says otherwise")
        finally:
            gateway.process.stop()
    median = sorted(rates)[len(rates) // 2]
    note = f"{BATCH_MAX_COMMANDS} a request, {CONNECTIONS} connections, {BATCHES_A_ROUND} requests a round"
    return [Row("batch submit", "jobs/s", rates, f"≥ {LIMIT_PER_SECOND}", median >= LIMIT_PER_SECOND, note)]
