"""Storing a process with its label and envelope, and handing it to the daemon."""

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from slipway_node.aiida import brokers, in_work, queries, verdicts, work_directory
from slipway_node.aiida.record_times import is_settled
from slipway_node.ports import EngineUnavailableError, Envelope

PLAY_SECONDS = 5.0
BROKER_SECONDS = 2.0  # it answers within milliseconds
SETTLE_SECONDS = 5.0  # how long a task that was sent may take to show in the broker's queue

_ENVELOPE: TypeAdapter[Envelope] = TypeAdapter(Envelope)


def envelope_json(envelope: Envelope) -> str:
    """Return what is stored as the process's description."""
    return _ENVELOPE.dump_json(envelope).decode()


def envelope_from(description: str) -> Envelope:
    """Return the envelope that ``envelope_json`` wrote."""
    return _ENVELOPE.validate_json(description)


def store(process: str, inputs: dict[str, Any], description: str) -> Any:
    """Store the process with its checkpoint in one transaction and return its node; nothing runs it yet.

    AiiDA stores the two one after the other; killed in between, it leaves a process that nothing can ever continue.
    Its inputs are stored before, so that workers wait for as little as can be; killed in between, they are data that
    nothing refers to. The description is set on the node and is no input: an input is in each checkpoint, twice, which
    a worker writes and reads a dozen times a job. Raises EngineUnavailableError where the database stays locked, or
    there is no broker.
    """
    from aiida.engine.utils import instantiate_process
    from aiida.plugins import CalculationFactory

    with brokers.connected() as manager:
        runner, storage = manager.get_runner(), manager.get_profile_storage()
        process_class = CalculationFactory(process)
        with _writing(storage):
            for node in _unstored(inputs):
                node.store()
        instance = None
        try:
            with _writing(storage):
                instance = instantiate_process(runner, process_class, **inputs)  # writes its checkpoint as it is made
                instance.node.description = description
        finally:
            if instance is not None:  # its number is given to the next one where this one was not stored: let go of it
                instance.close()
        return instance.node


def _unstored(inputs: dict[str, Any]) -> Iterator[Any]:
    from aiida.orm import Node

    for value in inputs.values():
        if isinstance(value, dict):
            yield from _unstored(value)
        elif isinstance(value, Node) and not value.is_stored:
            yield value


@contextlib.contextmanager
def _writing(storage: Any) -> Iterator[None]:
    """Have all that is written within come into the database at once, or not at all.

    The write lock is held from the first write on, and not while AiiDA still looks and computes: its workers wait for
    each moment of it. Until then each look stands alone, since a transaction that begins with a look cannot become a
    writer once another has written: SQLite says "locked" at once. So it is the driver that begins it, with the first
    write, and the session joins it: what AiiDA commits within does not end it.
    Raises EngineUnavailableError where the lock is not to be had.
    """
    from sqlalchemy import event
    from sqlalchemy.exc import OperationalError, SAWarning

    made: list[Any] = []

    def remember(_session: Any, row: Any) -> None:
        made.append(row)

    session = storage.get_session()
    engine = session.bind
    event.listen(session, "pending_to_persistent", remember)
    try:
        with warnings.catch_warnings(), engine.connect() as connection, connection.begin():
            warnings.simplefilter("ignore", SAWarning)  # AiiDA relates nodes to their user before it adds them
            session.commit()
            session.bind, session.join_transaction_mode = connection, "rollback_only"
            session.expire_on_commit = False  # nobody else writes what is written here
            yield
            session.commit()
    except BaseException as error:
        session.rollback()
        for row in made:  # the session believes them stored, and their numbers are given to the next ones
            if row in session:
                session.expunge(row)
        if isinstance(error, OperationalError):
            raise EngineUnavailableError(f"AiiDA's database cannot be written: {error.orig}") from error
        raise
    finally:
        event.remove(session, "pending_to_persistent", remember)
        session.bind, session.join_transaction_mode = engine, "conditional_savepoint"
        session.expire_on_commit = True


def hand_over(pk: int) -> None:
    """Queue the stored process for the daemon; returns when it is queued for certain.

    Raises EngineUnavailableError where the broker does not say that it is; it may be, then, or come to be.
    """
    with brokers.connected() as manager:
        brokers.of_profile().queue(manager.get_process_controller(), pk)


def see_to_what_gave_up() -> None:
    """Set processes going again that AiiDA paused after it could not reach the scheduler or its folder a few times.

    "Could not ask" is never the end of a job, but those that the work directory has no room for are killed, and told
    as failed by what was written down of them. A process that a person paused stays paused. Raises
    EngineUnavailableError.
    """
    from aiida.engine.processes.control import kill_processes, play_processes
    from aiida.orm import ProcessNode, QueryBuilder

    filters = {
        "attributes.paused": True,
        "attributes.process_state": {"in": ["created", "waiting", "running"]},
        "attributes.process_status": {"like": f"{verdicts.GAVE_UP}%"},
    }
    paused = QueryBuilder().append(ProcessNode, filters=filters).all(flat=True)
    lacking = work_directory.lacked_by(paused)
    others = [node for node in paused if node not in lacking]
    if paused:
        with brokers.connected():
            if lacking:
                kill_processes(lacking, timeout=PLAY_SECONDS)
            if others:
                play_processes(others, timeout=PLAY_SECONDS)


def seal(execution_ids: Sequence[str]) -> bool:
    """Seal processes that have ended and that nobody is at; tell whether there were any.

    One whose task is still queued is left to the worker that takes it up; all of them where that is not known.
    """
    nodes = {node.pk: node for node in map(queries.node_of, execution_ids)}
    if not nodes:
        return False
    try:
        free = nodes.keys() - brokers.of_profile().in_hand(nodes.keys())
    except EngineUnavailableError:
        return False
    for pk in free:
        nodes[pk].seal()
    return bool(free)


def left_behind(execution_ids: Sequence[str]) -> list[int]:
    """Return the pks of those that were stored and never taken up, and for which no task is queued.

    Continuing one that is queued or in work runs it twice, and one that was killed meanwhile is still run. None is told
    of where the broker stands still: it may have a task that it has not come to. It is asked before the processes are
    looked at once more: a task that is taken up and done between the two has changed its process by then. Raises
    EngineUnavailableError.
    """
    now, within = datetime.now(UTC), timedelta(seconds=SETTLE_SECONDS)
    stored = queries.never_taken_up(execution_ids)
    waiting = {pk for pk, created_at in stored if is_settled(created_at, now, within)}
    if not waiting or not brokers.of_profile().answers(BROKER_SECONDS):
        return []
    free = waiting - brokers.of_profile().in_hand(waiting)
    return [pk for pk, _ in queries.never_taken_up(execution_ids) if pk in free]


def dropped() -> list[int]:
    """Return the pks of those under way for which no task is queued or in work.

    A worker that a full disk fails in the middle of a process has done with its task, and the process has not ended.
    As in ``left_behind`` the processes are looked at once more after the broker was asked: one may end in between,
    where workers run. Raises EngineUnavailableError where it is not known who has a task.
    """
    under_way = queries.under_way()
    if not under_way:
        return []
    in_hand = brokers.of_profile().in_hand(under_way)
    free = set(under_way) - in_hand
    return [pk for pk in queries.under_way() if pk in free]


def note_cancel(execution_id: str) -> bool:
    """Write down with the process that its cancel was asked for; False where there is no such process.

    How it ended is told by that too, and the same whenever it is told again.
    """
    from aiida.common.exceptions import NotExistent

    try:
        extras = queries.node_of(execution_id).base.extras
    except NotExistent:
        return False
    if not extras.get(verdicts.CANCEL_EXTRA, False):
        extras.set(verdicts.CANCEL_EXTRA, True)
    return True


def kill_stored(pk: int) -> None:
    """Kill a process that no worker has; the caller has seen that it was left behind."""
    from plumpy.persistence import LoadSaveContext

    with brokers.connected() as manager:
        if (taken := in_work.take(pk)) is None:
            return  # a worker has it after all
        with taken:
            context = LoadSaveContext(runner=manager.get_runner())
            instance = manager.get_persister().load_checkpoint(pk).unbundle(context)
            instance.kill("cancelled before it was taken up", force_kill=True)  # there is no scheduler job to cancel
            instance.close()
