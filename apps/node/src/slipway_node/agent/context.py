"""What the agent's tasks share."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol
from weakref import WeakValueDictionary

from pydantic import JsonValue

from slipway_contracts.node_protocol import NodeState
from slipway_node.agent.progress import Progress
from slipway_node.agent.troubles import Troubles
from slipway_node.backoff import Backoff, Pacing
from slipway_node.clock import Clock
from slipway_node.gateway_client import GatewayClient
from slipway_node.home import Home, Identity
from slipway_node.journal import JournalThread
from slipway_node.policy_file import PolicyInForce
from slipway_node.ports import Engine
from slipway_node.tracing import Tracing

Fetch = Callable[[str, Path, Sequence[str]], Awaitable[object]]
"""Lays the payload of an input URI out in a workspace, under the given prefixes alone; raises RefusedJobError."""


class Publish(Protocol):
    """Copies a folder of results below an artifact prefix; returns output_uri and metadata_uri. Blocks."""

    def __call__(  # noqa: D102 - the class says it; these are the parts of a result's address
        self, folder: Path, artifact_prefix: str, *, tenant_id: str, workspace_id: str, job_id: str, submission_id: str
    ) -> tuple[str, str | None]: ...


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the tasks wait, in seconds."""

    lease_wait: float = 20.0
    lease_max: int = 20
    empty_lease: float = 1.0  # between two polls that came back at once with nothing
    look: float = 5.0  # the longest between two looks at open executions
    look_gap: float = 0.25  # the shortest
    look_gap_max: float = 2.0
    resume_after: float = 5.0  # a process still `created` by then may have been left behind
    kill_again: float = 30.0
    health: float = 10.0
    health_answer: float = 5.0  # the engine has other work in hand, which may take long
    stands_still: float = 300.0  # the longest that the engine waits for by itself is a minute
    engine_stop: float = 90.0
    launches_at_once: int = 4
    in_hand: int = 4  # executions that the engine's workers have in hand, before the scheduler or after it
    collections_at_once: int = 2
    cancels_at_once: int = 16  # each mostly waits for its job to end
    backoff_max: float = 30.0

    def gap_after(self, look_seconds: float) -> float:
        """Return how long to rest after a look that took so long: as long again, since a busy node always has a change.

        Within bounds: one that waited for the engine, as for its restart, has not done so much itself.
        """
        return min(max(self.look_gap, look_seconds), self.look_gap_max)


@dataclass(frozen=True, slots=True)
class World:
    """Where time, ids and randomness come from."""

    clock: Clock
    monotonic: Callable[[], float]
    draw: Callable[[], float]  # in [0, 1)
    new_id: Callable[[], str]

    def backoff(self, max_seconds: float) -> Backoff:
        """Return the pauses of one row of tries."""
        return Backoff(self.draw, max_seconds=max_seconds)

    def pacing(self, max_seconds: float) -> Pacing:
        """Return the pauses of many things' tries."""
        return Pacing(self.monotonic, self.draw, max_seconds=max_seconds)


class Wake:
    """Rouses one waiting task; a call that comes while it works is kept for its next wait."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def __call__(self) -> None:
        """Rouse it."""
        self._event.set()

    async def wait(self, timeout_seconds: float) -> None:
        """Return when roused, at the latest after ``timeout_seconds``."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._event.wait()
        self._event.clear()


@dataclass(frozen=True, slots=True)
class Wakes:
    """One for each task that waits for another's work."""

    starting: Wake = field(default_factory=Wake)
    watching: Wake = field(default_factory=Wake)
    cancelling: Wake = field(default_factory=Wake)
    sending: Wake = field(default_factory=Wake)

    def all(self) -> None:
        """Rouse every task, to see that the agent is stopping."""
        for wake in (self.starting, self.watching, self.cancelling, self.sending):
            wake()


class SubmissionLocks:
    """One step at a time a submission: a launch, a kill and a finish never meet."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @contextlib.asynccontextmanager
    async def hold(self, submission_id: str) -> AsyncIterator[None]:
        """Hold the submission's lock."""
        lock = self._locks.setdefault(submission_id, asyncio.Lock())
        async with lock:
            yield


@dataclass(slots=True)
class Sight:
    """What the agent last saw of the world; for its heartbeat and for `status`."""

    epoch: int | None = None
    node_state: NodeState | None = None
    last_contact: datetime | None = None
    last_error: str | None = None
    policy_error: str | None = None
    health: dict[str, JsonValue] = field(default_factory=lambda: {"engine": "starting"})
    troubles: Troubles = field(default_factory=Troubles)


@dataclass(frozen=True, slots=True)
class Context:
    """Everything the tasks work with."""

    home: Home
    identity: Identity
    journal: JournalThread
    journal_id: str
    agent_id: str
    gateway: GatewayClient
    engine: Engine
    fetch: Fetch
    publish: Publish
    read_policy: Callable[[], PolicyInForce]
    world: World
    timing: Timing
    policy: "PolicyNow"
    tracing: Tracing = field(default_factory=Tracing)
    wakes: Wakes = field(default_factory=Wakes)
    locks: SubmissionLocks = field(default_factory=SubmissionLocks)
    sight: Sight = field(default_factory=Sight)
    progress: Progress = field(default_factory=Progress)
    engine_up: asyncio.Event = field(default_factory=asyncio.Event)
    leased: asyncio.Event = field(default_factory=asyncio.Event)  # the gateway gave this agent its epoch
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def now(self) -> datetime:
        """Return the corrected time."""
        return self.world.clock.now()

    async def until(self, event: asyncio.Event) -> bool:
        """Wait for ``event`` or the stop; tell whether it was the event."""
        tasks = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(self.stopping.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        return event.is_set()

    async def pause(self, seconds: float) -> None:
        """Wait, but not past the stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stopping.wait()


@dataclass(slots=True)
class PolicyNow:
    """The policy in force; replaced as a whole when the file's content changes."""

    value: PolicyInForce
