"""A lane: one thread with one connection that runs concurrent operations as groups, a transaction a group.

Operations that come together, and those that queue up while a group is at work, share a transaction; those of one kind
share their statements. A group in which one operation fails is rolled back and each of its operations done again under
a savepoint of its own, so that a bad one never hurts the others. The loop hears of a group once.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from slipway_gateway.ports import StoreUnavailableError
from slipway_gateway.stores.sql.session import Argument, Operation, Result, Topic
from slipway_gateway.stores.sql.sqlite import SqliteSession, is_unavailability

GROUP_MAX_OPERATIONS = 128
"""Bounds a transaction, and so how long the first operation of a group waits for the last."""


@dataclass(slots=True)
class _Pending:
    """An operation with its argument and the future that waits for it."""

    operation: Operation[Any, Any]
    argument: Any
    future: "asyncio.Future[Any]"
    result: Any = None
    error: BaseException | None = None


class Lane:
    """Runs operations in groups. ``begin`` is the statement that opens a transaction.

    ``on_commit`` is called in the event loop with the topics a committed group brought something for, before the
    futures are resolved.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], sqlite3.Connection],
        begin: str,
        on_commit: Callable[[set[Topic]], None] | None = None,
    ) -> None:
        self._connect = connect
        self._begin = begin
        self._on_commit = on_commit
        self._loop = asyncio.get_running_loop()
        self._connection: sqlite3.Connection | None = None
        self._generation = 0
        self._gathered: list[_Pending] = []
        self._queue: SimpleQueue[list[_Pending] | None] = SimpleQueue()
        self._closed = False
        self._thread = Thread(target=self._work, name=f"slipway-{name}", daemon=True)
        self._thread.start()

    def submit(self, operation: Operation[Argument, Result], argument: Argument) -> "asyncio.Future[Result]":
        """Queue ``operation``; the future raises StoreUnavailableError when the database is out of reach.

        Cancelling the future abandons the answer, not the operation.
        """
        future: asyncio.Future[Result] = self._loop.create_future()
        if self._closed:
            future.set_exception(StoreUnavailableError("the store is closed"))
            return future
        if not self._gathered:
            self._loop.call_soon(self._gather, 0)
        self._gathered.append(_Pending(operation, argument, future))
        return future

    async def close(self) -> None:
        """Finish what is queued and close the connection."""
        if self._closed:
            return
        self._closed = True
        self._hand_over()
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _gather(self, before: int) -> None:
        """Hand over when the last turn of the loop brought nothing more.

        Requests that arrived together come over several turns. Handed over at the first, their group would wait for the
        interpreter that works on the rest of them, woken in vain at every step it takes.
        """
        now = len(self._gathered)
        if before < now < GROUP_MAX_OPERATIONS:
            self._loop.call_soon(self._gather, now)
        else:
            self._hand_over()

    def _hand_over(self) -> None:
        if self._gathered:
            self._queue.put(self._gathered)
            self._gathered = []

    def _work(self) -> None:
        """Take groups until the end; what the thread does all its life."""
        open_ended = True
        while open_ended:
            group: list[_Pending] = []
            item = self._queue.get()
            try:
                while item is not None:
                    group += item
                    if len(group) >= GROUP_MAX_OPERATIONS:
                        break
                    item = self._queue.get_nowait()
            except Empty:
                pass
            open_ended = item is not None
            if group:
                arrivals = self._run(group)
                self._answer(group, arrivals)
        self._let_go()

    def _answer(self, group: list[_Pending], arrivals: set[Topic]) -> None:
        try:
            self._loop.call_soon_threadsafe(self._resolve, group, arrivals)
        except RuntimeError:
            self._closed = True  # the loop ended before its store did: there is nobody left to answer

    def _resolve(self, group: list[_Pending], arrivals: set[Topic]) -> None:
        if arrivals and self._on_commit is not None:
            self._on_commit(arrivals)
        for pending in group:
            if pending.future.done():
                continue  # the caller was cancelled; what it asked for is done all the same
            if pending.error is None:
                pending.future.set_result(pending.result)
            else:
                pending.future.set_exception(pending.error)

    def _run(self, group: list[_Pending]) -> set[Topic]:
        """Run ``group``, fill in its outcomes, and return the topics it brought something for."""
        try:
            try:
                return self._transact(group, self._run_together)
            except Exception as error:
                if is_unavailability(error):
                    raise
                return self._transact(group, self._run_alone)
        except Exception as error:  # noqa: BLE001 - whatever it was, every caller is to be answered
            for pending in group:
                pending.error = _told(error)
            self._let_go()
            return set()

    def _transact(
        self, group: list[_Pending], run: Callable[[sqlite3.Connection, SqliteSession, list[_Pending]], None]
    ) -> set[Topic]:
        if self._connection is None:
            self._connection = self._connect()
            self._generation += 1
        connection = self._connection
        session = SqliteSession(connection, self._generation)
        connection.execute(self._begin)
        try:
            run(connection, session, group)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return session.arrivals

    def _run_together(self, _connection: sqlite3.Connection, session: SqliteSession, group: list[_Pending]) -> None:
        kinds: dict[Operation[Any, Any], list[_Pending]] = {}
        for pending in group:
            kinds.setdefault(pending.operation, []).append(pending)
        for operation, members in kinds.items():
            results = operation.run(session, [member.argument for member in members])
            for member, result in zip(members, results, strict=True):
                member.result = result

    def _run_alone(self, connection: sqlite3.Connection, session: SqliteSession, group: list[_Pending]) -> None:
        for pending in group:
            arrived = set(session.arrivals)
            connection.execute("SAVEPOINT alone")
            try:
                [pending.result] = pending.operation.run(session, [pending.argument])
            except Exception as error:
                if is_unavailability(error):
                    raise
                connection.execute("ROLLBACK TO alone")
                session.arrivals = arrived
                pending.error = error
            connection.execute("RELEASE alone")

    def _let_go(self) -> None:
        """Close the connection; the next group opens another, so that the lane recovers by itself."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _told(error: Exception) -> Exception:
    """Return the error a caller is told: a database out of reach by the port's word, a fault of ours as it is."""
    if not is_unavailability(error):
        return error
    unavailable = StoreUnavailableError(f"the product store is out of reach: {error}")
    unavailable.__cause__ = error
    return unavailable
