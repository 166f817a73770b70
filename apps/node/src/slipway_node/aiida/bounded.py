"""Calls that may never return, of which nobody waits for longer than they can."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, call: Callable[[], T]) -> T:
    """Return what ``call`` returns; raises TimeoutError where it takes longer, and leaves it to itself.

    An end of a connection that is half gone may never come, and whoever waits for it has other work.
    """
    outcome: Future[T] = Future()

    def do() -> None:
        try:
            outcome.set_result(call())
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
            outcome.set_exception(error)

    threading.Thread(target=do, daemon=True).start()
    return outcome.result(seconds)
