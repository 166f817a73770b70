"""Durable accept against a bare route, in turn, in one run."""

import json
import struct
import subprocess
import sys
import tempfile
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_stack import TENANT, USER, WORKSPACE, Gateway, Process, free_port, wait_until
from signed_node import SignedNode

from benchmarks.report import Row

ROUNDS = 5
REQUESTS_A_ROUND = 8_000
CONNECTIONS = 32
LIMIT, GOAL = 0.4, 0.6
READY_LIMIT_SECONDS, RESIDENT_LIMIT_MIB = 1.5, 150


def request_frames(port: int, token: str, node_id: str, count: int) -> bytes:
    """Return ``count`` prepared submits of new jobs, each framed by its length."""
    framed = []
    for _ in range(count):
        name = uuid.uuid4().hex
        body = json.dumps(
            {
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
        ).encode()
        head = (
            f"POST /api/runtime/jobs:submit HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()
        framed.append(struct.pack(">I", len(head) + len(body)) + head + body)
    return b"".join(framed)


def load(port: int, frames: bytes) -> dict[str, float]:
    """Send the frames from a process of its own; raises when an answer is not 202."""
    argv = [sys.executable, "-m", "benchmarks.load", str(port), str(CONNECTIONS)]
    done = subprocess.run(argv, input=frames, capture_output=True, check=True)
    figures: dict[str, object] = json.loads(done.stdout)
    if figures["statuses"] != {"202": REQUESTS_A_ROUND}:
        raise RuntimeError(f"not every submit was accepted: {figures['statuses']}")
    return {name: float(value) for name, value in figures.items() if isinstance(value, int | float)}


@contextmanager
def bare_route(root: Path, data_dir: Path) -> Iterator[int]:
    """Run the bare route; yield its port."""
    port = free_port()
    process = Process("bare", [sys.executable, "-m", "benchmarks.bare", str(port), str(data_dir)], root / "bare.log")
    process.start()

    def answers() -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/openapi.json", timeout=1)
        except OSError:
            return False
        return True

    try:
        wait_until("the bare route answers", answers)
        yield port
    finally:
        process.stop()


def resident_mib(pid: int) -> float:
    """Return the process's resident set in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
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
            ours = load(gateway.port, request_frames(gateway.port, token, node.node_id, REQUESTS_A_ROUND))
            theirs = load(bare_port, request_frames(bare_port, token, node.node_id, REQUESTS_A_ROUND))
            print(f"accept round {number}: {ours['per_second']:.0f}/s, bare {theirs['per_second']:.0f}/s", flush=True)
            if number > 0:
                rounds.append((ours, theirs))
    return rounds
