"""Single looks into RabbitMQ, each over a connection of its own, that leave everything as it was."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

import aio_pika
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import AMQPError, ChannelNotFoundEntity

from slipway_node.aiida.bounded import within
from slipway_node.ports import EngineUnavailableError

LOOK_SECONDS = 5.0
END_SECONDS = 2.0
logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # what it says of a failed look is in the error
T = TypeVar("T")


def answers(url: str, timeout_seconds: float = LOOK_SECONDS) -> bool:
    """Tell whether RabbitMQ lets this node in within the time."""
    try:
        _look(url, _nothing, timeout_seconds)
    except EngineUnavailableError:
        return False
    return True


def waiting(url: str, queue_name: str) -> list[bytes]:
    """Return the messages that wait in a queue, which has them as before. Raises EngineUnavailableError."""

    async def read(connection: AbstractConnection) -> list[bytes]:
        channel = await connection.channel()
        try:
            queue = await channel.get_queue(queue_name)
        except ChannelNotFoundEntity:
            return []  # the first worker makes it
        messages = []
        while (message := await queue.get(fail=False)) is not None:
            messages.append(message)
        if messages:
            await messages[-1].nack(multiple=True, requeue=True)
            await channel.get_queue(queue_name)  # answered by the queue, after it has taken them back
        return [message.body for message in messages]

    return _look(url, read)


async def _nothing(_connection: AbstractConnection) -> None:
    pass


def _look(url: str, look: Callable[[AbstractConnection], Awaitable[T]], seconds: float = LOOK_SECONDS) -> T:
    async def connected() -> T:
        async with asyncio.timeout(seconds), await aio_pika.connect(url) as connection:
            return await look(connection)

    try:
        return within(seconds + END_SECONDS, lambda: asyncio.run(connected()))
    except (AMQPError, OSError, TimeoutError) as error:
        raise EngineUnavailableError(f"RabbitMQ does not answer: {type(error).__name__}") from error
