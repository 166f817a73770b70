"""One thread for all that AiiDA does, so that its session has one owner and the agent's loop is never blocked."""

import asyncio
import functools
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from slipway_node import storage
from slipway_node.aiida.profile import give_up_transaction
from slipway_node.ports import EngineUnavailableError

P = ParamSpec("P")
T = TypeVar("T")


class EngineThread:
    """Runs callables one after another in a thread of its own, which has an event loop as AiiDA's runner asks for."""

    def __init__(self) -> None:
        self.database_failed = False  # to write, since this was last set back
        self._executor = ThreadPoolExecutor(
            max_workers=1, thread_name_prefix="slipway-aiida", initializer=_with_event_loop
        )

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return ``function(*args, **kwargs)``, run in the thread.

        A cancelled caller stops waiting; what the thread has begun is finished, so no transaction is cut in half.
        Raises EngineUnavailableError where a disk does not take what AiiDA has to write.
        """
        call = self._executor.submit(self._asked, functools.partial(function, *args, **kwargs))
        return await asyncio.wrap_future(call)

    def _asked(self, function: Callable[[], T]) -> T:
        try:
            return function()
        except Exception as error:
            if not storage.is_told_by(error):
                raise
            if isinstance(getattr(error, "orig", None), sqlite3.OperationalError):
                self.database_failed = True
                give_up_transaction()
            raise EngineUnavailableError(f"AiiDA cannot write: {error}") from error

    def close(self) -> None:
        """Let what was begun end, drop what was not, and end the thread."""
        self._executor.shutdown(wait=True, cancel_futures=True)


def _with_event_loop() -> None:
    asyncio.set_event_loop(asyncio.new_event_loop())
