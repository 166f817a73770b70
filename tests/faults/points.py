"""Named points between the steps of a submission; only processes that the fault tests start ever load this.

A process that reaches a point tells the director (director.py), and is held there until that lets it go, or kills it.
It may also be told to do the step twice, or later.
"""

import asyncio
import contextlib
import functools
import inspect
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

ADDRESS = "SLIPWAY_FAULTS"
"""The environment variable with the path of the director's socket, read here alone."""
WITHOUT = "SLIPWAY_WITHOUT"
"""The one with the protections that are taken out, to see that the faults then do harm; separated by blanks."""

PATIENCE = "SLIPWAY_PATIENCE_SECONDS"
"""The one with the seconds after which the agent gives a call to its gateway up."""
STANDS_STILL = "SLIPWAY_STANDS_STILL_SECONDS"
"""The one with the seconds after which the agent ends itself since its engine does nothing."""
LEASE = "SLIPWAY_LEASE_SECONDS"
"""The one with the seconds after which the gateway's leases end."""

LATER = 0
"""What ``cross`` returns where a step is to be done by and by, and not by the process that is at it."""


def without(protection: str) -> bool:
    """Tell whether a protection is to be taken out."""
    return protection in os.environ.get(WITHOUT, "").split()


def cross(point: str) -> int:
    """Tell that ``point`` was reached, wait to be let go, and return how often the step is to be done.

    Without a director nothing is waited for.
    """
    address = os.environ.get(ADDRESS)
    if address is None:
        return 1
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as line:
        line.connect(address)
        line.sendall(f"{os.getpid()} {point}\n".encode())
        return int(line.recv(1) or b"1")
    return 1


async def cross_async(point: str) -> int:
    """Cross without holding up the loop: what else the process does goes on meanwhile."""
    return await asyncio.to_thread(cross, point)


async def stepping(points: Sequence[str], step: Callable[[], Awaitable[Any]]) -> Any:
    """Take a step with all of ``points`` before and after it, one after the other; the most often that one asks for."""
    for _ in range(max([await cross_async(f"before {point}") for point in points], default=1)):
        answer = await step()
    for point in points:
        await cross_async(f"after {point}")
    return answer


def around(owner: Any, name: str, point: str) -> None:
    """Have the function ``owner.name`` cross ``before POINT`` and ``after POINT``."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def plain(*arguments: Any, **named: Any) -> Any:
        for _ in range(cross(f"before {point}")):
            answer = original(*arguments, **named)
        cross(f"after {point}")
        return answer

    @functools.wraps(original)
    async def awaited(*arguments: Any, **named: Any) -> Any:
        return await stepping([point], lambda: original(*arguments, **named))

    setattr(owner, name, awaited if inspect.iscoroutinefunction(original) else plain)
