"""One thread for all that AiiDA does, so that its session has one owner and the agent's loop is never blocked."""

import asyncio
import functools
import sqlite3
import threading
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
        self.calls = 0  # that were begun
        self.is_busy = False
        self.native_id: int | None = None  # of the thread, by the kernel's count
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="slipway-aiida", initializer=self._begin)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return ``function(*args, **kwargs)``, run in the thread.

        A cancelled caller stops waiting; what the thread has begun is finished, so no transaction is cut in half.
        Raises EngineUnavailableError where a disk does not take what AiiDA has to write.
        """
        call = self._executor.submit(self._asked, functools.partial(function, *args, **kwargs))
        return await asyncio.wrap_future(call)

    def _asked(self, function: Callable[[], T]) -> T:
        self.calls += 1
        self.is_busy = True
        try:
            return function()
        except Exception as error:
            if not storage.is_told_by(error):
                raise
            if isinstance(getattr(error, "orig", None), sqlite3.OperationalError):
                self.database_failed = True
                give_up_transaction()
            raise EngineUnavailableError(f"AiiDA cannot write: {error}") from error
        finally:
            self.is_busy = False

    def close(self) -> None:
        """Drop what was not begun, and have the thread end when it has done what was; nobody waits for that."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _begin(self) -> None:
        self.native_id = threading.get_native_id()
        asyncio.set_event_loop(asyncio.new_event_loop())
