"""AiiDA's broker, of whichever kind the profile has: the rest of the node does not ask which."""

import contextlib
import json
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from slipway_node.aiida import amqp, in_work
from slipway_node.aiida.bounded import within
from slipway_node.amqp_address import AmqpAddress
from slipway_node.ports import EngineUnavailableError

ZEROMQ, RABBITMQ = "core.zeromq", "slipway.rabbitmq"
NOBODY = "slipway-is-anybody-there"  # ZeroMQ's broker answers at once that it knows no such process
TAKEN_SECONDS = 3.0  # for AiiDA's broker to have a task on its disk: some milliseconds, also while it is busy
BEGUN_SECONDS, BEGINS_SECONDS = 0.05, 2.0  # a communicator's thread is past its start a moment after it says so
CLOSE_SECONDS = 15.0  # AiiDA's own close gives each of its parts 3 to 5, and its last one all the time there is
HEARTBEAT_SECONDS = 60  # AiiDA's 600 leave a worker for minutes without a broker that went down with its machine


class Broker(Protocol):
    """What the node asks of its broker, besides what AiiDA does with it."""

    kind: str

    def in_hand(self, pks: Collection[int]) -> set[int]:
        """Return those that have a task, waiting or in work. Raises EngineUnavailableError where that is not known."""
        ...

    def queue(self, controller: Any, pk: int) -> None:
        """Give out a task for the process through AiiDA's ``controller``; returns when the broker has it for certain.

        Raises what ``connected`` takes for a broker that cannot be asked; it may have the task then, or come to it yet.
        """
        ...

    def processes_in_work(self) -> frozenset[int]:
        """Return the pks of the processes whose task a worker has."""
        ...

    def is_up(self, brokers: Sequence[Any]) -> bool:
        """Tell whether there is one, of which the daemon runs the processes ``brokers``."""
        ...

    def answers(self, timeout_seconds: float) -> bool:
        """Tell whether it answers to somebody new within the time."""
        ...

    def seconds_since_its_last_word(self) -> float | None:
        """Return how long ago it gave a sign of life of itself; None where it has given none."""
        ...

    def workers_it_knows(self) -> int | None:
        """Return how many workers it hands tasks to, None where it does not say; those that died may be among them."""
        ...

    def is_lost_for(self, workers: Sequence[Any], brokers: Sequence[Any]) -> bool:
        """Tell whether one of the ``workers`` has lost its broker and will not find it again."""
        ...

    def before_the_daemon_starts(self) -> None:
        """Put away what would keep the workers from their broker."""
        ...

    def after_a_worker_died(self) -> None:
        """See to it that the dead worker's tasks are given to others."""
        ...


class ZeroMq:
    """AiiDA's own broker, a process of the daemon."""

    kind = "zeromq"

    def in_hand(self, pks: Collection[int]) -> set[int]:
        """Read the task files. They are never opened as AiiDA's queue: that moves the tasks in work back to waiting."""
        waiting, in_work = self._tasks() / "pending", self._tasks() / "processing"
        # One that is moved after its listing is met again in a later one: none is listed before the last was read.
        queued = _processes_in(waiting.glob("*.json"))
        queued |= _processes_in(in_work.glob("*.json"))
        queued |= _processes_in(waiting.glob("*.json"))
        return queued & set(pks)

    def queue(self, controller: Any, pk: int) -> None:
        """Wait for its answer, which it gives once the task is on its disk."""
        controller.continue_process(pk, nowait=False, no_reply=False).result(TAKEN_SECONDS)

    def processes_in_work(self) -> frozenset[int]:
        """Read the task files, as above."""
        return frozenset(_processes_in((self._tasks() / "processing").glob("*.json")))

    def is_up(self, brokers: Sequence[Any]) -> bool:
        """Tell whether it lives."""
        return bool(brokers)

    def answers(self, timeout_seconds: float) -> bool:
        """Ask it for a process that there is not."""
        from aiida.brokers.zeromq.communicator import ZeromqCommunicator

        endpoint = _of_aiida()._router_endpoint  # noqa: SLF001 - no public word
        if endpoint is None:
            return False

        def answered() -> bool:
            with ZeromqCommunicator(router_endpoint=endpoint) as communicator:
                try:
                    communicator.rpc_send(NOBODY, {}).exception(timeout_seconds)
                except TimeoutError:
                    return False
                finally:
                    _let_begin(communicator)
            return True

        try:
            return within(timeout_seconds + CLOSE_SECONDS, answered)
        except TimeoutError:
            return False

    def seconds_since_its_last_word(self) -> float | None:
        """Return the age of its status file, which its one loop writes every 5 seconds; None where there is none."""
        written_at = self._status().get("timestamp")
        return None if written_at is None else abs(time.time() - float(written_at))  # one from the future says nothing

    def workers_it_knows(self) -> int | None:
        """Read it in its status file."""
        known = self._status().get("task_subscribers")
        return None if known is None else int(known)

    def is_lost_for(self, workers: Sequence[Any], brokers: Sequence[Any]) -> bool:
        """Tell whether a worker is older than the broker: it was connected to another, and never connects again."""
        oldest_worker = min((it.info["create_time"] for it in workers), default=float("inf"))
        return max((it.info["create_time"] for it in brokers), default=float("inf")) > oldest_worker

    def before_the_daemon_starts(self) -> None:
        """Remove what a killed broker left: a worker that starts before the new one would connect there, for good."""
        broker = _of_aiida()
        for file in (broker._service_sockets_file, broker._service_pid_file, broker._service_status_file):  # noqa: SLF001 - no public word
            file.unlink(missing_ok=True)

    def after_a_worker_died(self) -> None:
        """Have a connection to the broker and end it; the next use connects anew.

        It looks for dead workers when a connection ends, and that may be an instant too early to find the very one
        that did: it then keeps the worker's tasks for a worker that is no more. Another end makes it look again.
        """
        from aiida.manage.manager import get_manager

        with contextlib.suppress(ConnectionError):  # it is not up: it knows of no workers
            get_manager().get_communicator()
        disconnect()

    @staticmethod
    def _tasks() -> Path:
        return Path(_of_aiida()._storage_path) / "tasks"  # noqa: SLF001 - AiiDA has no read-only look into it

    @staticmethod
    def _status() -> dict[str, Any]:
        try:
            status = json.loads(_of_aiida()._service_status_file.read_text(encoding="utf-8"))  # noqa: SLF001 - no public word
        except (OSError, ValueError):
            return {}
        return status if isinstance(status, dict) else {}


def _processes_in(tasks: Iterable[Path]) -> set[int]:
    """Return the pks in task files; one that is gone, or that a power cut has left empty, is no process's."""
    found = set()
    for file in tasks:
        with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):
            found.add(int(json.loads(file.read_text(encoding="utf-8"))["body"]["args"]["pid"]))
    return found


class RabbitMq:
    """The admin's own RabbitMQ, which comes and goes as the admin has it; see rabbitmq_broker.py for its workers."""

    kind = "rabbitmq"

    def in_hand(self, pks: Collection[int]) -> set[int]:
        """Look into the queue, at the workers' locks, and into the queue again: what a dead worker had goes back there.

        A task that is on its way to a worker is in neither. Sent again it does no harm: see ``_one_at_a_time``.
        """
        return (self._waiting() | in_work.taken() | self._waiting()) & set(pks)

    def queue(self, controller: Any, pk: int) -> None:
        """Have it confirm the task, as it does each; its answer would be the process's end."""
        controller.continue_process(pk, nowait=False, no_reply=True)

    def processes_in_work(self) -> frozenset[int]:
        """Look at the workers' locks."""
        return in_work.taken()

    def is_up(self, brokers: Sequence[Any]) -> bool:  # noqa: ARG002 - it is none of the daemon's
        """Ask it."""
        return self.answers(amqp.LOOK_SECONDS)

    def answers(self, timeout_seconds: float) -> bool:
        """Ask it to let this node in."""
        return amqp.answers(_of_aiida().get_url(), timeout_seconds)

    def seconds_since_its_last_word(self) -> float | None:
        """Not known: whether it lives is its admin's to see to."""
        return None

    def workers_it_knows(self) -> int | None:
        """Not known, nor asked: a worker that lost its connection ends."""
        return None

    def is_lost_for(self, workers: Sequence[Any], brokers: Sequence[Any]) -> bool:  # noqa: ARG002 - the protocol's
        """No: a worker that lost it ends, and the next one waits for it."""
        return False

    def before_the_daemon_starts(self) -> None:
        """Nothing is left over."""

    def after_a_worker_died(self) -> None:
        """RabbitMQ has the tasks back as soon as the connection is gone."""

    @staticmethod
    def _waiting() -> set[int]:
        from aiida.brokers.rabbitmq.utils import get_launch_queue_name
        from aiida.orm.utils.serialize import deserialize_unsafe

        broker = _of_aiida()
        bodies = amqp.waiting(broker.get_url(), get_launch_queue_name(broker._prefix))  # noqa: SLF001 - no public word
        return {int(task.get("args", {}).get("pid", -1)) for task, _ in map(deserialize_unsafe, bodies)}


_KINDS: dict[str, type[Broker]] = {ZEROMQ: ZeroMq, RABBITMQ: RabbitMq}


def of_profile() -> Broker:
    """Return the loaded profile's broker."""
    from aiida.manage.manager import get_manager

    return _KINDS[get_manager().get_profile().process_control_backend]()


def configuration(address: AmqpAddress | None) -> tuple[str, dict[str, Any]]:
    """Return AiiDA's name and settings for RabbitMQ at ``address``, or for ZeroMQ.

    Raises EngineUnavailableError where that RabbitMQ does not let this node in.
    """
    from aiida.brokers.rabbitmq.utils import get_rmq_url
    from aiida.plugins import BrokerFactory

    if address is None:
        return ZEROMQ, BrokerFactory(ZEROMQ).get_default_config()
    parts = {
        "protocol": address.protocol,
        "username": address.username,
        "password": address.password,
        "host": address.host,
        "port": address.port,
        "virtual_host": quote(address.virtual_host, safe=""),
    }
    parameters = {"heartbeat": HEARTBEAT_SECONDS, **address.parameters}
    if not amqp.answers(get_rmq_url(**parts, **parameters)):
        raise EngineUnavailableError(f"RabbitMQ at {address} does not answer, or does not let {address.username} in")
    return RABBITMQ, {f"broker_{name}": part for name, part in parts.items()} | {"broker_parameters": parameters}


@contextlib.contextmanager
def connected() -> Iterator[Any]:
    """Give AiiDA's manager with a connection to the broker that stands; one that was lost is made anew.

    Raises EngineUnavailableError for what goes wrong with it, also within, and drops it then.
    """
    import kiwipy
    import zmq
    from aiida.manage.manager import get_manager
    from aio_pika.exceptions import AMQPError

    of_kiwipy = (kiwipy.DeliveryFailed, kiwipy.TaskRejected, kiwipy.CommunicatorClosed)
    # Of these, RuntimeError says that a channel or the communicator was closed.
    of_its_transports = (ConnectionError, TimeoutError, RuntimeError, AMQPError, zmq.ZMQError)
    manager = get_manager()
    try:
        try:
            manager.get_communicator()
        except ConnectionError:
            disconnect()
            manager.get_communicator()
        yield manager
    except (*of_kiwipy, *of_its_transports) as error:
        disconnect()
        raise EngineUnavailableError(f"AiiDA's broker cannot be asked: {type(error).__name__}: {error}") from error


def disconnect() -> None:
    """Drop the connection to the broker; the next use connects anew."""
    from aiida.manage.manager import get_manager

    manager = get_manager()
    _let_begin(getattr(getattr(manager._broker, "_resources", None), "communicator", None))  # noqa: SLF001 - no public word
    try:
        within(CLOSE_SECONDS, manager.reset_broker)
    except TimeoutError:  # it is left to itself
        manager._broker = manager._process_controller = None  # noqa: SLF001 - no public word
    manager.reset_runner()


def _let_begin(communicator: Any) -> None:
    """Wait until the thread of AiiDA's communicator is past its start.

    Closed before, as where a connection ends with the one question that it was made for, the thread may miss that it is
    to end, and AiiDA 2.9 then waits for it for ever.
    """
    loop = getattr(communicator, "_loop", None)
    if loop is None:
        return
    begun = threading.Event()
    with contextlib.suppress(RuntimeError):  # it is closed
        loop.call_soon_threadsafe(loop.call_later, BEGUN_SECONDS, begun.set)
        begun.wait(BEGINS_SECONDS)


def _of_aiida() -> Any:
    from aiida.manage.manager import get_manager

    return get_manager().get_broker()
