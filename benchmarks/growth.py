"""Growth: what a request takes with 100,000 jobs in the store, against 1,000, asked in turn in one run."""

import http.client
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from job_world import JobWorld
from local_stack import Gateway

from benchmarks.report import Row, percentile
from slipway_contracts.execution_event import EVENT_BATCH_MAX, ExecutionState
from slipway_contracts.submit_job_command import BATCH_MAX_COMMANDS

SMALL, LARGE = 1_000, 100_000
SAMPLES = 2_000
RATIO = 1.5
BLOCK = 50  # samples of one store before it is the other's turn
ENDED_SHARE = 2  # every second job has ended
OK, ACCEPTED = 200, 202


@dataclass
class Store:
    """A gateway with so many jobs, asked over one connection each for product and node."""

    gateway: Gateway
    jobs: int
    world: JobWorld = field(init=False)
    job_ids: list[str] = field(default_factory=list)

    def fill(self) -> None:
        """Submit the jobs, and let every second one end."""
        self.world = JobWorld.at(self.gateway)
        self.connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port)
        heartbeat = {"agent_id": "bench", "journal_id": "bench", "node_version": "bench", "policy": self._policy()}
        self.epoch = self.world.node.post(f"/api/runtime/nodes/{self.world.node.node_id}:heartbeat", heartbeat)["epoch"]
        for begin in range(0, self.jobs, BATCH_MAX_COMMANDS):
            if begin % 10_000 == 0:
                self.world.node.heartbeat()
            commands = [self.world.command() for _ in range(BATCH_MAX_COMMANDS)]
            body = {"commands": commands}
            answer: Any = self.gateway.call("POST", "/api/runtime/jobs:batchSubmit", token=self.world.token, body=body)
            accepted = [
                command | outcome["accepted"] for command, outcome in zip(commands, answer["outcomes"], strict=True)
            ]
            self.job_ids += [job["job_id"] for job in accepted]
            ended = [self.world.event(job, ExecutionState.FAILED) for job in accepted[::ENDED_SHARE]]
            for first in range(0, len(ended), EVENT_BATCH_MAX):
                self.world.node.post(
                    "/api/runtime/events:batchIngest", {"events": ended[first : first + EVENT_BATCH_MAX]}
                )
        self.numbers = itertools.cycle(range(0, self.jobs, max(1, self.jobs // 997)))

    @staticmethod
    def _policy() -> dict[str, Any]:
        from signed_node import POLICY

        return POLICY

    def submit(self) -> float:
        """Submit one job."""
        body = json.dumps(self.world.command()).encode()
        return self._asked("POST", "/api/runtime/jobs:submit", body, expected=ACCEPTED)

    def status(self) -> float:
        """Read one job."""
        return self._asked("GET", f"/api/runtime/jobs/{self.job_ids[next(self.numbers)]}")

    def page(self) -> float:
        """Read the first page of the list."""
        return self._asked("GET", "/api/runtime/jobs?limit=50")

    def lease(self) -> float:
        """Lease one command; neither the submit that makes sure of one nor its ack is counted."""
        self.submit()
        path = f"/api/runtime/nodes/{self.world.node.node_id}/commands:lease"
        body = {"epoch": self.epoch, "journal_id": "bench", "wait_seconds": 0, "max": 1}
        request = self.world.node.headers(path, json.dumps(body).encode())
        took = self._asked("POST", path, json.dumps(body).encode(), headers=request)
        command_ids = [command["command_id"] for command in self.answer["commands"]]
        ack = {"epoch": self.epoch, "journal_id": "bench", "command_ids": command_ids}
        self.world.node.post(path.replace(":lease", ":ack"), ack)
        return took

    def _asked(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        headers: dict[str, str] | None = None,
        expected: int = OK,
    ) -> float:
        """Send one request; return milliseconds."""
        headers = headers or {"Authorization": f"Bearer {self.world.token}", "Content-Type": "application/json"}
        began = time.perf_counter()
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        content = answer.read()
        took = 1_000 * (time.perf_counter() - began)
        if answer.status != expected:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:300]!r}")
        self.answer = json.loads(content)
        return took


def measure() -> list[Row]:
    """Return a row an operation: the ratios of median and p99, large to small."""
    with tempfile.TemporaryDirectory() as folder:
        stores = []
        for jobs in (SMALL, LARGE):
            env = {"SLIPWAY_MAX_OPEN_JOBS": "1000000"}
            gateway = Gateway(Path(folder) / f"data-{jobs}", Path(folder) / f"gateway-{jobs}.log", env=env)
            gateway.start()
            stores.append(Store(gateway, jobs))
        try:
            for store in stores:
                print(f"bench: growth, filling {store.jobs} jobs", file=sys.stderr)
                store.fill()
            return [
                _row(name, stores, act)
                for name, act in (
                    ("status", Store.status),
                    ("list page", Store.page),
                    ("lease", Store.lease),
                    ("submit", Store.submit),
                )
            ]
        finally:
            for store in stores:
                store.gateway.process.stop()


def _row(name: str, stores: list[Store], act: Callable[[Store], float]) -> Row:
    print(f"bench: growth, {name}", file=sys.stderr)
    samples = _samples(stores, act)
    (small, large), (small_p99, large_p99) = ([percentile(each, percent) for each in samples] for percent in (50, 99))
    note = f"median {small:.3g} → {large:.3g} ms, p99 {small_p99:.3g} → {large_p99:.3g} ms, {SAMPLES} samples each"
    ratio, p99 = large / small, large_p99 / small_p99
    what = f"{name}, {LARGE:,} ÷ {SMALL:,} jobs"
    return Row(what, "×", [ratio], f"p99 ≤ {RATIO}", p99 <= RATIO, note, p99)


def _samples(stores: list[Store], act: Callable[[Store], float]) -> list[list[float]]:
    samples: list[list[float]] = [[] for _ in stores]
    for store in stores:
        act(store)  # the first is not counted
    for _ in range(SAMPLES // BLOCK):
        for store, taken in zip(stores, samples, strict=True):
            if act in (Store.submit, Store.lease):
                store.world.node.heartbeat()
            taken += [act(store) for _ in range(BLOCK)]
    return samples
