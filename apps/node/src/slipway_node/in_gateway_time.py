"""Calls of a command, which has no second heartbeat to learn the gateway's time by."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from slipway_node.clock import Clock
from slipway_node.gateway_client import NodeNotRecognisedError

T = TypeVar("T")


async def in_gateway_time(clock: Clock, call: Callable[[], Awaitable[T]]) -> T:
    """Return what ``call`` does, done again once where its refusal has set ``clock`` right: a token has its time."""
    believed = clock.skew_seconds
    try:
        return await call()
    except NodeNotRecognisedError:
        if clock.skew_seconds == believed:
            raise
    return await call()
