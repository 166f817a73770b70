"""AiiDA's daemon: started, brought back when it died, stopped. Called in the engine's thread."""

import contextlib
from typing import Any

import psutil  # type: ignore[import-untyped,unused-ignore] # ships no types
from pydantic import JsonValue

from slipway_node.aiida.profile import PROFILE
from slipway_node.ports import EngineUnavailableError

START_SECONDS = 60  # a cold start on two cores takes 8 s; a busy login node is given more
STOP_SECONDS = 20
ASK_SECONDS = 5
LOOKS_AFTER_CHANGE = 2  # one may come while the broker has not noticed either


class Daemon:
    """The loaded profile's daemon with ``workers`` workers."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._is_of_this_code = False
        self._worker_pids: frozenset[int] = frozenset()
        self._looks_due = 0

    def ensure_running(self) -> bool:
        """Start the daemon unless it runs; return whether it had to be started. Raises EngineUnavailableError."""
        from aiida.engine.daemon.client import DaemonException

        client = self._client()
        if self.runs() and not _workers_lost_their_broker() and (self._is_of_this_code or not self._is_of_other_code()):
            self._is_of_this_code = True  # which lasts: an upgrade reaches this process at its own restart
            self._free_tasks_of_dead_workers()
            return False
        self.stop()
        _forget_where_the_broker_was()
        try:
            client.start_daemon(number_workers=self._workers, timeout=START_SECONDS)
        except DaemonException as error:
            raise EngineUnavailableError(f"AiiDA's daemon does not start: {error}") from error
        _forget_broker()
        self._is_of_this_code = True
        return True

    def _free_tasks_of_dead_workers(self) -> None:
        """Have the broker look for dead workers again, some times after a worker was exchanged.

        It looks when a connection ends, and that may be an instant too early to find the very one that did: it then
        keeps the worker's tasks for a worker that is no more. Another connection's end makes it look again.
        """
        pids = frozenset(process.pid for process in _own_processes() if "worker" in process.info["cmdline"])
        if pids != self._worker_pids:
            self._worker_pids, self._looks_due = pids, LOOKS_AFTER_CHANGE
        if self._looks_due:
            self._looks_due -= 1
            _connect_and_leave()

    def runs(self) -> bool:
        """Tell whether the daemon's supervisor is alive; a pid file left by a kill or a reboot does not count."""
        client = self._client()
        return client.get_daemon_pid() is not None and not client._is_pid_file_stale  # noqa: SLF001 - no public word

    def stop(self) -> None:
        """Stop the daemon; jobs at the scheduler run on."""
        from aiida.engine.daemon.client import DaemonException

        if self.runs():
            try:
                self._client().stop_daemon(wait=True, timeout=STOP_SECONDS)
            except DaemonException as error:
                raise EngineUnavailableError(f"AiiDA's daemon does not stop: {error}") from error
        _end_orphans()
        _forget_broker()

    def health(self) -> dict[str, JsonValue]:
        """Return what the daemon says of itself."""
        from aiida.engine.daemon.client import DaemonException

        if not self.runs():
            return {"daemon": "down", "workers": 0}
        try:
            info = self._client().get_worker_info(timeout=ASK_SECONDS).get("info", {})
        except DaemonException as error:
            return {"daemon": "unresponsive", "workers": 0, "daemon_error": str(error)}
        workers = [worker for worker in info.values() if isinstance(worker, dict)]
        broker = "down" if _workers_lost_their_broker() else "running"
        return {"daemon": "running", "workers": len(workers), "workers_wanted": self._workers, "broker": broker}

    def _is_of_other_code(self) -> bool:
        """Tell whether the daemon was started before an upgrade: it would run jobs by the old plugins."""
        client = self._client()
        started_with = client._get_daemon_env_info()  # noqa: SLF001 - no public word
        return started_with is not None and started_with["packages"] != client._get_package_version_snapshot()  # noqa: SLF001

    @staticmethod
    def _client() -> Any:
        from aiida.manage.manager import get_manager

        return get_manager().get_daemon_client()


def _end_orphans() -> None:
    """End what outlived a killed supervisor; nobody would ever stop it."""
    orphans = _own_processes()
    for process in orphans:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(orphans, timeout=STOP_SECONDS)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _workers_lost_their_broker() -> bool:
    """Tell whether a worker is older than the broker: it was connected to another, and never connects again."""
    started: dict[str, list[float]] = {"broker": [], "worker": []}
    for process in _own_processes():
        for word in started.keys() & set(process.info["cmdline"]):
            started[word].append(process.info["create_time"])
    return bool(started["worker"]) and max(started["broker"], default=float("inf")) > min(started["worker"])


def _own_processes() -> list[Any]:
    from aiida.manage.configuration import get_config

    folder = get_config().dirpath
    return [process for process in psutil.process_iter(["cmdline", "create_time"]) if _is_ours(process, folder)]


def _is_ours(process: Any, config_folder: str) -> bool:
    """Tell a process of this profile's daemon by its command and by where its configuration lies."""
    words = process.info["cmdline"] or []
    is_daemons = PROFILE in words and "daemon" in words and bool({"worker", "broker"} & set(words))
    is_supervisors = any(word.startswith("from circus import stats") for word in words)  # its count of load
    if not (is_daemons or is_supervisors):
        return False
    try:
        return bool(process.environ().get("AIIDA_PATH") == config_folder)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def _forget_where_the_broker_was() -> None:
    """Remove what a killed broker left: a worker that starts before the new one would connect there, and stay deaf."""
    from aiida.manage.manager import get_manager

    broker = get_manager().get_broker()
    for file in (broker._service_sockets_file, broker._service_pid_file, broker._service_status_file):  # noqa: SLF001 - no public word
        file.unlink(missing_ok=True)


def _connect_and_leave() -> None:
    """Have a connection to the broker and end it; the next use connects anew."""
    from aiida.manage.manager import get_manager

    with contextlib.suppress(ConnectionError):  # it is not up: it knows of no workers
        get_manager().get_communicator()
    _forget_broker()


def _forget_broker() -> None:
    """Drop the connection to a broker that went down with its daemon; the next use connects to the new one."""
    from aiida.manage.manager import get_manager

    manager = get_manager()
    manager.reset_broker()
    manager.reset_runner()
