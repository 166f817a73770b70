"""What our functions answer, operation by operation, as the port has it."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, Json, TypeAdapter

from slipway_contracts.errors import Code
from slipway_contracts.lifecycle import Applied, Duplicate, Refused, Verdict
from slipway_contracts.node_protocol import CommandKind, NodeState
from slipway_contracts.projection_update import ProjectionState, ProjectionUpdate
from slipway_contracts.submit_job_command import SubmitJobCommand
from slipway_gateway.ports import (
    Created,
    LeasedCommand,
    NewSubmission,
    Replayed,
    StalePolicy,
    SubmissionContext,
    SubmissionKey,
    SubmitVerdict,
)
from slipway_gateway.stores.convex.batches import some_of
from slipway_gateway.stores.convex.documents import Answer, Entry, JobProjection, Node, Submission, Time, Whole


class Nothing(Answer):
    """Done."""


class Refusal(Answer):
    """What the contract refuses."""

    verdict: Literal["refused"]
    code: Code
    detail: str
    gap: bool = False

    def refused(self) -> Refused:
        """Return it as the port has it."""
        return Refused(self.code, self.detail, gap=self.gap)


class Context(Answer):
    """What stands before a submit, but for its node."""

    existing: Submission | None = None


class Contexts(Answer):
    """What stands before each of several submits, and once each the nodes that they name."""

    contexts: list[Context]
    nodes: list[Node]

    def of(self, keys: Sequence[SubmissionKey]) -> list[SubmissionContext]:
        """Return those of the first of ``keys`` as the port has them."""
        nodes = {(node.tenant_id, node.management_node_id): node for node in map(Node.record, self.nodes)}
        return [
            SubmissionContext(
                context.existing.record() if context.existing else None,
                nodes.get((key.scope.tenant_id, key.management_node_id)),
            )
            for key, context in zip(keys, some_of(self.contexts, keys), strict=False)
        ]


class Committed(Answer):
    """A submit that is committed, now or before."""

    verdict: Literal["created", "replayed"]
    record: Submission


class Stale(Answer):
    """A submit that was judged by another policy."""

    verdict: Literal["stale_policy"]


class Submitted(Answer):
    """A verdict for each submit."""

    verdicts: list[Annotated[Committed | Stale | Refusal, Field(discriminator="verdict")]]


def submit_verdict(new: NewSubmission, told: Committed | Stale | Refusal) -> SubmitVerdict:
    """Return a submit's verdict as the port has it; what replays the very submission is its first answer come late."""
    match told:
        case Committed():
            record = told.record.record()
            is_ours = told.verdict == "created" or record.submission_id == new.submission_id
            return Created(record) if is_ours else Replayed(record)
        case Stale():
            return StalePolicy()
        case Refusal():
            return told.refused()


class Judged(Answer):
    """An update that is in the projection, now or before."""

    verdict: Literal["applied", "duplicate"]


class Updated(Answer):
    """A verdict for each update."""

    verdicts: list[Annotated[Judged | Refusal, Field(discriminator="verdict")]]


def update_verdict(update: ProjectionUpdate, told: Judged | Refusal) -> Verdict:
    """Return an update's verdict as the port has it."""
    if isinstance(told, Refusal):
        return told.refused()
    return Applied(update) if told.verdict == "applied" else Duplicate()


class FoundNode(Answer):
    """A node, if there is one."""

    node: Node | None = None


class StandingNode(Answer):
    """A node as it now stands."""

    node: Node


class Enrolled(Answer):
    """The node that a token was spent on."""

    verdict: Literal["enrolled"]
    node: Node


class Recorded(Answer):
    """A heartbeat that was taken."""

    verdict: Literal["recorded"]
    epoch: Whole
    state: NodeState


class Command(Answer):
    """A command on its way to the node."""

    command_id: str
    kind: CommandKind
    submission: Submission
    traceparent: str | None = None
    expires_at: Time
    command: Json[SubmitJobCommand] | None = None

    def leased(self) -> LeasedCommand:
        """Return it as the port has it."""
        return LeasedCommand(**{**dict(self), "submission": self.submission.record()})


class Leased(Answer):
    """The commands that are the agent's until they expire."""

    verdict: Literal["leased"]
    commands: list[Command]


class Acked(Answer):
    """Whether each command is the node's."""

    verdict: Literal["acked"]
    held: list[bool]


class Waiting(Answer):
    """Whether a lease would give something."""

    waiting: bool


class Revoked(Answer):
    """How many submissions this step closed, and whether there are more."""

    failed: Whole
    more: bool


class Cancelled(Answer):
    """A cancel that was taken, and the node it is for."""

    verdict: Literal["recorded"]
    submission_id: str
    projection_state: ProjectionState
    requested_at: Time
    management_node_id: str


class Page(Answer):
    """A page of projections, and where the next begins."""

    projections: list[JobProjection]
    next: Whole | None = None


class FoundJob(Answer):
    """A job and its current submission's command, if there is one."""

    projection: JobProjection | None = None
    command: Json[SubmitJobCommand] | None = None


class Timeline(Answer):
    """A job's changes."""

    entries: list[Entry]


class Nodes(Answer):
    """A tenant's nodes."""

    nodes: list[Node]


class Deployment(Answer):
    """Which version of the functions is there, and whether anything keeps what they write."""

    # `schema` is a word of pydantic's own.
    schema_version: Whole = Field(alias="schema")
    testing: bool
    importing: bool = False


class Taken(Answer):
    """How many records of an import lie in the deployment."""

    verdict: Literal["open"]
    taken: Whole


class Occupied(Answer):
    """The deployment holds something that the import did not bring."""

    verdict: Literal["occupied"]


class Finished(Answer):
    """The import was finished."""

    verdict: Literal["finished"]


class WorkspaceShare(Answer):
    """What the records that were counted add to a workspace."""

    tenant_id: str
    workspace_id: str
    change: Whole
    open_submissions: Whole


class Counted(Answer):
    """A stretch of one kind's records, and where the next begins."""

    verdict: Literal["counted"]
    count: Whole
    workspaces: list[WorkspaceShare]
    next: float | None = None


ENROLLED: TypeAdapter[Enrolled | Refusal] = TypeAdapter(Annotated[Enrolled | Refusal, Field(discriminator="verdict")])
RECORDED: TypeAdapter[Recorded | Refusal] = TypeAdapter(Annotated[Recorded | Refusal, Field(discriminator="verdict")])
LEASED: TypeAdapter[Leased | Refusal] = TypeAdapter(Annotated[Leased | Refusal, Field(discriminator="verdict")])
ACKED: TypeAdapter[Acked | Refusal] = TypeAdapter(Annotated[Acked | Refusal, Field(discriminator="verdict")])
CANCELLED: TypeAdapter[Cancelled | Refusal] = TypeAdapter(
    Annotated[Cancelled | Refusal, Field(discriminator="verdict")]
)
IMPORTED: TypeAdapter[Taken | Finished | Occupied] = TypeAdapter(
    Annotated[Taken | Finished | Occupied, Field(discriminator="verdict")]
)
TALLIED: TypeAdapter[Counted | Finished | Occupied] = TypeAdapter(
    Annotated[Counted | Finished | Occupied, Field(discriminator="verdict")]
)
