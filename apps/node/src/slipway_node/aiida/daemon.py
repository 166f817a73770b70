"""AiiDA's daemon: started, brought back when it died, stopped. Called in the engine's thread."""

from typing import Any

from pydantic import JsonValue

from slipway_node.ports import EngineUnavailableError

START_SECONDS = 60  # a cold start on two cores takes 8 s; a busy login node is given more
STOP_SECONDS = 20
ASK_SECONDS = 5


class Daemon:
    """The loaded profile's daemon with ``workers`` workers."""

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def ensure_running(self) -> bool:
        """Start the daemon unless it runs; return whether it had to be started. Raises EngineUnavailableError."""
        from aiida.engine.daemon.client import DaemonException

        client = self._client()
        if self.runs():
            return False
        try:
            client.start_daemon(number_workers=self._workers, timeout=START_SECONDS)
        except DaemonException as error:
            raise EngineUnavailableError(f"AiiDA's daemon does not start: {error}") from error
        _forget_broker()
        return True

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
        return {"daemon": "running", "workers": len(workers), "workers_wanted": self._workers}

    @staticmethod
    def _client() -> Any:
        from aiida.manage.manager import get_manager

        return get_manager().get_daemon_client()


def _forget_broker() -> None:
    """Drop the connection to a broker that went down with its daemon; the next use connects to the new one."""
    from aiida.manage.manager import get_manager

    manager = get_manager()
    manager.reset_broker()
    manager.reset_runner()
