"""Durable accept against a bare route, in turn, in one run."""

import sys
import tempfile
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local_stack import TENANT, USER, WORKSPACE, Gateway, Process, StackError, free_port, wait_until
from signed_node import SignedNode

from benchmarks.prepared import post, send
from benchmarks.report import Row

ROUNDS = 5
REQUESTS_A_ROUND = 8_000
CONNECTIONS = 32
ACCEPTED = 202
LIMIT, GOAL = 0.4, 0.6
READY_LIMIT_SECONDS, RESIDENT_LIMIT_MIB = 1.5, 150


def command(node_id: str) -> dict[str, Any]:
    """Return the command of a new job."""
    name = uuid.uuid4().hex
    return {
        "tenant_id": TENANT,
        "workspace_id": WORKSPACE,
        "job_id": f"job-{name}",
        "idempotency_key": name,
        "management_node_id": node_id,
        "execution_profile": {"queue_name": "default"},
        "resource_shape": {"cpu": 1, "memory_mib": 512, "walltime_seconds": 600},
        "payload_ref": {"input_uri": "https://inputs.example/cu/slipway.yaml"},
        "requested_by": {"user_id": USER},
    }


def submitted(
    port: int, token: str, node_id: str, *, count: int = REQUESTS_A_ROUND, connections: int = CONNECTIONS
) -> dict[str, float]:
    """Submit a round's new jobs; return the figures. Raises RuntimeError when one is not accepted."""
    requests = [post("/api/runtime/jobs:submit", command(node_id), token) for _ in range(count)]
    return send(port, connections, requests, ACCEPTED)


@contextmanager
def bare_route(root: Path, data_dir: Path) -> Iterator[int]:
    """Run the bare route; yield its port."""
    port = free_port()
    argv = [sys.executable, "-m", "benchmarks.bare", str(port), str(data_dir)]
    with serving(Process("the bare route", argv, root / "bare.log"), f"http://127.0.0.1:{port}/openapi.json"):
        yield port


@contextmanager
def serving(process: Process, url: str) -> Iterator[None]:
    """Run ``process``, from when it answers at ``url``."""

    def answers() -> bool:
        if not process.running():
            raise StackError(f"{process.name} ended:\n{process.tail()}")
        try:
            urllib.request.urlopen(url, timeout=1)
        except OSError:
            return False
        return True

    process.start()
    try:
        wait_until(f"{process.name} answers", answers)
        yield
    finally:
        process.stop()


def resident_mib(pid: int, word: str = "VmRSS") -> float:
    """Return the process's resident set in MiB: now, or (``VmHWM``) at the most."""
    status = Path(f"/proc/{pid}/status").read_text()
    kib = next(line.split()[1] for line in status.splitlines() if line.startswith(word))
    return int(kib) / 1024


def measure() -> list[Row]:
    """Return the rows of durable accept, start and memory."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        data_dir = root / "gateway"
        gateway = Gateway(data_dir, root / "gateway.log", env={"SLIPWAY_MAX_OPEN_JOBS": "100000000"})
        gateway.start()  # makes the data directory, and is not counted
        gateway.process.stop()
        ready = []
        for _ in range(ROUNDS):
            ready.append(gateway.start())
            gateway.process.stop()
        gateway.start()
        fresh_mib = resident_mib(gateway.process.pid)
        try:
            rounds = accept_rounds(root, gateway)
            loaded_mib = resident_mib(gateway.process.pid)
        finally:
            gateway.process.stop()
    ratios = [ours["per_second"] / theirs["per_second"] for ours, theirs in rounds]
    ours = [figures["per_second"] for figures, _ in rounds]
    theirs = [figures["per_second"] for _, figures in rounds]
    latencies = [figures["median_ms"] for figures, _ in rounds]
    p99 = max(figures["p99_ms"] for figures, _ in rounds)
    median_ratio = sorted(ratios)[len(ratios) // 2]
    each = f"{REQUESTS_A_ROUND} requests a round, {CONNECTIONS} connections"
    return [
        Row("durable accept ÷ bare route", "×", ratios, f"≥ {LIMIT} (goal {GOAL})", median_ratio >= LIMIT, each),
        Row("durable accept", "/s", ours, "—", holds=True, note=each),
        Row("bare route", "/s", theirs, "—", holds=True, note=each),
        Row("durable accept, sent → answered", "ms", latencies, "—", holds=True, note=each, p99=p99),
        Row("gateway ready", "s", ready, f"≤ {READY_LIMIT_SECONDS} s", max(ready) <= READY_LIMIT_SECONDS),
        Row(
            "gateway resident",
            "MiB",
            [fresh_mib, loaded_mib],
            f"≤ {RESIDENT_LIMIT_MIB} MiB",
            max(fresh_mib, loaded_mib) <= RESIDENT_LIMIT_MIB,
            "when ready, and after all rounds",
        ),
    ]


def accept_rounds(root: Path, gateway: Gateway) -> list[tuple[dict[str, float], dict[str, float]]]:
    """Run the rounds, ours and the bare route in turn, after one of each that is not counted."""
    token = gateway.token()
    node = SignedNode.enrolled(gateway)
    rounds = []
    with bare_route(root, gateway.data_dir) as bare_port:
        for number in range(ROUNDS + 1):
            node.heartbeat()
            ours = submitted(gateway.port, token, node.node_id)
            theirs = submitted(bare_port, token, node.node_id)
            print(f"accept round {number}: {ours['per_second']:.0f}/s, bare {theirs['per_second']:.0f}/s", flush=True)
            if number > 0:
                rounds.append((ours, theirs))
    return rounds
