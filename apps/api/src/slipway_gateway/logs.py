"""The gateway's log: JSON lines with the contract's fields; never a secret, a token or a payload."""

import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from pydantic_core import to_json

from slipway_contracts.cancel_job_command import CancelAccepted
from slipway_contracts.submit_job_command import SubmitJobCommand
from slipway_gateway.ports import NodeRecord
from slipway_gateway.problems import ContractError
from slipway_gateway.usecases.ingest_events import Outcome
from slipway_gateway.usecases.submit import Submitted

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("slipway.gateway")

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


def _encoded(fields: Mapping[str, Any], default: Callable[[Any], Any]) -> bytes:
    return to_json(fields, fallback=default)


def configure() -> None:
    """Log as JSON lines to stderr, buffered by nothing but the operating system."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_encoded),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )


def submitted(command: SubmitJobCommand, done: Submitted) -> None:
    """Log an accepted or replayed submit."""
    log.info(
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


def cancel_recorded(accepted: CancelAccepted) -> None:
    """Log a recorded cancel."""
    log.info(
        "cancel recorded",
        trace_id=accepted.trace_id,
        job_id=accepted.job_id,
        submission_id=accepted.submission_id,
        state=accepted.projection_state,
    )


def ingested(node: NodeRecord, event: Mapping[str, Any], outcome: Outcome) -> None:
    """Log what became of an event."""
    fields = {name: event[name] for name in _EVENT_FIELDS if isinstance(event.get(name), str)}
    fields["management_node_id"] = node.management_node_id
    if isinstance(outcome, ContractError):
        log.warning("event refused", code=outcome.code, **fields)
    else:
        log.info("event applied", idempotent=outcome.idempotent, **fields)
