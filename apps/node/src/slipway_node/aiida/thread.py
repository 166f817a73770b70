"""One thread for all that AiiDA does, so that its session has one owner and the agent's loop is never blocked."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class EngineThread:
    """Runs callables one after another in a thread of its own, which has an event loop as AiiDA's runner asks for."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(
            max_workers=1, thread_name_prefix="slipway-aiida", initializer=_with_event_loop
        )

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return ``function(*args, **kwargs)``, run in the thread.

        A cancelled caller stops waiting; what the thread has begun is finished, so no transaction is cut in half.
        """
        call = self._executor.submit(function, *args, **kwargs)
        return await asyncio.wrap_future(call)

    def close(self) -> None:
        """Let what was begun end, drop what was not, and end the thread."""
        self._executor.shutdown(wait=True, cancel_futures=True)


def _with_event_loop() -> None:
    asyncio.set_event_loop(asyncio.new_event_loop())
