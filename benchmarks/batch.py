"""Batch submit: jobs a second through `jobs:batchSubmit`, 500 a request."""

import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from job_world import JobWorld
from local_stack import Gateway

from benchmarks.report import Row
from slipway_contracts.submit_job_command import BATCH_MAX_COMMANDS

ROUNDS, BATCHES_A_ROUND, CONNECTIONS = 5, 20, 4
LIMIT_PER_SECOND = 3_000


def frames(world: JobWorld) -> bytes:
    """Return a round's requests, each framed by its length."""
    framed = []
    for _ in range(BATCHES_A_ROUND):
        body = json.dumps({"commands": [world.command() for _ in range(BATCH_MAX_COMMANDS)]}).encode()
        head = (
            f"POST /api/runtime/jobs:batchSubmit HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {world.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()
        framed.append(struct.pack(">I", len(head) + len(body)) + head + body)
    return b"".join(framed)


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
                argv = [sys.executable, "-m", "benchmarks.load", str(gateway.port), str(CONNECTIONS)]
                done = subprocess.run(argv, input=frames(world), capture_output=True, check=True)
                figures = json.loads(done.stdout)
                if figures["statuses"] != {"200": BATCHES_A_ROUND}:
                    raise RuntimeError(f"not every batch was taken: {figures['statuses']}")
                rate = figures["per_second"] * BATCH_MAX_COMMANDS
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
