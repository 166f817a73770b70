"""What AiiDA still knows of the executions that were launched here, whatever became of the journal."""

from collections.abc import Collection
from datetime import datetime

from pydantic import ValidationError

from slipway_node.aiida import queries, submission
from slipway_node.ports import Launched


def launched_since(moment: datetime, besides: Collection[str]) -> list[Launched]:
    """Return executions that changed since ``moment`` or have not ended, oldest first, but none of ``besides``."""
    once: dict[str, Launched] = {}
    for label, uuid, description, ended_at in queries.changed_since(moment):
        if label in besides or label in once:
            continue
        launched = _launched(label, uuid, description, ended_at)
        if launched is not None:
            once[label] = launched
    return list(once.values())


def _launched(label: str, uuid: str, description: str, ended_at: datetime | None) -> Launched | None:
    """Return one of ours; None for a process that somebody else ran on the profile."""
    try:
        envelope = submission.envelope_from(description)
    except ValidationError:
        return None
    return Launched(uuid, envelope, ended_at) if envelope.command.submission_id == label else None
