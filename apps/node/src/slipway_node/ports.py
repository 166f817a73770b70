"""What the agent asks of its execution engine. AiiDA and Slurm stand behind it, in aiida/ and slurm/ alone.

Every method may be called again after a kill at any point: ``find`` before ``launch`` is what makes an execution
exactly one, and the engine's own record (label → process → state) is the truth that lost events are rebuilt from.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from pydantic import JsonValue

from slipway_contracts.node_policy import NodePolicy
from slipway_contracts.node_protocol import NodeCommand


class EngineUnavailableError(Exception):
    """The engine or the scheduler could not be asked: nothing is known, nothing changes, try again."""


class EngineStandsStillError(Exception):
    """The engine does not come back from what it was asked, and cannot be made to: only a new agent can go on."""


class EngineSetUpOtherwiseError(Exception):
    """The engine was set up with another scheduler, or another kind of broker, than is asked for now."""


class RefusedJobError(Exception):
    """The job cannot run, whatever is retried: becomes ``failed`` with this code (`invalid_payload`, …)."""

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the job runs: the policy's queue resolved to the scheduler's words."""

    partition: str | None
    account: str | None
    qos: str | None
    cpu: int
    memory_mib: int
    walltime_seconds: int


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is stored with the process, so that its events can be rebuilt from the engine alone."""

    command: NodeCommand
    placement: Placement


class Phase(StrEnum):
    """How far the engine and the scheduler say an execution is."""

    CREATED = "created"  # the process exists; the scheduler has not taken it yet
    PENDING = "pending"  # the scheduler has it, and has not started it
    RUNNING = "running"  # the scheduler said it runs
    RETRIEVING = "retrieving"  # the scheduler is done with it; its results or its verdict are on their way
    FINISHED = "finished"  # sealed, exit status 0
    FAILED = "failed"  # sealed, another end
    KILLED = "killed"  # sealed, killed


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an execution failed, in the contract's words."""

    code: str
    message: str
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class Observation:
    """What is known of one execution at one look. ``trouble`` says why no more can be told of it now."""

    submission_id: str
    execution_id: str
    phase: Phase
    envelope: Envelope
    scheduler_job_id: str | None = None
    ended_at: datetime | None = None
    failure: Failure | None = None
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Launched:
    """An execution as the engine has kept it: the process, what it was launched with, and when it ended, if it has."""

    execution_id: str
    envelope: Envelope
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Collected:
    """A finished execution's results, written into a local folder."""

    folder: Path  # retrieved files and results.json
    archive: Path | None  # AiiDA archive of the provenance
    summary: dict[str, JsonValue] = field(default_factory=dict)


class Engine(Protocol):
    """AiiDA, seen from the agent."""

    async def start(self) -> None:
        """Bring the engine up (profile loaded, daemon running); raises EngineUnavailableError."""
        ...

    async def stop(self) -> None:
        """Let the engine go down cleanly; scheduler jobs run on and are taken up at the next start."""
        ...

    def use_policy(self, policy: NodePolicy, program_paths: Mapping[str, str]) -> None:
        """Judge later launches by ``policy``; ``program_paths`` says where programs lie that are not on the PATH."""
        ...

    async def find(self, submission_ids: Sequence[str]) -> dict[str, str]:
        """Return submission_id → execution_id for those that have a process, by label."""
        ...

    async def launch(self, envelope: Envelope, workspace: Path) -> str:
        """Check and launch the job document fetched into ``workspace``; return the execution_id.

        The label (submission_id) and the envelope are written with the process, in one transaction. Raises
        RefusedJobError when the document cannot be run.
        """
        ...

    async def launched_since(self, moment: datetime, besides: Collection[str]) -> list[Launched]:
        """Return what has changed since ``moment`` or has not ended, oldest first, but no submission of ``besides``.

        May be asked before ``start``, since it takes the engine's record alone. Raises EngineUnavailableError.
        """
        ...

    async def observe(self, submission_ids: Sequence[str]) -> list[Observation]:
        """Return what is known of these executions, with one query whatever their number.

        One whose end the scheduler could not be asked about has not ended yet, and is no reason to keep the others.
        """
        ...

    async def resume(self, execution_ids: Sequence[str]) -> None:
        """Continue processes that were stored and never taken up; nothing happens to one that is in work."""
        ...

    async def kill(self, execution_id: str) -> bool:
        """Kill the process and its scheduler job; returns when the kill is on its way.

        False says that the engine has no such process any more, and that nothing of it is left at Slurm.
        """
        ...

    async def collect(self, execution_id: str, folder: Path) -> Collected:
        """Write results and provenance of a sealed execution into ``folder`` (emptied first)."""
        ...

    async def changed(self, timeout_seconds: float) -> None:
        """Return when some execution may have changed, at the latest after ``timeout_seconds``."""
        ...

    async def health(self) -> dict[str, JsonValue]:
        """Return what an admin wants to know: daemon, workers, broker, scheduler."""
        ...

    def stands_still_seconds(self) -> float:
        """Return for how long the engine has done nothing of what it was asked, at looks that came often; 0 else."""
        ...
