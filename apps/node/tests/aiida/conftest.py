import asyncio
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rabbitmq import RabbitMq, is_here, rabbitmq_in

from slipway_contracts.node_policy import NodePolicy, QueuePolicy
from slipway_contracts.node_protocol import CommandKind, NodeCommand
from slipway_node.aiida import profile
from slipway_node.aiida.engine import AiidaEngine
from slipway_node.amqp_address import amqp_address
from slipway_node.payloads import fetch
from slipway_node.ports import Envelope, Observation, Phase, Placement
from slipway_node.slurm.cluster import Cluster

OPEN = {Phase.CREATED, Phase.PENDING, Phase.RUNNING, Phase.RETRIEVING}
PSEUDO = Path("/usr/share/espresso/pseudo/Si.pz-vbc.UPF")
RABBITMQ = "rabbitmq"
AVAILABLE: dict[str, Callable[[], bool]] = {
    "aiida": lambda: True,  # a dependency of the node
    "pw.x": lambda: shutil.which("pw.x") is not None and PSEUDO.is_file(),
    "slurm": lambda: Cluster().answers(),
    "rabbitmq": is_here,
}


@pytest.fixture(scope="module", autouse=True)
def _services(request: pytest.FixtureRequest) -> None:
    for mark in request.node.iter_markers("service"):
        name = mark.args[0]
        if AVAILABLE[name]():
            continue
        if os.environ.get("SLIPWAY_REQUIRE_SERVICES") == "1":
            pytest.fail(f"{name} is required and missing")
        pytest.skip(f"{name} is missing")


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMq]:
    with rabbitmq_in(tmp_path_factory.mktemp("rabbitmq")) as server:
        yield server


@pytest.fixture(scope="module")
def broker(request: pytest.FixtureRequest) -> str:
    """Which broker the engine has; a module may ask for others by parametrizing this."""
    return getattr(request, "param", "zeromq")


@pytest.fixture(scope="session")
def homes(request, tmp_path_factory: pytest.TempPathFactory) -> Callable[[profile.SchedulerKind, str], Path]:
    """One home a scheduler and broker for the whole session, its profile set up at its first use."""
    made: dict[tuple[profile.SchedulerKind, str], Path] = {}

    def home(kind: profile.SchedulerKind, broker: str) -> Path:
        if (kind, broker) not in made:
            address = amqp_address(request.getfixturevalue("rabbitmq").url) if broker == RABBITMQ else None
            made[kind, broker] = tmp_path_factory.mktemp(f"home-{kind}-{broker}")
            profile.set_up(made[kind, broker], kind, address)
        return made[kind, broker]

    return home


@pytest.fixture(scope="module")
def engine(request: pytest.FixtureRequest, homes, broker, _services):
    policy = NodePolicy(
        policy_version="1",
        queues={"q": QueuePolicy()},
        programs=["python3", "sh", "pw.x", "not-installed-anywhere"],
        input_prefixes=["file:///tmp", "data:"],
    )
    running = AiidaEngine(homes(request.module.SCHEDULER, broker), policy, workers=1)
    asyncio.run(running.start())
    yield running
    asyncio.run(running.stop())


class Lab:
    """Says in a test's words what is done with an engine."""

    def __init__(self, engine: AiidaEngine, folder: Path, placement: Placement) -> None:
        self.engine, self.folder, self.placement = engine, folder, placement

    def envelope(self, **placement) -> Envelope:
        command = NodeCommand(
            command_id="c1",
            kind=CommandKind.SUBMIT,
            submission_id=str(uuid.uuid4()),
            tenant_id="t1",
            workspace_id="w1",
            job_id="j1",
            attempt=1,
            trace_id="0" * 32,
            expires_at=datetime.now(UTC),
        )
        return Envelope(command, replace(self.placement, **placement))

    async def launch(self, document: str, *, files: dict[str, str] | None = None, **placement) -> tuple[str, str]:
        """Write the document, fetch and launch it; return submission_id and execution_id."""
        envelope = self.envelope(**placement)
        source = self.folder / "source" / envelope.command.submission_id
        source.mkdir(parents=True)
        for name, content in {"slipway.yaml": document, **(files or {})}.items():
            (source / name).write_text(content)
        workspace = self.folder / "workspaces" / envelope.command.submission_id
        await fetch((source / "slipway.yaml").as_uri(), workspace, [self.folder.as_uri()])
        return envelope.command.submission_id, await self.engine.launch(envelope, workspace)

    async def run_sh(self, script: str, **placement) -> tuple[str, str]:
        return await self.launch(SH, files={"job.sh": script}, **placement)

    async def observed(self, submission_id: str) -> Observation:
        [seen] = await self.engine.observe([submission_id])
        return seen

    async def until(self, submission_id: str, reached: Callable[[Observation], bool]) -> Observation:
        while not reached(seen := await self.observed(submission_id)):
            await self.engine.changed(1.0)
        return seen

    async def until_ended(self, submission_id: str) -> Observation:
        return await self.until(submission_id, lambda seen: seen.phase not in OPEN)

    async def until_written(self, submission_id: str, file: Path) -> None:
        """Wait for a job to have written ``file``: it runs, whatever anyone says."""
        await self.until(submission_id, lambda _: file.exists())


SH = """slipway: 1
kind: shell
program: sh
arguments: ["{script}"]
files: {script: {uri: job.sh}}
"""


@pytest.fixture
def lab(engine: AiidaEngine, tmp_path: Path, request: pytest.FixtureRequest) -> Lab:
    return Lab(engine, tmp_path, request.module.PLACEMENT)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be waited for that only guards against slowness."""
    monkeypatch.setattr("slipway_node.aiida.submission.SETTLE_SECONDS", 0.0)
    monkeypatch.setattr("slipway_node.aiida.engine.SUPERVISE_SECONDS", 0.0)


@pytest.fixture
def daemon_pids(engine: AiidaEngine) -> Callable[[str], list[int]]:
    """Return this engine's process ids: ``worker``, ``broker``, supervisor (``start-circus``) or its ``stats``."""

    def pids(word: str) -> list[int]:
        pattern = "from circus import stats" if word == "stats" else f"verdi -p {profile.PROFILE} daemon.*{word}"
        found = subprocess.run(["pgrep", "-f", pattern], capture_output=True, text=True, check=False)
        return [int(pid) for pid in found.stdout.split() if str(engine._home.resolve()) in _environment(pid)]

    return pids


def _environment(pid: str) -> str:
    """Return a process's environment; none of one that has ended meanwhile, as those of other tests' engines may."""
    try:
        return Path(f"/proc/{pid}/environ").read_text(errors="replace")
    except OSError:
        return ""


@pytest.fixture(scope="module")
def offer(_services):
    return Cluster().offer()


@pytest.fixture
def here(offer) -> dict[str, object]:
    """Whatever partition and account the Slurm at hand has."""
    accounts = [mine.account for mine in offer.associations]
    return {"partition": next(iter(offer.partitions)), "account": accounts[0] if accounts else None}
