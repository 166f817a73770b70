"""A test double of the Engine port: executions go on only when the test's script says so. It runs nothing.

It keeps what the real engine keeps in its database (label → process), so that a second agent on the same double finds
what the first one launched. Used in tests of the agent alone; the real engine has its own tests in tests/aiida.
"""

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import JsonValue

from slipway_contracts.node_policy import NodePolicy
from slipway_node.ports import (
    Collected,
    EngineUnavailableError,
    Envelope,
    Failure,
    Launched,
    Observation,
    Phase,
    RefusedJobError,
)

ENDED = {Phase.FINISHED, Phase.FAILED, Phase.KILLED}
JOB_ID_OFFSET = 1000


class ScriptedEngine:
    """Says of each execution what the test has set; counts what it was asked to do."""

    def __init__(self, *, first_phase: Phase = Phase.PENDING) -> None:
        self.processes: dict[str, Observation] = {}
        self.asked: Counter[str] = Counter()
        self.launched: Counter[str] = Counter()  # submission_id → processes made
        self.killed: Counter[str] = Counter()  # execution_id → kills
        self.workspaces: list[Path] = []
        self.unavailable = False
        self.unreadable: set[str] = set()  # submission_ids whose record is there and cannot be read
        self.refusal: RefusedJobError | None = None
        self.first_phase = first_phase
        self.kill_works = True
        self.kills_to_come: dict[str, asyncio.Event] = {}  # submission_id → until when its kill has no answer
        self.still_seconds = 0.0
        self.answers = asyncio.Event()  # to the question how it is, and to its stop
        self.answers.set()
        self.may_collect = asyncio.Event()
        self.may_collect.set()
        self.policy: NodePolicy | None = None
        self.program_paths: Mapping[str, str] = {}
        self._changes = asyncio.Event()

    # what a test says

    def set(self, submission_id: str, phase: Phase, **more: object) -> None:
        """Move an execution, and wake who waits for a change."""
        seen = self.processes[submission_id]
        now = datetime.now(UTC)
        job_id = None if phase is Phase.CREATED else str(JOB_ID_OFFSET + list(self.processes).index(submission_id))
        ended_at = now if phase in ENDED else None
        failure = Failure("exit_310", "the calculation stopped") if phase is Phase.FAILED else None
        moved = replace(seen, phase=phase, scheduler_job_id=job_id, ended_at=ended_at, failure=failure)
        self.processes[submission_id] = replace(moved, **more)  # type: ignore[arg-type]
        self._changes.set()

    # the port

    async def start(self) -> None:
        self._ask("start")

    async def stop(self) -> None:
        self.asked["stop"] += 1
        await self.answers.wait()

    def stands_still_seconds(self) -> float:
        return self.still_seconds

    def use_policy(self, policy: NodePolicy, program_paths: Mapping[str, str]) -> None:
        self.policy, self.program_paths = policy, program_paths

    async def find(self, submission_ids: Sequence[str]) -> dict[str, str]:
        self._ask("find")
        return {key: seen.execution_id for key, seen in self.processes.items() if key in submission_ids}

    async def launch(self, envelope: Envelope, workspace: Path) -> str:
        self._ask("launch")
        self.workspaces.append(workspace)
        if self.refusal is not None:
            raise self.refusal
        submission_id = envelope.command.submission_id
        self.launched[submission_id] += 1
        execution_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{submission_id}/{self.launched[submission_id]}"))
        self.processes[submission_id] = Observation(submission_id, execution_id, Phase.CREATED, envelope)
        self.set(submission_id, self.first_phase)
        return execution_id

    async def launched_since(self, moment: datetime, besides: Collection[str]) -> list[Launched]:
        self._ask("launched_since")
        return [
            Launched(seen.execution_id, seen.envelope, seen.ended_at)
            for key, seen in self.processes.items()
            if key not in {*besides, *self.unreadable} and (seen.ended_at is None or seen.ended_at >= moment)
        ]

    async def observe(self, submission_ids: Sequence[str]) -> list[Observation]:
        self._ask("observe")
        return [seen for key, seen in self.processes.items() if key in submission_ids and key not in self.unreadable]

    async def resume(self, execution_ids: Sequence[str]) -> None:
        self._ask("resume")
        for submission_id in map(self._submission_of, execution_ids):
            if self.processes[submission_id].phase is Phase.CREATED:
                self.set(submission_id, Phase.PENDING)

    async def kill(self, execution_id: str) -> bool:
        self._ask("kill")
        self.killed[execution_id] += 1
        if all(seen.execution_id != execution_id for seen in self.processes.values()):
            return False
        submission_id = self._submission_of(execution_id)
        if submission_id in self.kills_to_come:
            await self.kills_to_come[submission_id].wait()
        if self.kill_works and self.processes[submission_id].phase not in ENDED:
            self.set(submission_id, Phase.KILLED)
        return True

    async def collect(self, execution_id: str, folder: Path) -> Collected:
        self._ask("collect")
        await self.may_collect.wait()
        summary: dict[str, JsonValue] = {"energy_ev": -213.03195}
        await asyncio.to_thread(_write, folder, {"execution_id": execution_id, **summary})
        return Collected(folder=folder, archive=None, summary=summary)

    async def changed(self, timeout_seconds: float) -> None:
        self._ask("changed")
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._changes.wait()
        except TimeoutError:
            return
        self._changes.clear()

    async def health(self) -> dict[str, JsonValue]:
        self._ask("health")
        await self.answers.wait()
        return {"engine": "scripted"}

    def _ask(self, what: str) -> None:
        self.asked[what] += 1
        if self.unavailable:
            raise EngineUnavailableError("the script says so")

    def _submission_of(self, execution_id: str) -> str:
        return next(key for key, seen in self.processes.items() if seen.execution_id == execution_id)


def _write(folder: Path, results: dict[str, JsonValue]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results))
