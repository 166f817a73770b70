"""What AiiDA's ZeroMQ broker shows of itself and of its workers; nothing here changes anything."""

import json
import time
from pathlib import Path
from typing import Any

NOBODY = "slipway-is-anybody-there"  # the broker answers at once that it knows no such process


def seconds_since_its_last_word() -> float | None:
    """Return the age of its status file, which its one loop writes every 5 seconds; None where there is none yet."""
    written_at = _status().get("timestamp")
    return None if written_at is None else abs(time.time() - float(written_at))  # one from the future says nothing


def workers_it_knows() -> int | None:
    """Return how many workers it hands tasks to, None where it has not said; those that died may be among them."""
    known = _status().get("task_subscribers")
    return None if known is None else int(known)


def processes_in_work() -> frozenset[int]:
    """Return the pks of the processes whose task a worker has."""
    found = set()
    for file in (Path(_broker()._storage_path) / "tasks" / "processing").glob("*.json"):  # noqa: SLF001 - as submission's
        try:
            found.add(int(json.loads(file.read_text(encoding="utf-8"))["body"]["args"]["pid"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):  # done since the listing, or no process's task
            continue
    return frozenset(found)


def answers(timeout_seconds: float) -> bool:
    """Tell whether it answers to somebody new within the time."""
    from aiida.brokers.zeromq.communicator import ZeromqCommunicator

    endpoint = _broker()._router_endpoint  # noqa: SLF001 - no public word
    if endpoint is None:
        return False
    with ZeromqCommunicator(router_endpoint=endpoint) as communicator:
        try:
            communicator.rpc_send(NOBODY, {}).exception(timeout_seconds)
        except TimeoutError:
            return False
    return True


def _status() -> dict[str, Any]:
    try:
        status = json.loads(_broker()._service_status_file.read_text(encoding="utf-8"))  # noqa: SLF001 - no public word
    except (OSError, ValueError):
        return {}
    return status if isinstance(status, dict) else {}


def _broker() -> Any:
    from aiida.manage.manager import get_manager

    return get_manager().get_broker()
