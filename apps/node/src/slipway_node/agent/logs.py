"""The agent's log: a JSON object a line, with the contract's fields and without payloads, tokens or keys."""

import contextlib
import json
import logging
import sys
from pathlib import Path
from typing import TextIO, cast

import structlog

from slipway_contracts.execution_event import ExecutionEvent
from slipway_contracts.node_protocol import NodeCommand
from slipway_node import storage

_EVENT_FIELDS = (
    "trace_id",
    "tenant_id",
    "workspace_id",
    "job_id",
    "submission_id",
    "execution_id",
    "event_id",
    "state",
)


class _Expendable:
    """A stream whose lines are lost where its disk is full, and nothing else is."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()


def configure(level: str, management_node_id: str | None, file: Path | None = None) -> None:
    """Write the log to ``file``, else to stderr, as where there is no room for one; every line names the node."""
    structlog.contextvars.clear_contextvars()
    if management_node_id is not None:
        structlog.contextvars.bind_contextvars(management_node_id=management_node_id)
    stream = sys.stderr if file is None else _opened(file)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", _Expendable(stream))),
        cache_logger_on_first_use=False,
    )


def _opened(file: Path) -> TextIO:
    try:
        return file.open("a", encoding="utf-8", buffering=1)
    except OSError as error:
        if not storage.lacks_room(error):
            raise
        return sys.stderr


def fields_of(command: NodeCommand | ExecutionEvent) -> dict[str, str]:
    """Return the fields that every log line of a flow carries (docs/contracts, "Observability fields")."""
    return {
        "trace_id": command.trace_id,
        "tenant_id": command.tenant_id,
        "workspace_id": command.workspace_id,
        "job_id": command.job_id,
        "submission_id": command.submission_id,
    }


def fields_of_event(event: ExecutionEvent) -> dict[str, str]:
    """Return an event's log fields."""
    return fields_of(event) | {
        "execution_id": event.execution_id,
        "event_id": event.event_id,
        "state": event.state.value,
    }


def fields_of_body(body: str) -> dict[str, str]:
    """Return the log fields of an event as the outbox has it."""
    # Not read as the model: what an older version wrote must not end the agent for the sake of a line.
    told = json.loads(body)
    return {name: told[name] for name in _EVENT_FIELDS if name in told}
