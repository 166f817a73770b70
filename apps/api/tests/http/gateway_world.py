"""Tenants, users and nodes of a test, and the gateway they talk to: the real application on a real store."""

import base64
import contextlib
import hashlib
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from slipway_contracts.execution_event import ExecutionState, event_id_for
from slipway_contracts.node_protocol import NODE_TOKEN_AUDIENCE
from slipway_gateway.app import build
from slipway_gateway.auth.dev_issuer import ISSUER, issue
from slipway_gateway.auth.nodes import NodeTokens
from slipway_gateway.auth.users import UserTokens
from slipway_gateway.context import Services
from slipway_gateway.edge import Edge
from slipway_gateway.ports import ProductStore
from slipway_gateway.settings import Settings
from slipway_gateway.stores import open_store
from slipway_gateway.usecases.streams import Streams

API = "/api/runtime"
POLICY: dict[str, Any] = {
    "policy_version": "p1",
    "queues": {
        "default": {
            "accounts": ["chem"],
            "qos": ["normal"],
            "limits": {"cpu": 8, "memory_mib": 16_000, "walltime_seconds": 7200},
        }
    },
    "programs": ["python3"],
    "input_prefixes": ["https://inputs.example/", "data:"],
    "artifact_prefixes": ["s3://results/"],
}


@dataclass
class TestNode:
    """A node with its key; it signs as the real one does."""

    __test__ = False

    tenant: str
    key: Ed25519PrivateKey
    node_id: str = ""
    epoch: int | None = None
    agent_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def public_key(self) -> str:
        raw = self.key.public_key().public_bytes_raw()
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    def token(self, method: str, path: str, body: bytes, now: datetime, **changed: object) -> str:
        claims = {
            "iss": self.node_id,
            "aud": NODE_TOKEN_AUDIENCE,
            "iat": int(now.timestamp()),
            "exp": int(now.timestamp()) + 30,
            "htm": method,
            "htu": path,
            "bsh": hashlib.sha256(body).hexdigest(),
            **changed,
        }
        return jwt.encode(claims, self.key, algorithm="EdDSA")


@dataclass
class World:
    """The gateway under test. ``now`` is its clock: tests move it."""

    client: httpx.AsyncClient
    services: Services
    issuer_key: ec.EllipticCurvePrivateKey
    now: datetime
    edge: Edge
    nodes: dict[str, TestNode] = field(default_factory=dict)

    def token(self, tenant: str = "lab", *, workspaces: tuple[str, ...] = ("physics",), **claims: Any) -> str:
        wanted = {"user_id": "ada", "role": "member", "audience": "slipway", **claims}
        return issue(
            self.issuer_key, tenant_id=tenant, workspace_ids=workspaces, now=datetime.now(UTC).timestamp(), **wanted
        )

    async def user(self, method: str, path: str, body: Any = None, **claims: Any) -> httpx.Response:
        """Call as a user of the tenant and workspaces in ``claims``."""
        headers = {"Authorization": f"Bearer {self.token(**claims)}"}
        return await self.client.request(method, f"{API}{path}", json=body, headers=headers)

    async def admin(self, method: str, path: str, body: Any = None, **claims: Any) -> httpx.Response:
        return await self.user(method, path, body, role="admin", user_id="root", **claims)

    async def node(
        self,
        node: TestNode,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        claims: dict[str, object] | None = None,
    ) -> httpx.Response:
        """Call as ``node``, signed; ``claims`` replaces parts of its token."""
        data = b"" if body is None else json.dumps(body).encode()
        url = f"{API}{path}"
        token = node.token("POST", urlsplit(url).path, data, datetime.now(UTC), **(claims or {}))
        sent = {"Authorization": f"Bearer {token}", "Slipway-Contract": "1", **(headers or {})}
        sent = {name: value for name, value in sent.items() if value}
        return await self.client.post(url, content=data, headers=sent)

    async def enroll(self, tenant: str) -> TestNode:
        """Enrol a node of ``tenant``; it sends its first heartbeat."""
        node = TestNode(tenant, Ed25519PrivateKey.generate())
        join = (await self.admin("POST", "/nodes/join-tokens", {}, tenant=tenant)).json()
        enrolled = await self.client.post(
            f"{API}/nodes:enroll", json={"token": join["token"], "public_key": node.public_key}
        )
        node.node_id = enrolled.json()["management_node_id"]
        await self.beat(node)
        self.nodes[tenant] = node
        return node

    async def beat(self, node: TestNode, **changed: Any) -> httpx.Response:
        """Send a heartbeat; the first one is a start and brings the epoch."""
        body = {
            "agent_id": node.agent_id,
            "epoch": node.epoch,
            "journal_id": "j1",
            "node_version": "test",
            "policy": POLICY,
            **changed,
        }
        answer = await self.node(node, f"/nodes/{node.node_id}:heartbeat", body)
        if answer.status_code == 200:
            node.epoch = answer.json()["epoch"]
        return answer

    def command(self, tenant: str = "lab", **changed: Any) -> dict[str, Any]:
        """Return a command that the tenant's node would take."""
        return {
            "tenant_id": tenant,
            "workspace_id": "physics",
            "job_id": f"job-{uuid.uuid4().hex[:8]}",
            "idempotency_key": uuid.uuid4().hex,
            "management_node_id": self.nodes[tenant].node_id if tenant in self.nodes else "node-none",
            "execution_profile": {"queue_name": "default"},
            "resource_shape": {"cpu": 1, "memory_mib": 512, "walltime_seconds": 600},
            "payload_ref": {"input_uri": "https://inputs.example/cu.yaml"},
            "requested_by": {"user_id": "ada"},
            **changed,
        }

    async def submit(self, command: dict[str, Any] | None = None, **claims: Any) -> httpx.Response:
        return await self.user("POST", "/jobs:submit", command or self.command(), **claims)

    async def submitted(self, **changed: Any) -> dict[str, Any]:
        """Submit a job and return command and answer as one."""
        command = self.command(**changed)
        answer = await self.submit(command, tenant=command["tenant_id"])
        assert answer.status_code == 202, answer.text
        return {**command, **answer.json()}

    async def lease(self, node: TestNode, **changed: Any) -> httpx.Response:
        body = {"epoch": node.epoch, "journal_id": "j1", "wait_seconds": 0, **changed}
        return await self.node(node, f"/nodes/{node.node_id}/commands:lease", body)

    async def ack(self, node: TestNode, command_ids: list[str], **changed: Any) -> httpx.Response:
        body = {"epoch": node.epoch, "journal_id": "j1", "command_ids": command_ids, **changed}
        return await self.node(node, f"/nodes/{node.node_id}/commands:ack", body)

    async def taken(self, **changed: Any) -> dict[str, Any]:
        """Submit a job that the node leases and acks."""
        job = await self.submitted(**changed)
        node = self.nodes[job["tenant_id"]]
        commands = (await self.lease(node)).json()["commands"]
        mine = [entry["command_id"] for entry in commands if entry["submission_id"] == job["submission_id"]]
        assert (await self.ack(node, mine)).status_code == 200
        return job

    def event(self, job: dict[str, Any], state: ExecutionState | str, **changed: Any) -> dict[str, Any]:
        """Return the event of ``job`` in ``state``, as contract 1 has it."""
        state = ExecutionState(state)
        execution_id = changed.get("execution_id", "process-1")
        extra: dict[str, Any] = {}
        if state is ExecutionState.COMPLETED:
            extra["result_ref"] = {"output_uri": "s3://results/1", "summary": {"energy_ev": -1.5}}
        if state is ExecutionState.FAILED:
            extra["error"] = {"code": "exit_400", "message": "it broke", "retryable": False}
        return {
            "event_id": event_id_for(job["submission_id"], execution_id, state),
            "tenant_id": job["tenant_id"],
            "workspace_id": job["workspace_id"],
            "job_id": job["job_id"],
            "submission_id": job["submission_id"],
            "execution_id": execution_id,
            "state": state.value,
            "occurred_at": "2026-01-01T00:00:00Z",
            "trace_id": job["trace_id"],
            **extra,
            **changed,
        }

    async def tell(self, job: dict[str, Any], state: ExecutionState | str, **changed: Any) -> httpx.Response:
        """Report the event of ``job`` in ``state``."""
        node = self.nodes[job["tenant_id"]]
        return await self.node(node, f"/jobs/{job['job_id']}/events", self.event(job, state, **changed))

    async def run(self, job: dict[str, Any], *states: str) -> None:
        """Report several events, each of which must be applied."""
        for state in states:
            answer = await self.tell(job, state)
            assert answer.status_code == 200, answer.text

    async def state(self, job: dict[str, Any]) -> str:
        """Return the job's projection state."""
        answer = await self.user("GET", f"/jobs/{job['job_id']}/projection", tenant=job["tenant_id"])
        return str(answer.json()["projection_state"])

    def later(self, seconds: float) -> None:
        """Move the gateway's clock."""
        self.now += timedelta(seconds=seconds)


@contextlib.asynccontextmanager
async def opened(folder: Path, store: ProductStore | None = None, **settings: Any) -> AsyncIterator[World]:
    """Open a gateway on ``store``, or on one in ``folder``."""
    store = store or await open_store(folder / "slipway.db")
    key = ec.generate_private_key(ec.SECP256R1())
    users = UserTokens(ISSUER, "slipway", {None: key.public_key()})
    world: World
    set_up = Settings(data_dir=folder, **settings)
    streams = Streams(store, set_up.max_streams_per_tenant)
    services = Services(
        store,
        users,
        NodeTokens(store),
        set_up,
        streams,
        clock=lambda: world.now,
    )
    application = build()
    application.state.services = services
    edge = Edge(application, services.settings.max_in_flight, services.settings.max_streams, services.metrics)
    transport = httpx.ASGITransport(app=edge, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        world = World(client, services, key, datetime.now(UTC), edge)
        try:
            yield world
        finally:
            await store.close()
