"""Record a CancelJobCommand (docs/contracts/cancel-job-command.md)."""

from datetime import datetime

from slipway_contracts.cancel_job_command import CancelAccepted, CancelJobCommand
from slipway_contracts.lifecycle import Refused
from slipway_gateway.ids import id_at
from slipway_gateway.ports import CancelRequest, ProductStore, Scope
from slipway_gateway.problems import ContractError


async def cancel(
    store: ProductStore, scope: Scope, job_id: str, command: CancelJobCommand, *, by: str, now: datetime, trace_id: str
) -> CancelAccepted:
    """Record the cancel; raises job_not_found, submission_superseded or job_terminal."""
    recorded = await store.cancel_job(
        CancelRequest(
            scope=scope,
            job_id=job_id,
            submission_id=command.submission_id,
            command_id=id_at(now),
            requested_by=by,
            requested_at=now,
            trace_id=trace_id,
        )
    )
    if isinstance(recorded, Refused):
        raise ContractError(recorded.code, recorded.detail)
    return CancelAccepted(
        job_id=job_id,
        submission_id=recorded.submission_id,
        projection_state=recorded.projection_state,
        requested_at=recorded.requested_at,
        trace_id=trace_id,
    )
