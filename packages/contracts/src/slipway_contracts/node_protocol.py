"""Surface 4: the node protocol, every call outbound from the node (docs/contracts/node-protocol.md)."""

from enum import StrEnum

from pydantic import Field

from slipway_contracts.fields import Count, Flag, Id, JsonObject, NodeModel, PositiveInt, ProductModel, Text, UtcTime
from slipway_contracts.node_policy import NodePolicy
from slipway_contracts.submit_job_command import SubmitJobCommand

JOIN_TOKEN_MAX_SECONDS = 7 * 86_400  # a week: long enough for an admin's holiday, short enough to be forgotten
HEARTBEAT_MAX_BYTES = 64 * 1024
HEARTBEAT_INTERVAL_SECONDS = 10.0
OVERDUE_AFTER_SECONDS = 45.0  # four missed heartbeats and a little: a blip is not an absence
LEASE_WAIT_MAX_SECONDS = 30.0
LEASE_MAX_COMMANDS = 100
LEASE_SECONDS = 60.0  # journal and ack take milliseconds; a minute outlives a slow disk
NODE_TOKEN_MAX_SECONDS = 60
NODE_TOKEN_AUDIENCE = "slipway-gateway"  # noqa: S105 - an audience, no secret


class NodeState(StrEnum):
    """What the node may do."""

    ACTIVE = "active"
    DRAINING = "draining"
    REVOKED = "revoked"


class JoinTokenRequest(ProductModel):
    """An admin asks for a join token."""

    node_name: Id | None = Field(default=None, description="A name for people; the gateway's choice when left out")
    ttl_seconds: int = Field(
        default=3600, strict=True, ge=1, le=JOIN_TOKEN_MAX_SECONDS, description="Seconds until the token expires"
    )


class JoinToken(ProductModel):
    """A single-use token, told once and stored hashed, with the command to paste on the node."""

    token: str
    expires_at: UtcTime
    enroll_command: str


class EnrollRequest(NodeModel):
    """A node presents its token and its public key."""

    token: Text
    public_key: str = Field(
        pattern=r"^[A-Za-z0-9_-]{43}$", description="Raw Ed25519 public key, base64url without padding"
    )
    node_version: Text | None = None


class EnrollResponse(NodeModel):
    """The node's identity. The same token with the same key gives it again."""

    management_node_id: Id
    tenant_id: Id
    node_name: Id


class Capacity(NodeModel):
    """What the node runs now, and may run at most."""

    jobs_running: Count = 0
    jobs_max: Count | None = None
    cpus: Count | None = None


class HeartbeatRequest(NodeModel):
    """Liveness, version, policy, capacity and health.

    ``epoch`` None is an agent's start: it is given the next epoch, and ``agent_id`` (drawn at each start) makes a
    repeated start the same start.
    """

    agent_id: Id
    epoch: PositiveInt | None = Field(default=None, description="None at an agent's start")
    journal_id: Id
    node_version: Text
    policy: NodePolicy
    capacity: Capacity = Capacity()
    health: JsonObject = Field(default_factory=dict)


class HeartbeatResponse(NodeModel):
    """What the gateway knows of the node."""

    epoch: int
    state: NodeState
    server_time: UtcTime
    heartbeat_interval_seconds: float = HEARTBEAT_INTERVAL_SECONDS


class CommandKind(StrEnum):
    """What a command asks the node to do."""

    SUBMIT = "submit"
    CANCEL = "cancel"


class LeaseRequest(NodeModel):
    """Ask for commands, waiting up to ``wait_seconds`` for the first."""

    epoch: PositiveInt
    journal_id: Id
    max: int = Field(default=20, strict=True, ge=1, le=LEASE_MAX_COMMANDS)
    wait_seconds: float = Field(default=20.0, strict=True, ge=0, le=LEASE_WAIT_MAX_SECONDS)


class NodeCommand(NodeModel):
    """One command, leased to one agent until ``expires_at``. For a cancel, ``submit`` is None."""

    command_id: Id
    kind: CommandKind
    submission_id: Id
    tenant_id: Id
    workspace_id: Id
    job_id: Id
    attempt: PositiveInt
    trace_id: Id
    traceparent: Text | None = None
    expires_at: UtcTime
    submit: SubmitJobCommand | None = None


class LeaseResponse(NodeModel):
    """The leased commands, oldest first; empty when the wait ran out."""

    commands: list[NodeCommand]


class AckRequest(NodeModel):
    """The commands are durable in the journal ``journal_id``."""

    epoch: PositiveInt
    journal_id: Id
    command_ids: list[Id] = Field(min_length=1, max_length=LEASE_MAX_COMMANDS)


class AckOutcome(NodeModel):
    """One command's outcome: 200, or 409 with ``lease_lost`` when it was withdrawn and is to be dropped."""

    command_id: Id
    status: int
    code: str | None = None


class AckResponse(NodeModel):
    """Outcomes in the order of the command ids."""

    outcomes: list[AckOutcome]


class RotateKeyRequest(NodeModel):
    """Announce the next public key; the old one is good until the new one's first use."""

    public_key: str = Field(pattern=r"^[A-Za-z0-9_-]{43}$")


class DrainRequest(NodeModel):
    """Take no new work (True) or take it again (False); what was taken is finished either way."""

    draining: Flag = True


class RevokeResponse(ProductModel):
    """The node is revoked; its open submissions were failed in the same transaction."""

    management_node_id: Id
    failed_submissions: int


class NodeStateResponse(NodeModel):
    """The node's state after a drain, a rotation or the like."""

    management_node_id: Id
    state: NodeState
