"""Events that the gateway refused for good, as the node's admin sees to them, beside a running agent or without one."""

import contextlib
import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from slipway_contracts.fields import UtcTime
from slipway_node.filesystem import require_local
from slipway_node.home import Home
from slipway_node.journal import Journal, OutboxEvent, read_beside_the_agent
from slipway_node.journal.trouble import told_as_unusable


class DeadLetter(BaseModel):
    """An event that the gateway refused for good; ``since`` is when it did."""

    model_config = ConfigDict(frozen=True)

    event_id: str
    submission_id: str
    job_id: str
    state: str
    attempts: int
    refusal: str | None
    since: UtcTime


def letter_of(event: OutboxEvent) -> DeadLetter:
    """Return a dead event of the outbox as it is shown."""
    # Not read as the model: what an older version wrote is to be shown, whatever it was.
    told = json.loads(event.body)
    return DeadLetter(
        event_id=event.event_id,
        submission_id=event.submission_id,
        job_id=str(told.get("job_id")),
        state=str(told.get("state")),
        attempts=event.attempts,
        refusal=event.refusal,
        since=event.changed_at,
    )


def listed(home: Home, clock: Callable[[], datetime]) -> list[DeadLetter]:
    """Return all of them, oldest first. Raises NotEnrolledError, JournalUnusableError."""
    home.identity()
    with read_beside_the_agent(home.journal_file, clock=clock) as journal:
        return [letter_of(event) for event in journal.dead_letters()] if journal else []


def put_back(home: Home, event_ids: Sequence[str] | None, clock: Callable[[], datetime]) -> list[str]:
    """Put dead letters back into the outbox, None for all; return their ids, with those that had to go before them.

    Raises NoDeadLetterError, JournalUnusableError.
    """
    with _writing(home, clock) as journal:
        return [event.event_id for event in journal.retry_dead_letters(event_ids)]


def given_up(home: Home, event_ids: Sequence[str] | None, clock: Callable[[], datetime]) -> list[str]:
    """Give dead letters up for good, None for all; return their ids.

    Raises NoDeadLetterError, JournalUnusableError.
    """
    with _writing(home, clock) as journal:
        return [event.event_id for event in journal.drop_dead_letters(event_ids)]


@contextlib.contextmanager
def _writing(home: Home, clock: Callable[[], datetime]) -> Iterator[Journal]:
    """Open the journal for writing; a home that has none yet gets it, as from its agent.

    Raises NotEnrolledError, NetworkFileSystemError, NewerJournalError, JournalUnusableError.
    """
    home.identity()
    require_local(home.root)
    with (
        told_as_unusable(),
        contextlib.closing(Journal.open(home.journal_file, new_id=lambda: str(uuid.uuid4()), clock=clock)) as journal,
    ):
        yield journal
