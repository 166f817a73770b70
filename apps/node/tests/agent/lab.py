"""A node's home, its gateway in memory and its scripted engine, as tests of the agent use them."""

import asyncio
import contextlib
import random
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import httpx
from scripted_engine import ScriptedEngine
from wire_gateway import NODE_ID, WireGateway

from slipway_contracts.submit_job_command import SubmitJobCommand
from slipway_node import keys, policy_file, running
from slipway_node.agent.agent import Agent, StopTiming
from slipway_node.agent.context import Context, PolicyNow, Timing, World
from slipway_node.clock import Clock
from slipway_node.gateway_client import GatewayClient, Ids
from slipway_node.home import Home, Identity
from slipway_node.journal import Journal, JournalThread
from slipway_node.results.publishing import publish
from slipway_node.tracing import Tracing

POLICY = """
queues:
  default:
    limits: {cpu: 4, memory_mib: 4096, walltime_seconds: 3600}
  narrow:
    partition: thin
    default_account: chem
    limits: {jobs: 1}
programs: {python3: }
input_prefixes: ["data:", "file:///inputs"]
artifact_prefixes: ["ARTIFACTS"]
"""
TIMING = Timing(
    lease_wait=1.0,
    empty_lease=0.01,
    look=0.05,
    look_gap=0.0,
    resume_after=0.05,
    kill_again=0.1,
    health=0.05,
    backoff_max=0.02,
)


def now() -> datetime:
    return datetime.now(UTC)


class Lab:
    """A node's home with its gateway and engine, on which agents are run one after another."""

    def __init__(self, root: Path) -> None:
        self.home = Home(root / "home")
        self.home.create()
        key = keys.load_or_create(self.home.key_file)
        self.home.remember(
            Identity(gateway_url="http://gateway.test", management_node_id=NODE_ID, tenant_id="t1", node_name="lab")
        )
        self.write_policy(POLICY)
        self.gateway = WireGateway(keys.public_key_of(key))
        self.engine = ScriptedEngine()
        self.timing = TIMING
        self.system_clock = now
        self.fetched: list[tuple[str, tuple[str, ...]]] = []
        self.journal_thread = JournalThread
        self.tracing = Tracing()

    def write_policy(self, text: str) -> None:
        self.home.policy_file.write_text(text.replace("ARTIFACTS", self.home.artifacts.as_uri()))

    def command(self, job_id: str = "j1", **changes) -> SubmitJobCommand:
        body = {
            "tenant_id": "t1",
            "workspace_id": "w1",
            "job_id": job_id,
            "idempotency_key": job_id,
            "management_node_id": NODE_ID,
            "execution_profile": {"queue_name": "default"},
            "resource_shape": {"cpu": 1, "memory_mib": 64, "walltime_seconds": 60},
            "payload_ref": {"input_uri": "data:,slipway"},
            "requested_by": {"user_id": "u1"},
        }
        return SubmitJobCommand.model_validate(body | changes)

    def submit(self, job_id: str = "j1", **changes) -> str:
        return self.gateway.submit(self.command(job_id, **changes))

    def journal(self) -> Journal:
        """A second view of the agent's journal."""
        return Journal.open_for_reading(self.home.journal_file, clock=now)

    def lose_the_journal(self) -> None:
        for path in self.home.root.glob("journal.db*"):
            path.unlink()

    async def fetch(self, uri: str, workspace: Path, prefixes: Sequence[str]) -> None:
        self.fetched.append((uri, tuple(prefixes)))
        await asyncio.to_thread(workspace.mkdir, parents=True, exist_ok=True)

    @contextlib.asynccontextmanager
    async def context(self) -> AsyncIterator[Context]:
        identity = self.home.identity()
        clock = Clock(self.system_clock)
        generator = random.Random(7)
        world = World(clock, time.monotonic, generator.random, lambda: str(uuid.uuid4()))
        journal = await self.journal_thread.open(
            lambda: Journal.open(self.home.journal_file, new_id=world.new_id, clock=now)
        )
        ids = Ids(lambda: uuid.uuid4().hex, lambda: uuid.uuid4().hex[:16])
        signer = keys.Signer(keys.load(self.home.key_file), NODE_ID)
        async with httpx.AsyncClient(base_url=identity.gateway_url, transport=self.gateway.transport()) as http:
            policy = policy_file.read(self.home.policy_file)
            try:
                yield Context(
                    home=self.home,
                    identity=identity,
                    journal=journal,
                    journal_id=await running.id_of(journal, self.home.journal_file),
                    agent_id=world.new_id(),
                    gateway=GatewayClient(http, NODE_ID, signer, clock, ids),
                    engine=self.engine,
                    fetch=self.fetch,
                    publish=publish,
                    read_policy=lambda: policy_file.read(self.home.policy_file),
                    world=world,
                    timing=self.timing,
                    policy=PolicyNow(policy),
                    tracing=self.tracing,
                )
            finally:
                await journal.close()

    @contextlib.asynccontextmanager
    async def agent(self) -> AsyncIterator[Agent]:
        """Run an agent beside the test, and stop it cleanly afterwards."""
        async with self.context() as context:
            agent = Agent(context, stop=StopTiming(steps=5.0, flush=1.0))
            work = asyncio.create_task(agent.run())
            try:
                yield agent
                agent.stop()
                await work
            finally:
                work.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await work

    async def run_to_the_end(self, submission_id: str) -> None:
        """Run an agent until nothing of the submission is open at the gateway."""
        async with self.agent():
            await self.ended(submission_id)

    async def ended(self, submission_id: str) -> None:
        from slipway_contracts.lifecycle import is_terminal

        await self.gateway.until(lambda: is_terminal(self.gateway.projection(submission_id)))
