"""Writing back into the journal what the engine knows and the journal does not. The engine's record is the truth.

Each process carries its submission's id and the command that it was launched for. So after the loss of the journal, or
with an older copy of it in its place, everything that came to be a process is watched again, finished, and told: the
ids of events are derived, so that telling the gateway twice is harmless (docs/contracts/execution-event.md).

What has not ended is watched at once. Most of what has ended was told before the loss, and to collect it again takes
long: it is recalled, which is to say written down and taken up when nothing else is to be finished, or when the gateway
asks for it.
"""

from collections.abc import Callable, Iterable
from datetime import datetime

import structlog
from pydantic import BaseModel, ConfigDict

from slipway_contracts.node_protocol import NodeCommand
from slipway_node import events
from slipway_node.agent.logs import fields_of_event
from slipway_node.journal import Journal, JournalThread
from slipway_node.ports import Engine, Launched

_log = structlog.get_logger(__name__)


class WrittenBack(BaseModel):
    """An execution that the journal had lost."""

    model_config = ConfigDict(frozen=True)

    submission_id: str
    job_id: str
    execution_id: str


class Reconciliation(BaseModel):
    """What was done; ``in_journal`` counts the submissions that were left alone."""

    model_config = ConfigDict(frozen=True)

    in_journal: int
    written_back: list[WrittenBack]


async def reconcile(
    engine: Engine, journal: JournalThread, *, since: datetime, clock: Callable[[], datetime]
) -> Reconciliation:
    """Write back the executions that changed after ``since`` or have not ended, and that the journal does not have.

    May be cut off and repeated. Raises EngineUnavailableError.
    """
    known = await journal.call(Journal.accounted_for)
    lost = await engine.launched_since(since, known)
    goes_on, ended = [it for it in lost if it.ended_at is None], newest_end_first(lost)
    for it in goes_on:
        await take_up(journal, it.envelope.command, it.execution_id, clock())
    if ended:  # else a start would wait for a full disk with nothing to write
        await journal.call(Journal.record_recalled, [(it.envelope.command, it.execution_id) for it in ended])
    return Reconciliation(in_journal=len(known), written_back=[_written_back(it) for it in (*goes_on, *ended)])


def newest_end_first(lost: Iterable[Launched]) -> list[Launched]:
    """Return those that have ended: the later one ended, the likelier it is that the gateway was not told. Pure."""
    ended = [(it.ended_at, it) for it in lost if it.ended_at is not None]
    return [it for _, it in sorted(ended, key=lambda pair: pair[0], reverse=True)]


async def take_up(journal: JournalThread, command: NodeCommand, execution_id: str, now: datetime) -> None:
    """Write down what a launch writes, so that the watch takes the execution from there. May be repeated."""
    accepted = events.accepted(command, execution_id, now)
    await journal.call(Journal.record_launch, command, accepted)
    _log.info("execution_taken_up", **fields_of_event(accepted))


def _written_back(lost: Launched) -> WrittenBack:
    command = lost.envelope.command
    return WrittenBack(submission_id=command.submission_id, job_id=command.job_id, execution_id=lost.execution_id)
