"""Surface 5: CancelJobCommand, product backend → gateway (docs/contracts/cancel-job-command.md)."""

from pydantic import Field

from slipway_contracts.fields import Id, ProductModel, UtcTime
from slipway_contracts.projection_update import ProjectionState


class CancelJobCommand(ProductModel):
    """The body of a cancel; may be left out altogether."""

    submission_id: Id | None = Field(default=None, description="Precondition: the submission the caller means")


class CancelAccepted(ProductModel):
    """The cancel is recorded; ``projection_state`` tells whether it already took effect."""

    job_id: Id
    submission_id: Id
    projection_state: ProjectionState
    requested_at: UtcTime
    trace_id: Id
