"""AiiDA's daemon: started, found dead, restarted, stopped. Called in the engine's thread."""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psutil  # type: ignore[import-untyped,unused-ignore] # ships no types

from slipway_node.aiida import brokers, queries, submission
from slipway_node.aiida.profile import PROFILE
from slipway_node.ports import EngineUnavailableError

START_SECONDS = 60  # a cold start on two cores takes 8 s; a busy login node is given more
STOP_SECONDS = 20
END_SECONDS = 5.0  # for a process to go that was killed; one that waits for a dead file server does not
EMPTY_FOLDER = "empty"
LOOKS_AFTER_CHANGE = 3  # some may come while the broker has not noticed either


class Daemon:
    """The loaded profile's daemon with ``workers`` workers."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self.dropped: list[int] = []  # processes that no task is queued for, to be continued
        self._is_of_this_code = False
        self._has_all_its_tasks = False
        self._worker_pids: frozenset[int] = frozenset()
        self._looks_due = 0

    @property
    def workers_wanted(self) -> int:
        """How many workers it is started with."""
        return self._workers

    def ensure_running(self) -> None:
        """Start the daemon unless it runs. Raises EngineUnavailableError."""
        if self.fault(DaemonProcesses.now()) is not None:
            self.restart()

    def fault(self, processes: "DaemonProcesses") -> str | None:
        """Return why the daemon has to be started anew, or None; deafness is another matter."""
        if not self.runs():
            return "its supervisor was gone"
        if brokers.of_profile().is_lost_for(processes.workers, processes.brokers):
            return "a worker had lost its broker"
        if not self._is_of_this_code and self._is_of_other_code():
            return "it was started before an upgrade"
        self._is_of_this_code = True  # which lasts: an upgrade reaches this process at its own restart
        if not self._has_all_its_tasks and self._has_dropped_some():
            return "its workers had dropped a process"
        return None

    def restart(self) -> None:
        """Stop what runs of the daemon and start it. Raises EngineUnavailableError."""
        from aiida.engine.daemon.client import DaemonException

        processes = DaemonProcesses.now()
        if brokers.of_profile().is_lost_for(processes.workers, processes.brokers):
            self.kill()  # asked to end, its workers wait for the broker that they had, for as long as they are let
        self.stop()
        self.dropped = _dropped_by_all()
        brokers.of_profile().before_the_daemon_starts()
        try:
            _in_an_empty_folder(self._client()).start_daemon(number_workers=self._workers, timeout=START_SECONDS)
        except DaemonException as error:
            raise EngineUnavailableError(f"AiiDA's daemon does not start: {error}") from error
        brokers.disconnect()
        self._is_of_this_code = self._has_all_its_tasks = True  # but for those just dropped

    def answers(self, timeout_seconds: int) -> bool:
        """Tell whether the daemon's supervisor answers within the time."""
        from aiida.engine.daemon.client import DaemonException

        try:
            self._client().get_numprocesses(timeout=timeout_seconds)
        except DaemonException:
            return False
        return True

    def end_supervisor(self) -> None:
        """Kill the supervisor, which `stop` could only ask."""
        if self.runs():
            with contextlib.suppress(psutil.NoSuchProcess):
                end_now([psutil.Process(self._client().get_daemon_pid())])

    def free_tasks_of_dead_workers(self, workers: Iterable[Any]) -> None:
        """Have the broker see to it, some times after a worker was exchanged."""
        pids = frozenset(worker.pid for worker in workers)
        if pids != self._worker_pids:
            self._worker_pids, self._looks_due = pids, LOOKS_AFTER_CHANGE
        if self._looks_due:
            self._looks_due -= 1
            brokers.of_profile().after_a_worker_died()

    def dropped_by_workers(self) -> set[int]:
        """Return the pks of the processes under way that nobody has, but for those that are to be continued.

        Empty where it is not known who has a task.
        """
        try:
            return {*submission.dropped()} - {*self.dropped}
        except EngineUnavailableError:
            return set()

    def runs(self) -> bool:
        """Tell whether the daemon's supervisor is alive; a pid file left by a kill or a reboot does not count."""
        client = self._client()
        return client.get_daemon_pid() is not None and not client._is_pid_file_stale  # noqa: SLF001 - no public word

    def stop(self) -> None:
        """Stop the daemon, by force where it does not listen; jobs at the scheduler run on."""
        from aiida.engine.daemon.client import DaemonException

        if self.runs():
            try:
                self._client().stop_daemon(wait=True, timeout=STOP_SECONDS)
            except DaemonException:
                self.end_supervisor()
        _end_orphans()
        brokers.disconnect()

    def kill(self) -> None:
        """End the daemon outright; its workers' tasks and processes are taken up where they were at the next start."""
        end_now(DaemonProcesses.now().all)
        brokers.disconnect()

    def _is_of_other_code(self) -> bool:
        """Tell whether the daemon was started before an upgrade: it would run jobs by the old plugins."""
        client = self._client()
        started_with = client._get_daemon_env_info()  # noqa: SLF001 - no public word
        return started_with is not None and started_with["packages"] != client._get_package_version_snapshot()  # noqa: SLF001

    def _has_dropped_some(self) -> bool:
        """Tell whether nobody has a process that is under way; asked of a daemon that this agent has not started.

        An agent that was killed has taken with it which processes a daemon had dropped, or that its disk was full. They
        are not just queued anew: the worker that dropped one still knows it, takes a second task for it as a mistake,
        and may not be able to write. Where it is not known who has a task, it is asked again at the next look.
        """
        try:
            some = bool(submission.dropped())
        except EngineUnavailableError:
            return False
        self._has_all_its_tasks = not some
        return some

    @staticmethod
    def _client() -> Any:
        from aiida.manage.manager import get_manager

        return get_manager().get_daemon_client()


@dataclass(frozen=True, slots=True)
class DaemonProcesses:
    """The processes (``psutil.Process``) of this profile's daemon, as they were at one look."""

    workers: list[Any]
    brokers: list[Any]
    all: list[Any]

    @classmethod
    def now(cls) -> Self:
        """Look."""
        from aiida.manage.configuration import get_config

        folder = Path(get_config().dirpath)
        found = [it for it in psutil.process_iter(["cmdline", "create_time"]) if _is_ours(it, folder)]
        workers, brokers = ([it for it in found if word in it.info["cmdline"]] for word in ("worker", "broker"))
        return cls(workers, brokers, found)


def end_now(processes: Sequence[Any]) -> bool:
    """Kill processes and tell whether all are gone."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    return not psutil.wait_procs(processes, timeout=END_SECONDS)[1]


def _dropped_by_all() -> list[int]:
    """Return the pks of the processes that no task is queued for, while no worker runs.

    Where that is not known all are told, and are asked after once more before they are queued.
    """
    try:
        return submission.dropped()
    except EngineUnavailableError:
        return queries.under_way()


def _in_an_empty_folder(client: Any) -> Any:
    """Have ``client`` start the daemon in a folder of its own, in which nothing lies.

    When AiiDA's broker starts it removes the folder that ``broker.sockets`` names. A full disk leaves that file empty,
    which to AiiDA 2.9 is the folder that the broker was started in.
    """
    from aiida.engine.daemon.client import DaemonClient
    from aiida.manage.configuration import get_config

    folder = Path(get_config().dirpath) / EMPTY_FOLDER
    folder.mkdir(exist_ok=True)

    def cmd_start_daemon(*arguments: Any) -> list[str]:
        command = DaemonClient.cmd_start_daemon(client, *arguments)
        # AiiDA waits for this, for as long as it takes.
        return ["sh", "-c", f'cd "$0" && exec timeout -k 5 {START_SECONDS} "$@"', str(folder), *command]

    client.cmd_start_daemon = cmd_start_daemon
    return client


def _end_orphans() -> None:
    """End what outlived a killed supervisor, or a stop; nobody would ever stop it."""
    orphans = DaemonProcesses.now().all
    for process in orphans:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(orphans, timeout=STOP_SECONDS)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _is_ours(process: Any, config_folder: Path) -> bool:
    """Tell a process of this profile's daemon by its command and by where its configuration lies, by whatever path."""
    words = process.info["cmdline"] or []
    is_daemons = PROFILE in words and "daemon" in words and bool({"worker", "broker", "start-circus"} & set(words))
    is_supervisors = any(word.startswith("from circus import stats") for word in words)  # its count of load
    if not (is_daemons or is_supervisors):
        return False
    try:
        return config_folder.samefile(process.environ()["AIIDA_PATH"])
    except (psutil.NoSuchProcess, psutil.AccessDenied, KeyError, OSError):
        return False
