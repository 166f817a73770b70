"""Looking after AiiDA's daemon: what is dead or deaf is brought back. Called in the engine's thread.

Deaf is what lives and gives no sign of life. A busy machine is not a deaf one, so each silence has to last over two
looks and more; and a worker that computes, reads, writes or waits for a program that it has started is at work, however
long it has not answered. What is deaf is killed, and nothing else but what cannot live without it. Jobs at the
scheduler run on, and the broker gives the tasks of a killed worker to the next one, which goes on from the checkpoint.
"""

import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psutil  # type: ignore[import-untyped,unused-ignore] # ships no types
from pydantic import JsonValue

from slipway_node.aiida import brokers, set_back
from slipway_node.aiida.daemon import START_SECONDS, Daemon, DaemonProcesses, end_now
from slipway_node.aiida.record_times import CORRECTION
from slipway_node.aiida.silence import Silences
from slipway_node.ports import EngineUnavailableError

SUPERVISOR_SECONDS = 15.0  # it answers in some milliseconds, whatever its workers do
SUPERVISOR_ASK_SECONDS = 2
BROKER_STALE_SECONDS = 10.0  # it writes every 5
BROKER_SECONDS = 15.0
BROKER_ASK_SECONDS = 3.0
STOPPED_SECONDS = 4.0  # the broker gives a stopped worker's tasks away after some 8: it must not wake up then
CUT_OFF_SECONDS = 15.0
MISSING_SECONDS = 15.0  # the supervisor starts what died by itself, within seconds
PROCESS_ASK_SECONDS = 10.0
PROCESS_SECONDS = 10.0  # since the second question that was not answered
PROCESSES_ASKED = 30  # at once, whatever their number: an answer costs a worker a millisecond
DROPPED_SECONDS = 10.0
DROPPED_AGAIN = 4.0  # times as long until a further restart for one process: what no worker can continue stops no other
AT_WORK_CPU_SECONDS = 0.2  # between two questions
AT_WORK_BYTES = 1024 * 1024

DAEMON, BROKER, WORKER = "daemon", "broker", "worker"


@dataclass(frozen=True, slots=True)
class BroughtBack:
    """What was brought back, and why it had to be."""

    what: str
    why: str
    at: datetime


@dataclass(frozen=True, slots=True)
class _Work:
    """What a process has done since it began: seconds of processor, bytes read and written, programs that run on."""

    cpu_seconds: float
    moved_bytes: int
    has_children: bool


class Supervision:
    """Looks at one daemon. ``clock`` is in seconds and never set back, ``wall`` is the machine's time, which may be."""

    def __init__(
        self, daemon: Daemon, clock: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self._daemon = daemon
        self._clock = clock
        self._wall = wall
        self._wall_ahead = wall() - clock()  # the most that it was since the workers began
        self._silences = Silences()
        self._asked: dict[int, Future[Any]] = {}  # pk → its process's answer to come
        self._asked_at = 0.0
        self._silent: set[int] = set()  # pks of those that did not answer last time
        self._done_by: dict[int, _Work | None] = {}  # pid → what the worker had done when that was asked
        self._dropped_at: dict[int, float] = {}  # pk → since when nobody has the process
        self._restarts_for: Counter[int] = Counter()
        self._workers: frozenset[int] | None = None  # pids, when they were last as many as there should be
        self._why_down: tuple[str, str] | None = None  # what had the daemon ended, until it has been started
        self.count = 0  # of what was brought back
        self._last: BroughtBack | None = None

    def look(self) -> BroughtBack | None:
        """Look once, and bring back what is dead or deaf; return what that was. Raises EngineUnavailableError."""
        processes = DaemonProcesses.now()
        fault = self._fault_of_all(processes)
        if fault is not None:
            # At a further try it is its own end that it is found by, and no more what that was for.
            self._why_down = self._why_down or fault
            self._restart(*self._why_down)
        found, self._why_down = self._why_down, None
        if found is not None:
            self._all_are_new()
        else:
            found = self._replaced(processes.workers) or self._deaf(processes.workers)
            self._daemon.free_tasks_of_dead_workers(processes.workers)
        if found is None:
            return None
        self.count += 1
        self._last = BroughtBack(*found, datetime.now(UTC))
        return self._last

    def _restart(self, what: str, why: str) -> None:
        try:
            self._daemon.restart()
        except EngineUnavailableError as error:
            raise EngineUnavailableError(f"{error} (it was to be started anew for the {what}: {why})") from error

    def health(self) -> dict[str, JsonValue]:
        """Return how daemon, broker and workers are, and what was last brought back and why."""
        silent, processes, broker = self._silences.told(), DaemonProcesses.now(), brokers.of_profile()
        told: dict[str, JsonValue] = {
            "daemon": _word(alive=self._daemon.runs(), silent=DAEMON in silent),
            "workers": len(processes.workers),
            "workers_wanted": self._daemon.workers_wanted,
            "broker_kind": broker.kind,
            "broker": _word(alive=broker.is_up(processes.brokers), silent=BROKER in silent),
            "brought_back": self.count,
        }
        if silent:
            told["silent"] = dict(silent)
        if self._last is not None:
            at = self._last.at.isoformat(timespec="seconds")
            told["last_brought_back"] = {"what": self._last.what, "why": self._last.why, "at": at}
        return told

    def _fault_of_all(self, processes: DaemonProcesses) -> tuple[str, str] | None:
        """Return what makes the whole daemon be started anew: no part of it can do without the one named."""
        fault = self._daemon.fault(processes)
        if fault is not None:
            return DAEMON, fault
        if self._supervisor_is_deaf():
            self._daemon.end_supervisor()
            return DAEMON, "its supervisor lived and did not answer"
        if self._broker_is_deaf(processes.brokers):
            end_now(processes.brokers)
            return BROKER, "it lived and did not answer"
        missing = len(processes.workers) < self._daemon.workers_wanted
        if self._lasts("workers", "there are too few" if missing else None, MISSING_SECONDS):
            return WORKER, "it had ended, and its supervisor started no other"
        return (WORKER, "it had dropped a process") if self._has_dropped_some() else None

    def _has_dropped_some(self) -> bool:
        """Tell whether nobody has had a process for a while that has not ended, nor is going to be continued.

        A worker whose write to the record has failed, as where somebody else holds it locked for long, is done with its
        task, answers, and takes a second task for the same process as a mistake: only others continue it.
        """
        now = self._clock()
        self._dropped_at = {pk: self._dropped_at.get(pk, now) for pk in self._daemon.dropped_by_workers()}
        found = [pk for pk, at in self._dropped_at.items() if now - at >= self._dropped_limit(pk)]
        self._restarts_for.update(found)
        return bool(found)

    def _dropped_limit(self, pk: int) -> float:
        return DROPPED_SECONDS * DROPPED_AGAIN ** self._restarts_for[pk]

    def _supervisor_is_deaf(self) -> bool:
        heard = self._daemon.answers(SUPERVISOR_ASK_SECONDS)
        return self._lasts(DAEMON, None if heard else "its supervisor does not answer", SUPERVISOR_SECONDS)

    def _broker_is_deaf(self, processes: Sequence[Any]) -> bool:
        """Tell whether the broker's loop has stood still, and does so when it is spoken to."""
        broker = brokers.of_profile()
        age = broker.seconds_since_its_last_word()
        # One that has not said anything yet may be starting, or be none of the daemon's processes.
        heard = all(map(_is_young, processes)) if age is None else age < BROKER_STALE_SECONDS
        lasts = self._lasts(BROKER, None if heard else "it gives no sign of life", BROKER_SECONDS)
        return lasts and not broker.answers(BROKER_ASK_SECONDS)

    def _replaced(self, workers: Sequence[Any]) -> tuple[str, str] | None:
        """Notice that the supervisor has put another worker in the place of one that ended."""
        pids = frozenset(worker.pid for worker in workers)
        if len(pids) < self._daemon.workers_wanted:
            return None
        before, self._workers = self._workers, pids
        if before is None or before <= pids:
            return None
        self._begin_anew()
        return WORKER, "it had ended"

    def _deaf(self, workers: Sequence[Any]) -> tuple[str, str] | None:
        """End the workers that live and do nothing; the supervisor starts others."""
        for deaf, why in (
            self._set_back(workers),
            self._stopped(workers),
            self._cut_off(workers),
            self._hung(workers),
        ):
            if deaf and end_now(deaf):
                if len(deaf) == len(workers):
                    self._all_are_new()
                else:
                    self._begin_anew()
                return WORKER, why
        return None

    def _set_back(self, workers: Sequence[Any]) -> tuple[list[Any], str]:
        """Return all workers where the clock was set back: until it is as late again AiiDA asks no scheduler.

        It may have been ahead for a moment between two looks: AiiDA's record then tells.
        """
        wall = self._wall()
        ahead = wall - self._clock()
        self._wall_ahead = max(self._wall_ahead, ahead)
        back = max(self._wall_ahead - ahead, set_back.unseen_seconds(wall))
        if back < CORRECTION.total_seconds():
            return [], ""
        return list(workers), f"the clock was set back by {back:.0f} s"

    def _stopped(self, workers: Sequence[Any]) -> tuple[list[Any], str]:
        found = []
        for worker in workers:
            why = "it is stopped" if _status(worker) == psutil.STATUS_STOPPED else None
            if self._lasts(f"worker {worker.pid}", why, STOPPED_SECONDS):
                found.append(worker)
        return found, "it was stopped"

    def _cut_off(self, workers: Sequence[Any]) -> tuple[list[Any], str]:
        """Return all workers where the broker knows fewer: which of them it has lost it does not say.

        It gives up a worker that was silent for some seconds, which then never hears of a task again. One that is
        young may not have come to it yet.
        """
        old = [worker for worker in workers if not _is_young(worker)]
        known = brokers.of_profile().workers_it_knows()
        few = known is not None and known < len(old)
        why = f"the broker knows {known} of {len(old)}" if few else None
        lasts = self._lasts("connection of workers", why, CUT_OFF_SECONDS)
        return (list(workers) if lasts else []), "it had lost its connection to the broker"

    def _hung(self, workers: Sequence[Any]) -> tuple[list[Any], str]:
        """Return the workers that do nothing while a process that one of them has in work does not answer.

        The answers to one look's questions are read at the next: nobody waits for them. A process that does not answer
        once may only just have come to its worker. Where one worker has all of them, one answer speaks for all.
        """
        why = "its processes did not answer, and it did nothing"
        now = self._clock()
        if now - self._asked_at < PROCESS_ASK_SECONDS:
            return [], why
        in_work = brokers.of_profile().processes_in_work()
        silent = {pk for pk, answer in self._asked.items() if pk in in_work and not _is_answered(answer)}
        if len(workers) == 1 and len(silent) < len(self._asked):
            silent = set()
        again, self._silent = silent & self._silent, silent
        self._silences.look("processes", f"{len(again)} do not answer" if again else None, now)
        before, self._done_by = self._done_by, {worker.pid: _work(worker) for worker in workers}
        at_rest = {pid for pid, done in self._done_by.items() if _did_nothing(before.get(pid), done)}
        self._ask(in_work, first=silent)
        self._asked_at = now
        hung = [
            worker
            for worker in workers
            if self._lasts(
                f"loop of worker {worker.pid}",
                "it does nothing" if again and worker.pid in at_rest else None,
                PROCESS_SECONDS,
            )
        ]
        if hung and not brokers.of_profile().answers(BROKER_ASK_SECONDS):
            # Through a broker that is deaf nobody is heard: it is the broker's turn, and the workers' anew after it.
            self._asked, self._silent = {}, set()
            return [], why
        return hung, why

    def _ask(self, in_work: frozenset[int], first: set[int]) -> None:
        """Ask some of the processes in work how they are, those again that were silent."""
        others = sorted(in_work - first)
        # Not a secret, only never the same ones alone.
        chosen = random.sample(others, min(len(others), PROCESSES_ASKED))
        self._asked = {}
        with (
            contextlib.suppress(EngineUnavailableError),
            brokers.connected() as manager,
        ):  # else the broker is looked at
            controller = manager.get_process_controller()
            for pk in [*first, *chosen][:PROCESSES_ASKED]:
                self._asked[pk] = _answer_to_come(controller, pk)

    def _lasts(self, what: str, why: str | None, seconds: float) -> bool:
        """Note why ``what`` is silent, or (None) that it is not; tell whether it has been silent for so long."""
        return self._silences.look(what, why, self._clock()) >= seconds

    def _all_are_new(self) -> None:
        """Note that no worker is left that began before now."""
        self._wall_ahead = self._wall() - self._clock()
        set_back.see_to()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._silences.forget()
        self._asked, self._silent, self._done_by, self._workers = {}, set(), {}, None
        self._dropped_at = {}


def _word(*, alive: bool, silent: bool) -> str:
    if not alive:
        return "down"
    return "unresponsive" if silent else "running"


def _status(process: Any) -> str:
    try:
        return str(process.status())
    except psutil.NoSuchProcess:
        return str(psutil.STATUS_DEAD)


def _work(process: Any) -> _Work | None:
    """Return what the process has done, None where it is gone."""
    try:
        cpu, moved = process.cpu_times(), process.io_counters()
        has_children = any(child.status() != psutil.STATUS_ZOMBIE for child in process.children())
    except psutil.Error:
        return None
    return _Work(cpu.user + cpu.system, moved.read_chars + moved.write_chars, has_children)


def _did_nothing(before: _Work | None, now: _Work | None) -> bool:
    """Tell whether a worker neither computed nor read nor wrote in between, nor waits for a program that it started."""
    if before is None or now is None or now.has_children:
        return False
    computed, moved = now.cpu_seconds - before.cpu_seconds, now.moved_bytes - before.moved_bytes
    return computed < AT_WORK_CPU_SECONDS and moved < AT_WORK_BYTES


def _is_young(process: Any) -> bool:
    return time.time() - float(process.info["create_time"]) < START_SECONDS


def _answer_to_come(controller: Any, pk: int) -> Future[Any]:
    """Ask a process how it is. RabbitMQ says at once where nobody listens for it: that is no answer of the process."""
    from kiwipy import UnroutableError

    try:
        answer: Future[Any] = controller.get_status(pk)
    except UnroutableError as error:
        answer = Future()
        answer.set_exception(error)
    return answer


def _is_answered(answer: Future[Any]) -> bool:
    """Tell whether an answer came; one that was cancelled with its connection says nothing, and counts as one."""
    return answer.cancelled() or (answer.done() and answer.exception() is None)
