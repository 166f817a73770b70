"""One thread for all that AiiDA does, so that its session has one owner and the agent's loop is never blocked."""

import asyncio
import functools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from slipway_node import storage
from slipway_node.aiida.profile import give_up_transaction, is_of_the_database
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
        Raises EngineUnavailableError where a disk does not take what AiiDA has to write, or its database is locked.
        """
        call = self._executor.submit(self._asked, functools.partial(function, *args, **kwargs))
        return await asyncio.wrap_future(call)

    def _asked(self, function: Callable[[], T]) -> T:
        self.calls += 1
        self.is_busy = True
        try:
            return function()
        except Exception as error:
            of_the_disk, of_the_database = storage.is_told_by(error), is_of_the_database(error)
            if of_the_database:
                give_up_transaction()  # else the session raises at whatever is asked next
            told = getattr(error, "orig", None) or error  # without the statement, and all that was to be written
            if of_the_disk:
                self.database_failed |= of_the_database
                raise EngineUnavailableError(f"AiiDA cannot write: {told}") from error
            if of_the_database:
                raise EngineUnavailableError(f"AiiDA's database cannot be asked: {told}") from error
            raise
        finally:
            self.is_busy = False

    def close(self) -> None:
        """Drop what was not begun, and have the thread end when it has done what was; nobody waits for that."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _begin(self) -> None:
        self.native_id = threading.get_native_id()
        asyncio.set_event_loop(asyncio.new_event_loop())
