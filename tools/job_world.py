"""A workspace at a running gateway, with a signed node that takes its jobs and reports what it is told to."""

import contextlib
import http.client
import itertools
import time
import urllib.error
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local_stack import TENANT, USER, Gateway, StackError
from signed_node import SignedNode

from slipway_contracts.execution_event import ExecutionState, event_id_for
from slipway_contracts.submit_job_command import BATCH_MAX_COMMANDS

OUTAGE_SECONDS = 60.0
PAUSE_SECONDS = 0.05
BEAT_SECONDS = 15.0
AWAY = (OSError, http.client.HTTPException)
"""What a request to a gateway that is away, or was killed in the middle of its answer, raises."""


@dataclass
class JobWorld:
    """Submits jobs and reports their events; both outlive a gateway that is away for a while."""

    gateway: Gateway
    node: SignedNode
    workspace: str
    token: str
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    _beaten_at: float = field(default_factory=time.monotonic)

    @classmethod
    def at(cls, gateway: Gateway, *, workspace: str = "physics") -> "JobWorld":
        """Enrol a node and let it say that it is there."""
        node = SignedNode.enrolled(gateway)
        node.heartbeat()
        return cls(gateway, node, workspace, gateway.token(workspace=workspace))

    @property
    def url(self) -> str:
        """Return the gateway's URL."""
        return self.gateway.url

    def command(self, job_id: str | None = None) -> dict[str, Any]:
        """Return a command of a new intent."""
        return {
            "tenant_id": TENANT,
            "workspace_id": self.workspace,
            "job_id": job_id or f"job-{next(self._numbers)}",
            "idempotency_key": uuid.uuid4().hex,
            "management_node_id": self.node.node_id,
            "execution_profile": {"queue_name": "default"},
            "resource_shape": {"cpu": 1, "memory_mib": 10, "walltime_seconds": 60},
            "payload_ref": {"input_uri": "https://inputs.example/job.yaml"},
            "requested_by": {"user_id": USER},
        }

    def submit(self, job_id: str | None = None) -> dict[str, Any]:
        """Submit a job, until it is accepted; return command and answer as one."""
        command = self.command(job_id)
        self._beat()
        return command | self._outlived("POST", "/api/runtime/jobs:submit", command)

    def submit_many(self, count: int) -> None:
        """Submit so many jobs in batches; raises StackError where one is refused."""
        for begin in range(0, count, BATCH_MAX_COMMANDS):
            self._beat()
            commands = [self.command() for _ in range(begin, min(count, begin + BATCH_MAX_COMMANDS))]
            outcomes: Any = self._outlived("POST", "/api/runtime/jobs:batchSubmit", {"commands": commands})["outcomes"]
            if refused := [each for each in outcomes if each.get("accepted") is None]:
                raise StackError(f"refused: {refused[0]}")

    def report(self, job: Mapping[str, Any], *states: str) -> None:
        """Report events of ``job`` in order, each until it is taken, as a node does."""
        for state in states:
            self._reported(job, ExecutionState(state))

    def event(self, job: Mapping[str, Any], state: ExecutionState) -> dict[str, Any]:
        """Return the event of ``job`` in ``state``."""
        execution_id = f"process-{job['submission_id']}"
        event = {name: job[name] for name in ("tenant_id", "workspace_id", "job_id", "submission_id", "trace_id")}
        event |= {"execution_id": execution_id, "state": state.value, "occurred_at": "2026-01-01T00:00:00Z"}
        event["event_id"] = event_id_for(job["submission_id"], execution_id, state)
        if state is ExecutionState.COMPLETED:
            event["result_ref"] = {"output_uri": "s3://results/1", "summary": {"energy_ev": -1.5}}
        if state is ExecutionState.FAILED:
            event["error"] = {"code": "exit_400", "message": "it broke", "retryable": False}
        return event

    def _beat(self) -> None:
        """Let the node say now and then that it is there; a gateway that is away hears it the next time."""
        if time.monotonic() - self._beaten_at > BEAT_SECONDS:
            with contextlib.suppress(*AWAY):
                self.node.heartbeat()
                self._beaten_at = time.monotonic()

    def _reported(self, job: Mapping[str, Any], state: ExecutionState) -> None:
        deadline = time.monotonic() + OUTAGE_SECONDS
        while True:
            try:
                self.node.post(f"/api/runtime/jobs/{job['job_id']}/events", self.event(job, state))
            except urllib.error.HTTPError as error:
                if error.code < 500 or time.monotonic() > deadline:  # noqa: PLR2004 - HTTP's own number
                    raise StackError(f"{state}: {error.code} {error.read().decode()}") from None
            except AWAY:
                if time.monotonic() > deadline:
                    raise
            else:
                return
            time.sleep(PAUSE_SECONDS)

    def _outlived(self, method: str, path: str, body: object) -> dict[str, object]:
        deadline = time.monotonic() + OUTAGE_SECONDS
        while True:
            try:
                return self.gateway.call(method, path, token=self.token, body=body)
            except AWAY:
                if time.monotonic() > deadline:
                    raise
            time.sleep(PAUSE_SECONDS)
