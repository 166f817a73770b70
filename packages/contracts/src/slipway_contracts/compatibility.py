"""The normalisation table for emitters older than contract 1 (docs/contracts/execution-event.md, "Compatibility").

Requests without ``Slipway-Contract`` may spell fields in camelCase or by older names, and say states in AiiDA's,
Slurm's or others' words. One table turns them into contract 1; a word that is not in it is refused, never guessed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slipway_contracts.execution_event import ExecutionState, event_id_for


class UnknownWordError(ValueError):
    """A field holds a word that the table does not have."""

    def __init__(self, field: str, word: object) -> None:
        super().__init__(f"{word!r} is not a known word")
        self.field = field
        self.word = word


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an older word means; ``error_code`` where it says how an execution failed."""

    state: ExecutionState
    error_code: str | None = None
    retryable: bool = False


_ACCEPTED = Meaning(ExecutionState.ACCEPTED)
_RUNNING = Meaning(ExecutionState.RUNNING)
_COMPLETED = Meaning(ExecutionState.COMPLETED)
_CANCELLED = Meaning(ExecutionState.CANCELLED)


def _failed(code: str, *, retryable: bool = False) -> Meaning:
    return Meaning(ExecutionState.FAILED, code, retryable)


# AiiDA's `finished` is not here: what it means depends on exit_status (see _finished).
WORDS: Mapping[str, Meaning] = {
    # contract 1
    "accepted": _ACCEPTED,
    "running": _RUNNING,
    "completed": _COMPLETED,
    "failed": _failed("job_failed"),
    "cancelled": _CANCELLED,
    # AiiDA
    "created": _ACCEPTED,
    "waiting": _ACCEPTED,
    "excepted": _failed("process_excepted"),
    "killed": _CANCELLED,
    # Slurm
    "pending": _ACCEPTED,
    "configuring": _ACCEPTED,
    "requeued": _ACCEPTED,
    "resizing": _ACCEPTED,
    "completing": _RUNNING,
    "suspended": _RUNNING,
    "stage_out": _RUNNING,
    "timeout": _failed("walltime_exceeded"),
    "out_of_memory": _failed("out_of_memory"),
    "node_fail": _failed("node_failure", retryable=True),
    "boot_fail": _failed("node_failure", retryable=True),
    "preempted": _failed("preempted", retryable=True),
    "deadline": _failed("deadline_missed"),
    # others
    "queued": _ACCEPTED,
    "submitted": _ACCEPTED,
    "started": _RUNNING,
    "in_progress": _RUNNING,
    "active": _RUNNING,
    "done": _COMPLETED,
    "complete": _COMPLETED,
    "success": _COMPLETED,
    "succeeded": _COMPLETED,
    "error": _failed("job_failed"),
    "failure": _failed("job_failed"),
    "canceled": _CANCELLED,
    "aborted": _CANCELLED,
}
FIELD_NAMES: Mapping[str, str] = {
    "timestamp": "occurred_at",
    "event_time": "occurred_at",
    "status": "state",
    "lifecycle_state": "state",
}
_CAMEL = re.compile(r"(?<=[a-z0-9])([A-Z])")


def normalise(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return an older emitter's ``event`` in contract 1's fields and words, ready for validation.

    Raises UnknownWordError for a state that is not in the table, for two spellings of one field that disagree, and
    for the derived id of another state, which the event that owns it would meet as a conflict. A missing ``event_id``
    is derived, and a failure that only its word tells gets that word's error.
    """
    fields = _renamed(event)
    if "state" not in fields:
        return fields
    meaning = _meaning(fields)
    fields["state"] = meaning.state.value
    if meaning.error_code is not None and fields.get("error") is None:
        fields["error"] = {
            "code": meaning.error_code,
            "message": str(fields.get("status_detail") or meaning.error_code),
            "retryable": meaning.retryable,
        }
    _identify(fields, meaning.state)
    return fields


def _identify(fields: dict[str, Any], state: ExecutionState) -> None:
    submission_id, execution_id = fields.get("submission_id"), fields.get("execution_id")
    if not (isinstance(submission_id, str) and isinstance(execution_id, str)):
        return  # validation names what is missing
    derived = {event_id_for(submission_id, execution_id, each): each for each in ExecutionState}
    event_id = fields.setdefault("event_id", event_id_for(submission_id, execution_id, state))
    if isinstance(event_id, str) and derived.get(event_id, state) is not state:
        raise UnknownWordError("event_id", event_id)


def _renamed(event: Mapping[str, Any]) -> dict[str, Any]:
    """Rename the event's fields and, one level down, those of its references; a summary is the job's own."""
    fields = _spelt(event, FIELD_NAMES)
    return {name: _spelt(value, {}) if isinstance(value, Mapping) else value for name, value in fields.items()}


def _spelt(values: Mapping[str, Any], older_names: Mapping[str, str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in values.items():
        snake = _CAMEL.sub(lambda match: f"_{match[1].lower()}", name)
        if fields.setdefault(older_names.get(snake, snake), value) != value:
            raise UnknownWordError(name, value)
    return fields


def _meaning(fields: Mapping[str, Any]) -> Meaning:
    word = fields["state"]
    if not isinstance(word, str):
        raise UnknownWordError("state", word)
    folded = word.strip().lower()
    if folded == "finished":
        return _finished(fields.get("exit_status"))
    try:
        return WORDS[folded]
    except KeyError:
        raise UnknownWordError("state", word) from None


def _finished(exit_status: object) -> Meaning:
    if isinstance(exit_status, bool) or not isinstance(exit_status, int):
        raise UnknownWordError("exit_status", exit_status)
    return _COMPLETED if exit_status == 0 else _failed(f"exit_{exit_status}")
