"""Record a node, its product and a gateway of one commit: what each sends, and what is answered.

usage: record.py FILE     in a checkout of that commit, by its own Python, with its sources installed (see README.md)

The node's requests are made by that commit's own client, events and models, the answers by its gateway on a real store.
Requests that its client cannot make (single events, older emitters, a credential that has expired) are made by hand.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

sys.path.insert(0, str(Path("apps/api/tests/http").resolve()))

from gateway_world import TestNode, World, opened

from slipway_contracts.execution_event import ExecutionEvent, ExecutionState, ResultRef, event_id_for
from slipway_contracts.fields import rfc3339
from slipway_contracts.node_policy import NodePolicy
from slipway_contracts.node_protocol import (
    AckRequest,
    Capacity,
    EnrollRequest,
    HeartbeatRequest,
    LeaseRequest,
    NodeCommand,
)
from slipway_node import events, gateway_client, keys
from slipway_node.clock import Clock
from slipway_node.gateway_client import GatewayClient, GatewayError, Ids
from slipway_node.ports import Envelope, Failure, Observation, Phase, Placement

KEPT_OF_A_REQUEST = ("content-type", "slipway-contract", "traceparent")
KEPT_OF_AN_ANSWER = ("content-type", "date", "retry-after", "idempotent-replayed", "www-authenticate")
POLICY = {
    "policy_version": "p1",
    "queues": {
        "default": {
            "partition": "main",
            "accounts": ["chem"],
            "qos": ["normal"],
            "limits": {"cpu": 8, "memory_mib": 16_000, "walltime_seconds": 7200, "jobs": 4},
        },
        "debug": {},
    },
    "programs": ["python3"],
    "input_prefixes": ["https://inputs.example/", "data:"],
    "artifact_prefixes": ["s3://results/"],
}
NOBODYS_EVENT = event_id_for("sub-none", "process-e", ExecutionState.ACCEPTED)
Exchange = dict[str, Any]


def now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


class Recorder:
    """Writes down what passes through a client; ``name`` and ``sender`` are of the next requests."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.exchanges: list[Exchange] = []
        self.name, self.sender = "", ""
        client.event_hooks = {"response": [self._keep]}

    async def _keep(self, response: httpx.Response) -> None:
        await response.aread()
        request = response.request
        body = json.loads(request.content) if request.content else None
        self.exchanges.append(
            {
                "name": self.name,
                "sender": self.sender,
                "request": {
                    "method": request.method,
                    "path": request.url.raw_path.decode(),
                    "headers": {name: request.headers[name] for name in KEPT_OF_A_REQUEST if name in request.headers},
                    "claims": self._claims(request.headers.get("authorization")),
                    "body": body,
                },
                "answer": {
                    "status": response.status_code,
                    "headers": {name: response.headers[name] for name in KEPT_OF_AN_ANSWER if name in response.headers},
                    "body": response.json() if response.content else None,
                },
            }
        )

    def _claims(self, header: str | None) -> dict[str, Any] | None:
        """Return a node token's claims, its times as seconds from now; no signature is kept."""
        if header is None or self.sender != "node":
            return None
        claims: dict[str, Any] = jwt.decode(header.removeprefix("Bearer "), options={"verify_signature": False})
        return {**claims, **{name: claims[name] - int(time.time()) for name in ("iat", "exp")}}


class Story:
    """What happens, told by the parties in turn."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.recorder = Recorder(world.client)
        self.key = Ed25519PrivateKey.generate()
        self.node_id = ""

    def as_(self, sender: str, name: str) -> "Story":
        """Say who sends what comes next."""
        self.recorder.sender, self.recorder.name = sender, name
        return self

    @property
    def client(self) -> GatewayClient:
        """The node's own client."""
        ids = Ids(lambda: uuid.uuid4().hex, lambda: uuid.uuid4().hex[:16])
        return GatewayClient(self.world.client, self.node_id, keys.Signer(self.key, self.node_id), Clock(now), ids)

    async def submit(self, job_id: str, **more: Any) -> httpx.Response:
        """Submit a job as the product."""
        body = {
            "tenant_id": "lab",
            "workspace_id": "physics",
            "job_id": job_id,
            "idempotency_key": f"key-{job_id}",
            "management_node_id": self.node_id,
            "execution_profile": {"queue_name": "default", "qos": "normal", "account": "chem"},
            "resource_shape": {"cpu": 1, "memory_mib": 512, "walltime_seconds": 600},
            "payload_ref": {"input_uri": "https://inputs.example/cu.yaml"},
            "requested_by": {"user_id": "ada", "session_id": "tab-1"},
            **more,
        }
        return await self.as_("product", f"submit {job_id}").world.user("POST", "/jobs:submit", body)

    async def beat(self, name: str, agent_id: str, epoch: int | None) -> int:
        """Send a heartbeat."""
        beat = HeartbeatRequest(
            agent_id=agent_id,
            epoch=epoch,
            journal_id="journal-1",
            node_version="0.1.0",
            policy=NodePolicy.model_validate(POLICY),
            capacity=Capacity(jobs_running=0, jobs_max=4, cpus=8),
            health={"engine": "ready", "broker": {"up": True}},
        )
        return (await self.as_("node", name).client.heartbeat(beat)).epoch

    async def lease(self, name: str, epoch: int = 1) -> list[NodeCommand]:
        """Lease what there is."""
        request = LeaseRequest(epoch=epoch, journal_id="journal-1", max=20, wait_seconds=0)
        return await self.as_("node", f"lease {name}").client.lease(request)

    async def ack(self, name: str, commands: list[NodeCommand], epoch: int = 1) -> None:
        """Ack commands."""
        ids = [command.command_id for command in commands]
        await self.as_("node", f"ack {name}").client.ack(
            AckRequest(epoch=epoch, journal_id="journal-1", command_ids=ids)
        )

    async def ingest(self, name: str, *told: ExecutionEvent) -> None:
        """Deliver events as the agent does."""
        texts = [event.model_dump_json(exclude_none=True) for event in told]
        await self.as_("node", f"ingest {name}").client.ingest(texts, told[0].trace_id)

    async def single(self, name: str, job_id: str, body: object, *, contract: str = "1", **claims: object) -> None:
        """Deliver one event, which the agent does not do."""
        signer = TestNode("lab", self.key, self.node_id)
        headers = {"Slipway-Contract": contract}
        await self.as_("node", f"event {name}").world.node(
            signer, f"/jobs/{job_id}/events", body, headers=headers, claims=claims
        )

    async def taken(self, job_id: str, epoch: int = 1) -> NodeCommand:
        """Submit a job, lease it and ack it."""
        await self.submit(job_id)
        commands = await self.lease(job_id, epoch)
        await self.ack(job_id, commands, epoch)
        return commands[-1]


def seen(command: NodeCommand, phase: Phase, execution_id: str) -> Observation:
    """Return what the engine says of an execution."""
    placement = Placement("main", "chem", "normal", 1, 512, 600)
    at = now()
    return Observation(
        command.submission_id,
        execution_id,
        phase,
        Envelope(command, placement),
        scheduler_job_id="1000",
        started_at=at,
        ended_at=at,
    )


async def tell(story: Story) -> None:
    """Let everything happen that the protocol has."""
    asked = story.as_("admin", "join token").world.admin("POST", "/nodes/join-tokens", {"node_name": "lab-1"})
    token = (await asked).json()["token"]
    request = EnrollRequest(token=token, public_key=keys.public_key_of(story.key), node_version="0.1.0")
    for name in ("enrol", "enrol again"):
        enrolled = await gateway_client.enroll(story.as_("node", name).world.client, request, Clock(now))
        story.node_id = enrolled.management_node_id
    await story.beat("heartbeat start", "agent-1", None)
    await story.beat("heartbeat", "agent-1", 1)
    await story.lease("nothing")
    await completes(story)
    await is_cancelled(story)
    await is_told_one_by_one(story)
    await is_refused(story, token)
    await is_read(story)
    await story.as_("admin", "revoke").world.admin("POST", f"/nodes/{story.node_id}:revoke")
    await refused(story.beat("heartbeat of a revoked node", "agent-2", 2))


async def completes(story: Story) -> None:
    """Run a job to its end, and repeat what may be repeated."""
    command = await story.taken("job-a")
    await story.submit("job-a")
    await story.ack("job-a again", [command])
    await story.ingest("accepted", events.accepted(command, "process-a", now()))
    ran = events.running(command, seen(command, Phase.RUNNING, "process-a"), now())
    summary = {"energy_ev": -1.5, "steps": [1, 2]}
    result = ResultRef(output_uri="s3://results/job-a", metadata_uri="s3://results/job-a.aiida", summary=summary)
    done = events.completed(command, seen(command, Phase.FINISHED, "process-a"), result, now())
    await story.ingest("running and completed", ran, done)
    await story.ingest("completed again", done)


async def is_cancelled(story: Story) -> None:
    """Cancel a job that runs, and ack the cancel."""
    command = await story.taken("job-b")
    ran = events.running(command, seen(command, Phase.RUNNING, "process-b"), now())
    await story.ingest("accepted and running", events.accepted(command, "process-b", now()), ran)
    await story.as_("product", "cancel job-b").world.user("POST", "/jobs/job-b:cancel", {})
    await story.ack("cancel of job-b", await story.lease("cancel of job-b"))
    await story.ingest("cancelled", events.cancelled(command, seen(command, Phase.KILLED, "process-b"), now()))


async def is_told_one_by_one(story: Story) -> None:
    """Deliver single events, under contract 1 and as an older emitter."""
    command = await story.taken("job-c")
    await story.single("accepted", "job-c", body_of(events.accepted(command, "process-c", now())))
    failure = replace(
        seen(command, Phase.FAILED, "process-c"), failure=Failure("exit_310", "it stopped", retryable=True)
    )
    ran = events.running(command, seen(command, Phase.RUNNING, "process-c"), now())
    await story.single("running", "job-c", body_of(ran))
    await story.single("failed", "job-c", body_of(events.failed(command, failure, None, now())))
    command = await story.taken("job-d")
    older = {
        "tenantId": "lab",
        "workspaceId": "physics",
        "jobId": "job-d",
        "submissionId": command.submission_id,
        "executionId": "process-d",
        "traceId": command.trace_id,
    }
    at = rfc3339(now())
    await story.single(
        "older accepted", "job-d", {**older, "eventId": "d-1", "status": "PENDING", "timestamp": at}, contract=""
    )
    ended = {**older, "status": "COMPLETED", "event_time": at, "resultRef": {"outputUri": "s3://results/job-d"}}
    await story.single("older completed", "job-d", {**ended, "eventId": "d-2"}, contract="")
    await story.single("older completed again", "job-d", {**ended, "eventId": "d-2"}, contract="")


async def is_refused(story: Story, token: str) -> None:
    """Meet the refusals that a node acts on."""
    await story.beat("heartbeat of another start", "agent-2", None)
    await refused(story.lease("of a lost lease", 1))
    command = await story.taken("job-e", 2)
    accepted = events.accepted(command, "process-e", now())
    result = ResultRef(output_uri="s3://results/job-e")
    done = events.completed(command, seen(command, Phase.FINISHED, "process-e"), result, now())
    await story.ingest("a gap", done)
    await story.single("of a gap", "job-e", body_of(done))
    await story.single("in no known state", "job-e", {**body_of(accepted), "state": "exploded"})
    nobodys = body_of(accepted.model_copy(update={"submission_id": "sub-none", "event_id": NOBODYS_EVENT}))
    await story.single("of no known submission", "job-e", nobodys)
    await story.single(
        "of an expired token", "job-e", body_of(accepted), iat=int(time.time()) - 120, exp=int(time.time()) - 60
    )
    other = EnrollRequest(token=token, public_key=keys.public_key_of(Ed25519PrivateKey.generate()))
    await refused(gateway_client.enroll(story.as_("node", "enrol by a spent token").world.client, other, Clock(now)))
    await story.submit("job-f", resource_shape={"cpu": 99, "memory_mib": 1, "walltime_seconds": 1})
    await story.submit("job-a", idempotency_key="key-job-b")


async def is_read(story: Story) -> None:
    """Read as the product does."""
    for job in ("job-a", "job-c"):
        for part in ("", "/projection", "/timeline"):
            await story.as_("product", f"read {job}{part}").world.user("GET", f"/jobs/{job}{part}")
    for path in ("/jobs", "/jobs?state=succeeded&limit=1", "/nodes", "/jobs/no-such-job"):
        await story.as_("product", f"read {path}").world.user("GET", path)


def body_of(event: ExecutionEvent) -> dict[str, Any]:
    """Return an event as the agent writes it."""
    body: dict[str, Any] = json.loads(event.model_dump_json(exclude_none=True))
    return body


async def refused(call: Coroutine[Any, Any, object]) -> None:
    """Make a call of which the client tells that it was refused."""
    with contextlib.suppress(GatewayError):
        await call


async def main(commit: str, target: Path) -> None:
    """Record, and write the file."""
    with tempfile.TemporaryDirectory() as folder:
        async with opened(Path(folder)) as world:
            story = Story(world)
            await tell(story)
    recording = {"commit": commit, "exchanges": story.recorder.exchanges}
    target.write_text(json.dumps(recording, sort_keys=True, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    here = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    asyncio.run(main(here, Path(sys.argv[1])))
