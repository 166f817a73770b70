"""The gateway's log: JSON lines with the contract's fields; never a secret, a token or a payload."""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any

import structlog
from pydantic_core import to_json

from slipway_contracts.cancel_job_command import CancelAccepted
from slipway_contracts.fields import ID_PATTERN
from slipway_contracts.submit_job_command import SubmitJobCommand
from slipway_gateway import tracing
from slipway_gateway.ports import NodeRecord, Scope
from slipway_gateway.problems import ContractError
from slipway_gateway.usecases.ingest_events import Outcome
from slipway_gateway.usecases.submit import Submitted

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_ID = re.compile(ID_PATTERN)
# A part of a path is an id or a word, and may name an action; none is as long as a user's or a node's token.
_PART = re.compile(r"[A-Za-z0-9._~-]{0,128}(:[A-Za-z-]{1,16})?")
_FIELD = re.compile(r"[A-Za-z0-9._-]{1,80}")  # a field of ours; a caller's own may be called anything
FIELDS_MAX = 8
_PATH_PARTS = 6  # of the longest, /api/runtime/nodes/{id}/commands:lease, with what stands before its first slash
_EVENT_FIELDS = (
    "trace_id",
    "tenant_id",
    "workspace_id",
    "job_id",
    "submission_id",
    "execution_id",
    "event_id",
)


class _Forwarded(logging.Handler):
    """Writes what a library logs as a line of ours: one that is no JSON would be lost on whoever reads them."""

    def emit(self, record: logging.LogRecord) -> None:
        _log.log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info)


def configure() -> None:
    """Log as JSON lines to stderr, libraries' warnings too, buffered by nothing but the operating system."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_as_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.BytesLoggerFactory(file=sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Forwarded()], level=logging.WARNING, force=True)


def _as_json(line: Mapping[str, Any], **_json_options: object) -> bytes:
    return to_json(line, fallback=str)


def failed(
    event: str, refusal: ContractError, about: Mapping[str, str], *, error: Exception | None = None, **fields: str
) -> None:
    """Log a fault as ``event``; ``error`` with its traceback."""
    _log.error(event, exc_info=error, code=refusal.code, **about, **fields)


def _tell(event: str, level: int = logging.INFO, **fields: Any) -> None:
    tracing.note(fields)
    _log.log(level, event, **fields)


def submitted(command: SubmitJobCommand, done: Submitted) -> None:
    """Log an accepted or replayed submit."""
    _tell(
        "submission accepted",
        trace_id=done.accepted.trace_id,
        tenant_id=command.tenant_id,
        workspace_id=command.workspace_id,
        job_id=command.job_id,
        submission_id=done.accepted.submission_id,
        management_node_id=command.management_node_id,
        idempotency_key=command.idempotency_key,
        replayed=done.replayed,
    )


def refused(refusal: ContractError, about: Mapping[str, str]) -> None:
    """Log a refusal; ``about`` is what the request was about, its trace id first of all.

    Of what does not hold the fields are named, and never what they said.
    """
    named = [error.field for error in refusal.errors[:FIELDS_MAX] if _FIELD.fullmatch(error.field)]
    _tell("request refused", logging.WARNING, code=refusal.code, **({"fields": named} if named else {}), **about)


def about_request(trace_id: str, method: str, path: str, known: Mapping[str, str]) -> dict[str, str]:
    """Return the fields by which the line of a refused request is found."""
    return {"trace_id": trace_id, "method": method, "path": _ours(path), **_ids_among(known)}


def about(command: SubmitJobCommand) -> dict[str, str]:
    """Return the fields by which a refused command's line is found."""
    fields = ("tenant_id", "workspace_id", "job_id", "management_node_id", "idempotency_key")
    return {name: getattr(command, name) for name in fields}


def cancel_recorded(scope: Scope, accepted: CancelAccepted) -> None:
    """Log a recorded cancel."""
    _tell(
        "cancel recorded",
        trace_id=accepted.trace_id,
        tenant_id=scope.tenant_id,
        workspace_id=scope.workspace_id,
        job_id=accepted.job_id,
        submission_id=accepted.submission_id,
        state=accepted.projection_state,
    )


def ingested(node: NodeRecord, event: Mapping[str, Any], outcome: Outcome, *, request_trace_id: str) -> None:
    """Log what became of an event; a refusal also by the request's trace id, which its problem carries."""
    fields: dict[str, Any] = {"management_node_id": node.management_node_id}
    if isinstance(outcome, ContractError):
        said = {name: event.get(name, event.get(_camel(name))) for name in (*_EVENT_FIELDS, "state")}
        fields |= _ids_among(said)
        if fields.setdefault("trace_id", request_trace_id) != request_trace_id:
            fields["request_trace_id"] = request_trace_id
        _tell("event refused", logging.WARNING, code=outcome.code, **fields)
        return
    fields |= {name: getattr(outcome.event, name) for name in _EVENT_FIELDS}
    fields |= {"projection_event_id": outcome.event.event_id, "state": outcome.event.state}
    if outcome.event.scheduler_ref is not None:
        fields["slurm_job_id"] = outcome.event.scheduler_ref.slurm_job_id
    _tell("event applied", idempotent=outcome.idempotent, **fields)


def _ids_among(said: Mapping[str, object]) -> dict[str, str]:
    """Return what is an id by the contract's pattern: whatever else was said may be a payload, of any length."""
    return {name: value for name, value in said.items() if isinstance(value, str) and _ID.fullmatch(value)}


def _ours(path: str) -> str:
    """Return ``path`` with an ellipsis for what no path of ours can have: a caller may put anything there."""
    parts = path.split("/", _PATH_PARTS)
    return "/".join(part if _PART.fullmatch(part) else "…" for part in parts)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))
