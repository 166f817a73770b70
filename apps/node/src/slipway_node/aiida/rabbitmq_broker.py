"""AiiDA's RabbitMQ broker, with tasks that may come twice and connections that may be lost.

It is the profile's broker (entry point ``slipway.rabbitmq``) in whatever loads it: the agent, the workers, `verdi`.
RabbitMQ gives a task to another worker once it believes that the first one is gone, as after its own restart, and it
may be wrong. AiiDA's own broker then has one process run twice.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from aiida.brokers.rabbitmq import RabbitmqBroker

from slipway_node.aiida import amqp, in_work
from slipway_node.aiida.bounded import within

RETRY_SECONDS = 1.0


class SlipwayRabbitmqBroker(RabbitmqBroker):  # type: ignore[misc] # AiiDA's types are skipped by configuration
    """RabbitMQ over connections that are never mended: who lost one begins anew."""

    _was_cut_off = False

    def get_communicator(self) -> Any:
        """Return the connection. Raises ConnectionError where there is none; a worker waits for one."""
        if self._was_cut_off:
            raise ConnectionError("the connection to RabbitMQ was lost")
        return super().get_communicator()

    def close(self) -> None:
        """Close the connection, in whatever state it is."""
        with contextlib.suppress(Exception):  # half of it may be gone, and each part says so in its own way
            within(amqp.END_SECONDS, super().close)

    def _create_communicator(self) -> Any:
        while not amqp.answers(self.get_url()):
            if not _is_worker():
                raise ConnectionError("RabbitMQ does not answer")
            time.sleep(RETRY_SECONDS)
        communicator = super()._create_communicator()
        communicator.add_close_callback(self._lost)
        subscribe = communicator.add_task_subscriber
        communicator.add_task_subscriber = lambda take, identifier=None: subscribe(_one_at_a_time(take), identifier)
        return communicator

    async def _lost(self, connection: Any, error: BaseException | None) -> None:
        """End a worker whose connection is gone: RabbitMQ gives its tasks to the next one, which may be itself."""
        if isinstance(error, asyncio.CancelledError):  # it was closed on purpose
            return
        if _is_worker():
            os.kill(os.getpid(), signal.SIGKILL)
        self._was_cut_off = True
        self._closing = asyncio.ensure_future(connection.close())  # it ends after this, and mends nothing from then on


def _is_worker() -> bool:
    return sys.argv[-2:] == ["daemon", "worker"]


def _one_at_a_time(take_up: Callable[..., Any]) -> Callable[..., Any]:
    """Have a task wait while its process is in work: when that has ended, AiiDA finds nothing left to do.

    The process is in work until its own future is done. Who waits for that is cancelled as soon as RabbitMQ closes the
    channel, as it does when a task takes long, and the process goes on.
    """

    async def taken_up(communicator: Any, task: dict[str, Any]) -> Any:
        while (taken := in_work.take(int(task["args"]["pid"]))) is None:  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(RETRY_SECONDS)
        work = take_up(communicator, task)
        work.add_done_callback(lambda _: taken.close())
        return await asyncio.shield(asyncio.wrap_future(work))

    return lambda communicator, task: asyncio.ensure_future(taken_up(communicator, task))
