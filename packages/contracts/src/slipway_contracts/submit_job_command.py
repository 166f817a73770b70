"""Surface 1: SubmitJobCommand, product backend → gateway (docs/contracts/submit-job-command.md)."""

import hashlib
import json

from pydantic import Field

from slipway_contracts.fields import Id, PositiveInt, ProductModel, Text, Uri, UtcTime
from slipway_contracts.problem import Problem

COMMAND_MAX_BYTES = 64 * 1024
INLINE_INPUT_MAX_BYTES = 32 * 1024
BATCH_MAX_BYTES = 8 * 1024 * 1024
BATCH_MAX_COMMANDS = 500
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class ExecutionProfile(ProductModel):
    """Where on the node the job is to run."""

    queue_name: Id = Field(description="A logical queue of the node's policy")
    qos: Id | None = Field(default=None, description="Must be allowed by that queue")
    account: Id | None = Field(default=None, description="Must be allowed by that queue")


class ResourceShape(ProductModel):
    """What the job needs."""

    cpu: PositiveInt = Field(description="vCPU")
    memory_mib: PositiveInt = Field(description="MiB")
    walltime_seconds: PositiveInt = Field(description="Seconds")


class PayloadRef(ProductModel):
    """Where the job document lies and where results go; the gateway fetches neither."""

    input_uri: Uri = Field(description="https, s3, file or data, as the node's policy allows")
    artifact_bucket: Uri | None = Field(
        default=None, description="Must lie under a prefix of the node's policy; the node's own when left out"
    )


class RequestedBy(ProductModel):
    """Who asked."""

    user_id: Id = Field(description="Equals the credential's subject unless its role is service")
    session_id: Text | None = Field(default=None, description="A client hint; never part of the intent")


class SubmitJobCommand(ProductModel):
    """One submission intent of one job, by a product for one of its tenant's nodes."""

    tenant_id: Id = Field(description="Must agree with the credential")
    workspace_id: Id = Field(description="Must agree with the credential")
    job_id: Id = Field(description="The product's stable id, unique in (tenant, workspace)")
    idempotency_key: Id = Field(description="One submission intent in (tenant, workspace)")
    management_node_id: Id = Field(description="A node of this tenant")
    execution_profile: ExecutionProfile
    resource_shape: ResourceShape
    payload_ref: PayloadRef
    requested_by: RequestedBy

    def intent_sha256(self) -> str:
        """Return the hex SHA-256 of the canonical intent.

        Unset and default fields are left out, and so is ``session_id``: a client that spells a default out, or retries
        from another session, means the same submission.
        """
        intent = self.model_dump(mode="json", exclude_defaults=True, exclude={"requested_by": {"session_id"}})
        return hashlib.sha256(_CANONICAL.encode(intent).encode()).hexdigest()


class SubmitJobAccepted(ProductModel):
    """The answer to an accepted or replayed SubmitJobCommand."""

    job_id: Id
    submission_id: Id = Field(description="Opaque, UUIDv4-compatible, immutable")
    execution_owner: Id = Field(description="The management_node_id")
    accepted_at: UtcTime
    trace_id: Id


class BatchSubmitRequest(ProductModel):
    """Several commands, judged and answered one by one."""

    commands: list[SubmitJobCommand] = Field(min_length=1, max_length=BATCH_MAX_COMMANDS)


class SubmitOutcome(ProductModel):
    """One command's outcome in a batch: exactly one of ``accepted`` and ``problem`` is set."""

    status: int = Field(description="The HTTP status the command would have had alone")
    idempotent_replayed: bool = False
    accepted: SubmitJobAccepted | None = None
    problem: Problem | None = None


class BatchSubmitResponse(ProductModel):
    """Outcomes in the order of the commands."""

    outcomes: list[SubmitOutcome]
