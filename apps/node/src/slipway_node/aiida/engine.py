"""The Engine port on AiiDA."""

import asyncio
import contextlib
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, assert_never

import structlog
from pydantic import JsonValue

from slipway_contracts.node_policy import NodePolicy
from slipway_node.aiida import (
    brokers,
    codes,
    collecting,
    observing,
    placement,
    profile,
    pw_job,
    queries,
    recalling,
    set_back,
    shell_job,
    submission,
    verdicts,
    work_directory,
)
from slipway_node.aiida.daemon import Daemon
from slipway_node.aiida.profile import SchedulerKind
from slipway_node.aiida.record_times import CORRECTION
from slipway_node.aiida.standstill import Standstill
from slipway_node.aiida.supervision import Supervision
from slipway_node.aiida.thread import EngineThread
from slipway_node.filesystem import why_not_for_jobs
from slipway_node.lock import AgentLock, LockHeldError, this_process
from slipway_node.payloads import PwDocument, ShellDocument, load
from slipway_node.ports import (
    Collected,
    EngineUnavailableError,
    Envelope,
    Launched,
    Observation,
    Placement,
    RefusedJobError,
)
from slipway_node.slurm.cluster import Cluster
from slipway_node.storage import require_writable, why_not_writable

POLL_SECONDS = 0.5  # a label query costs 5 ms
SUPERVISE_SECONDS = 5.0  # a look at processes and what they say of themselves: 30 ms
KILL_SECONDS = 10.0
SCHEDULER_SECONDS = 2.0  # it answers within 20 ms
ANSWER_SECONDS = 2.0  # a worker that answers later does what it was told
KILL_POLL_SECONDS = 0.1  # a look at one record costs 2 ms, and a kill takes 0.15 s
KILLED_BY = "killed by Slipway's agent"
LOCK = "slipway-agent.lock"

_log = structlog.get_logger(__name__)


class AiidaEngine:
    """Runs jobs through the AiiDA profile under ``home``; all its work is done in one thread.

    ``policy`` says what may run, ``program_paths`` where the admin has put a program that is not on the PATH.
    """

    def __init__(
        self, home: Path, policy: NodePolicy, *, program_paths: Mapping[str, str] | None = None, workers: int = 1
    ) -> None:
        self._home = home
        self._policy = policy
        self._program_paths = program_paths or {}
        self._thread = EngineThread()
        self._daemon = Daemon(workers)
        self._supervision = Supervision(self._daemon)
        self._standstill = Standstill(self._thread, time.monotonic)
        self._cluster = Cluster()
        self._scheduler = SchedulerKind.DIRECT
        self._loaded = False
        self._lock: AgentLock | None = None
        self._seen: Any = None
        self._supervised_at = 0.0

    async def start(self) -> None:
        """Load the profile and bring the daemon up; raises EngineUnavailableError."""
        await self._thread.run(self._start)

    async def stop(self) -> None:
        """Stop the daemon; jobs at the scheduler run on and are taken up at the next start."""
        try:
            if self._lock is not None:  # else the daemon is another agent's, which shares the profile
                await self._thread.run(self._daemon.stop)
        finally:
            self._thread.close()
            if self._lock is not None:
                self._lock.release()

    def use_policy(self, policy: NodePolicy, program_paths: Mapping[str, str]) -> None:
        """Judge what is launched from now on by ``policy``."""
        self._policy, self._program_paths = policy, program_paths

    async def find(self, submission_ids: Sequence[str]) -> dict[str, str]:
        """Return submission_id → execution_id for those that have a process."""
        return await self._thread.run(queries.execution_ids, submission_ids)

    async def launch(self, envelope: Envelope, workspace: Path) -> str:
        """Store the process and hand it to the daemon; return its uuid, that of the first launch at each further one.

        Raises RefusedJobError; EngineUnavailableError after which a process may have been stored or not.
        """
        return await self._thread.run(self._launch, envelope, workspace)

    async def launched_since(self, moment: datetime, besides: Collection[str]) -> list[Launched]:
        """Return what has changed since ``moment`` or has not ended, but none of ``besides``; needs no daemon."""
        return await self._thread.run(self._launched_since, moment, besides)

    async def observe(self, submission_ids: Sequence[str]) -> list[Observation]:
        """Return what is known of these executions."""
        await self._supervise()
        return await self._thread.run(self._observe, submission_ids)

    async def resume(self, execution_ids: Sequence[str]) -> None:
        """Continue processes that were stored and never taken up; nothing happens to one that is queued or in work."""
        await self._thread.run(_resume, execution_ids)

    async def kill(self, execution_id: str) -> bool:
        """Kill the process and its scheduler job; raises EngineUnavailableError while no worker answers for it.

        The worker is told once: to be told again while its scheduler takes long would have it begin anew. False where
        there is no such process; nothing of it is left at Slurm then. What AiiDA has started by itself runs on.
        """
        if not await self._thread.run(submission.note_cancel, execution_id):
            await self._thread.run(self._withdraw_what_has_no_record, execution_id)
            return False
        clock = asyncio.get_running_loop().time
        deadline = clock() + KILL_SECONDS
        while not await self._thread.run(queries.has_ended, execution_id):
            if clock() > deadline:
                raise EngineUnavailableError(f"no worker has answered to the kill of {execution_id} yet")
            answer = await self._thread.run(_kill, execution_id)
            await self._ended_or_unheard(execution_id, answer, deadline)
        return True

    async def _ended_or_unheard(self, execution_id: str, answer: Future[Any] | None, deadline: float) -> None:
        """Return when the process has ended, when its kill is to be told again, unheard, or at the deadline."""
        clock, brought_back = asyncio.get_running_loop().time, self._supervision.count
        looked_after_at = clock() + ANSWER_SECONDS
        while clock() < deadline and not await self._thread.run(queries.has_ended, execution_id):
            unheard = answer is None or (answer.done() and _is_refused(answer))
            if unheard or clock() > looked_after_at:
                looked_after_at = clock() + ANSWER_SECONDS
                await self._supervise(at_once=True)  # who would have answered may be gone
                unheard = unheard or self._supervision.count != brought_back
            await asyncio.sleep(POLL_SECONDS if unheard else KILL_POLL_SECONDS)
            if unheard:
                return

    async def collect(self, execution_id: str, folder: Path) -> Collected:
        """Write results and provenance of a sealed execution into ``folder`` (emptied first)."""
        return await self._thread.run(_collect, execution_id, folder)

    async def changed(self, timeout_seconds: float) -> None:
        """Return when some process changed in the database, at the latest after ``timeout_seconds``."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                while True:
                    # What was changed at a time to come, by a clock that was set back, would hide what changes now.
                    until = datetime.now(UTC) + CORRECTION
                    latest = await self._thread.run(queries.newest_change, until)
                    if latest != self._seen:
                        self._seen = latest
                        return
                    await asyncio.sleep(POLL_SECONDS)

    async def health(self) -> dict[str, JsonValue]:
        """Return how daemon, workers, broker and scheduler are; brings back what is dead or deaf of the first three."""
        await self._supervise()
        daemon = await self._thread.run(self._supervision.health)
        said = await self._said_of_slurm() if self._scheduler is SchedulerKind.SLURM else {}
        told = {"scheduler": self._scheduler.value, "scheduler_answers": "scheduler_trouble" not in said}
        return {"engine": "aiida", **told, **said, **daemon}

    async def _said_of_slurm(self) -> dict[str, JsonValue]:
        """Return in words why Slurm cannot be used, or what of it makes a promise void.

        One that takes long keeps no other word from being told.
        """
        try:
            async with asyncio.timeout(SCHEDULER_SECONDS):
                if (trouble := await asyncio.to_thread(self._cluster.trouble)) is not None:
                    return {"scheduler_trouble": trouble}
                warning = await asyncio.to_thread(self._cluster.warning)
        except TimeoutError:
            return {"scheduler_trouble": f"it has not answered within {SCHEDULER_SECONDS:g} s"}
        except EngineUnavailableError as error:
            return {"scheduler_trouble": str(error)}
        return {} if warning is None else {"scheduler_warning": warning}

    def stands_still_seconds(self) -> float:
        """Look at the thread that all of AiiDA's work is done in."""
        return self._standstill.seconds()

    async def _supervise(self, *, at_once: bool = False) -> None:
        """Bring back what died or went deaf; asked often, looks now and then."""
        now = asyncio.get_running_loop().time()
        if now - self._supervised_at >= (ANSWER_SECONDS if at_once else SUPERVISE_SECONDS):
            self._supervised_at = now
            await self._thread.run(self._look_after)

    def _start(self) -> None:
        self._require_room()
        self._load()
        self._take_the_profile()
        self._scheduler = profile.scheduler_kind()
        if self._scheduler is SchedulerKind.SLURM and (reason := why_not_for_jobs(work_directory.path())) is not None:
            raise EngineUnavailableError(reason)
        self._get_over_a_full_disk()
        if set_back.unseen_seconds(time.time()):
            # The clock was set back while no agent looked, and workers that were running then wait for its return.
            self._daemon.restart()
            set_back.see_to()
        else:
            self._daemon.ensure_running()
        with contextlib.suppress(EngineUnavailableError):  # else at a look, when there is a broker
            self._continue_dropped()

    def _look_after(self) -> None:
        self._get_over_a_full_disk()
        done = self._supervision.look()
        if done is not None:
            _log.warning("engine_brought_back", what=done.what, why=done.why)
        with contextlib.suppress(EngineUnavailableError):  # what no broker takes now it is told at a later look
            self._continue_dropped()
            submission.see_to_what_gave_up()

    def _get_over_a_full_disk(self) -> None:
        """Leave the daemon alone while the disk takes nothing, and end it then. Raises EngineUnavailableError.

        A worker's session that a full disk has failed once is of no use any more.
        """
        self._require_room()
        if self._thread.database_failed:
            self._daemon.kill()
            self._thread.database_failed = False

    def _require_room_for_the_job(self) -> None:
        """Raise RefusedJobError where the folder that jobs run in takes nothing, EngineUnavailableError where its home.

        The one lies in the other, as a rule: what the home has no room for waits until it has.
        """
        try:
            require_writable(work_directory.path())
        except RefusedJobError:
            self._require_room()
            raise

    def _require_room(self) -> None:
        reason = why_not_writable(self._home / "aiida")
        if reason is not None:
            self._thread.database_failed = True
            raise EngineUnavailableError(reason)

    def _continue_dropped(self) -> None:
        """Continue what a daemon's workers had dropped before it was started anew; raises EngineUnavailableError.

        One is forgotten once it is queued for certain. Where that was not said at an earlier try it may be queued: it
        is looked for, in a broker that answers, since one that stands still has not come to its messages.
        """
        if not self._daemon.dropped or not brokers.of_profile().answers(ANSWER_SECONDS):
            return
        still = submission.dropped()
        self._daemon.dropped = [pk for pk in self._daemon.dropped if pk in still]
        while self._daemon.dropped:
            submission.hand_over(self._daemon.dropped[0])
            del self._daemon.dropped[0]

    def _load(self) -> None:
        if not profile.exists(self._home):
            raise EngineUnavailableError(f"{self._home} has no AiiDA profile; run `slipway-node enroll`")
        profile.load(self._home)
        self._loaded = True

    def _take_the_profile(self) -> None:
        """Keep the agents of other homes off the profile: AiiDA itself lets two engines run on one record."""
        if self._lock is not None:
            return
        try:
            self._lock = AgentLock.acquire(profile.storage_folder() / LOCK, this_process())
        except LockHeldError as error:
            raise EngineUnavailableError(f"{error} on the AiiDA profile that this home shares") from error

    def _launched_since(self, moment: datetime, besides: Collection[str]) -> list[Launched]:
        if not self._loaded:
            self._load()
        return recalling.launched_since(moment, besides)

    def _launch(self, envelope: Envelope, workspace: Path) -> str:
        submission_id = envelope.command.submission_id
        if (present := queries.execution_ids([submission_id]).get(submission_id)) is not None:
            return present
        self._require_room_for_the_job()
        process, inputs = self._inputs(envelope, workspace)
        inputs["metadata"]["label"] = submission_id
        try:
            node = submission.store(process, inputs, submission.envelope_json(envelope))
        except (ValueError, TypeError) as error:
            raise RefusedJobError("invalid_payload", f"{process}: {error}") from error
        submission.hand_over(node.pk)
        return str(node.uuid)

    def _inputs(self, envelope: Envelope, workspace: Path) -> tuple[str, dict[str, Any]]:
        """Return the process's entry point and its inputs."""
        self._check_placement(envelope.placement)
        job, asked = load(workspace), envelope.placement
        document = job.document
        match document:
            case ShellDocument():
                inputs = shell_job.inputs(document, job, workspace, self._code(document.program, shell_job.PLUGIN))
                options = placement.options(asked, self._scheduler, ranks=1) | shell_job.options(document)
                return shell_job.PLUGIN, inputs | {"metadata": {"options": options}}
            case PwDocument():
                inputs = pw_job.inputs(document, job, workspace, self._code(pw_job.PROGRAM, pw_job.PLUGIN))
                options = placement.options(asked, self._scheduler, ranks=asked.cpu)
                return pw_job.PLUGIN, inputs | {"metadata": {"options": options}}
            case _:
                assert_never(document)

    def _check_placement(self, asked: Placement) -> None:
        """Refuse what Slurm would never run: AiiDA would try it again for minutes and then let it rest."""
        if self._scheduler is SchedulerKind.SLURM and (reason := self._cluster.refusal(asked)) is not None:
            raise RefusedJobError(codes.POLICY_REJECTED, reason)

    def _code(self, program: str, plugin: str) -> Any:
        return codes.code_for(codes.program_path(program, self._policy, self._program_paths), plugin)

    def _withdraw_what_has_no_record(self, execution_id: str) -> None:
        folder = work_directory.of(execution_id)
        if self._scheduler is SchedulerKind.SLURM and not self._cluster.withdraw(str(folder)):
            raise EngineUnavailableError(f"a job of {folder}, which has no record, is being withdrawn")

    def _observe(self, submission_ids: Sequence[str]) -> list[Observation]:
        cluster = self._cluster if self._scheduler is SchedulerKind.SLURM else None
        rows = queries.rows(submission_ids)
        if submission.seal([row.uuid for row in rows if verdicts.lacks_its_seal(row, datetime.now(UTC))]):
            rows = queries.rows(submission_ids)
        return observing.observations(rows, cluster)


def _resume(execution_ids: Sequence[str]) -> None:
    for pk in submission.left_behind(execution_ids):
        submission.hand_over(pk)


def _kill(execution_id: str) -> Future[Any] | None:
    """Tell the worker that has the process to kill it, or kill it here where none was ever told of it.

    Return the worker's answer to come, None where nobody was told: what became of it the process's record tells.
    """
    from kiwipy import UnroutableError
    from plumpy.futures import unwrap_kiwi_future

    for pk in submission.left_behind([execution_id]):
        submission.kill_stored(pk)
    node = queries.node_of(execution_id)
    if node.is_terminated:
        return None
    with brokers.connected() as manager, contextlib.suppress(UnroutableError):
        answer: Future[Any] = unwrap_kiwi_future(manager.get_process_controller().kill_process(node.pk, KILLED_BY))
        return answer
    return None


def _is_refused(answer: Future[Any]) -> bool:
    """Tell whether an answer that has come says that nothing was killed."""
    return answer.cancelled() or answer.exception() is not None or answer.result() is False


def _collect(execution_id: str, folder: Path) -> Collected:
    return collecting.collect(queries.node_of(execution_id), folder)
