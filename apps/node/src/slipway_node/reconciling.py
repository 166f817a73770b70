"""Writing back into the journal what the engine knows and the journal does not. The engine's record is the truth.

Each process carries its submission's id and the command that it was launched for. So after the loss of the journal, or
with an older copy of it in its place, everything that came to be a process is watched again, finished, and told: the
ids of events are derived, so that telling the gateway twice is harmless (docs/contracts/execution-event.md).
"""

from collections.abc import Callable
from datetime import datetime

import structlog
from pydantic import BaseModel, ConfigDict

from slipway_node import events
from slipway_node.agent.logs import fields_of_event
from slipway_node.journal import Journal, JournalThread
from slipway_node.ports import Engine

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

    What it writes is what a launch writes, so the watch takes it from there. May be cut off and repeated. Raises
    EngineUnavailableError.
    """
    known = await journal.call(Journal.accounted_for)
    written_back = []
    for lost in await engine.launched_since(since, known):
        command = lost.envelope.command
        accepted = events.accepted(command, lost.execution_id, clock())
        await journal.call(Journal.record_launch, command, accepted)
        _log.info("execution_written_back", **fields_of_event(accepted))
        written_back.append(
            WrittenBack(submission_id=command.submission_id, job_id=command.job_id, execution_id=lost.execution_id)
        )
    return Reconciliation(in_journal=len(known), written_back=written_back)
