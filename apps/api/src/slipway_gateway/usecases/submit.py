"""Accept a SubmitJobCommand (docs/contracts/submit-job-command.md)."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from slipway_contracts.errors import Code
from slipway_contracts.lifecycle import Refused
from slipway_contracts.node_policy import is_inline_too_large, violations
from slipway_contracts.node_protocol import NodeState
from slipway_contracts.problem import FieldError
from slipway_contracts.submit_job_command import SubmitJobAccepted, SubmitJobCommand
from slipway_gateway.auth.users import Caller, Role
from slipway_gateway.ids import id_at
from slipway_gateway.ports import (
    Created,
    NewSubmission,
    NodeRecord,
    ProductStore,
    Replayed,
    Scope,
    StalePolicy,
    SubmissionContext,
    SubmissionKey,
    SubmissionRecord,
)
from slipway_gateway.problems import ContractError

JUDGE_MAX = 4  # a policy that changes at every look is a node in trouble
KNOWN_NODES_MAX = 1024


class KnownNodes:
    """Nodes as this process last read them, so that most submits need no read.

    Memory may allow, never refuse: what it allows names the policy it was judged by, and the commit takes nothing that
    names a policy or a node that is no longer so. What it would refuse is read and judged anew.
    """

    def __init__(self) -> None:
        self._nodes: OrderedDict[tuple[str, str], NodeRecord] = OrderedDict()

    def get(self, tenant_id: str, management_node_id: str) -> NodeRecord | None:
        """Return the tenant's node as last read, if it was."""
        return self._nodes.get((tenant_id, management_node_id))

    def learn(self, node: NodeRecord | None) -> None:
        """Take in a node that was just read."""
        if node is None:
            return
        self._nodes[node.tenant_id, node.management_node_id] = node
        if len(self._nodes) > KNOWN_NODES_MAX:
            self._nodes.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Admission:
    """What every submit of one request is judged by."""

    caller: Caller
    now: datetime
    trace_id: str
    traceparent: str | None
    max_open: int
    overdue_seconds: float
    known: KnownNodes


@dataclass(frozen=True, slots=True)
class Submitted:
    """An accepted submit; ``replayed`` when an earlier request had committed it."""

    accepted: SubmitJobAccepted
    replayed: bool


Outcome = Submitted | ContractError


async def submit(store: ProductStore, admission: Admission, command: SubmitJobCommand) -> Submitted:
    """Commit ``command`` or replay it; raises ContractError with the contract's code."""
    key = authorised_key(admission.caller, command)
    judged: Submitted | NewSubmission | None = _allowed_by_memory(admission, command)
    for _ in range(JUDGE_MAX):
        if judged is None:
            context = await store.submission_context(key)
            admission.known.learn(context.node)
            judged = judge(admission, command, context)
        if isinstance(judged, Submitted):
            return judged
        verdict = await store.create_submission(judged)
        if not isinstance(verdict, StalePolicy):
            return outcome_of(verdict)
        judged = None
    raise ContractError(Code.EXECUTION_UNAVAILABLE, "the node's policy keeps changing")


def _allowed_by_memory(admission: Admission, command: SubmitJobCommand) -> NewSubmission | None:
    """Return what is to be committed if the node, as last read, allows it."""
    node = admission.known.get(command.tenant_id, command.management_node_id)
    if node is None:
        return None
    try:
        policy_version = _check_node(admission, command, node)
    except ContractError:
        return None  # a replay, or refused by what is no longer so: the read tells
    return _new(admission, command, command.intent_sha256(), policy_version)


async def submit_batch(
    store: ProductStore, admission: Admission, batch: Sequence[SubmitJobCommand | ContractError]
) -> list[Outcome]:
    """Judge and commit several, in one read and one transaction where the store can; an outcome each, in order.

    What was no command stands in ``batch`` as the refusal it is, and is its own outcome.
    """
    outcomes: list[Outcome | None] = [each if isinstance(each, ContractError) else None for each in batch]
    commands = {position: each for position, each in enumerate(batch) if not isinstance(each, ContractError)}
    keys: dict[int, SubmissionKey] = {}
    for position, command in commands.items():
        try:
            keys[position] = authorised_key(admission.caller, command)
        except ContractError as error:
            outcomes[position] = error
    for _ in range(JUDGE_MAX):
        open_ones = [position for position in keys if outcomes[position] is None]
        if not open_ones:
            break
        await _judge_and_commit(store, admission, commands, keys, open_ones, outcomes)
    unavailable = ContractError(Code.EXECUTION_UNAVAILABLE, "the node's policy keeps changing")
    return [outcome if outcome is not None else unavailable for outcome in outcomes]


async def _judge_and_commit(
    store: ProductStore,
    admission: Admission,
    commands: Mapping[int, SubmitJobCommand],
    keys: dict[int, SubmissionKey],
    positions: Sequence[int],
    outcomes: list[Outcome | None],
) -> None:
    contexts = await store.submission_contexts([keys[position] for position in positions])
    judged: dict[int, NewSubmission] = {}
    for position, context in zip(positions, contexts, strict=True):
        try:
            new = judge(admission, commands[position], context)
        except ContractError as error:
            outcomes[position] = error
        else:
            if isinstance(new, Submitted):
                outcomes[position] = new
            else:
                judged[position] = new
    verdicts = await store.create_submissions(list(judged.values())) if judged else []
    for position, verdict in zip(judged, verdicts, strict=True):
        if not isinstance(verdict, StalePolicy):
            try:
                outcomes[position] = outcome_of(verdict)
            except ContractError as error:
                outcomes[position] = error


def authorised_key(caller: Caller, command: SubmitJobCommand) -> SubmissionKey:
    """Return the key ``command`` is looked up by; raises forbidden, or payload_too_large for its inline input."""
    if command.tenant_id != caller.tenant_id:
        raise _forbidden("tenant_id", "is not the credential's tenant")
    if command.workspace_id not in caller.workspace_ids:
        raise _forbidden("workspace_id", "is not among the credential's workspaces")
    if command.requested_by.user_id != caller.user_id and caller.role is not Role.SERVICE:
        raise _forbidden("requested_by.user_id", "is not the credential's subject, and its role is not service")
    if is_inline_too_large(command.payload_ref.input_uri):
        error = FieldError(field="payload_ref.input_uri", message="inline data is at most 32 KiB")
        raise ContractError(Code.PAYLOAD_TOO_LARGE, "the inline input is too large", [error])
    scope = Scope(command.tenant_id, command.workspace_id)
    return SubmissionKey(scope, command.idempotency_key, command.management_node_id)


def judge(admission: Admission, command: SubmitJobCommand, context: SubmissionContext) -> Submitted | NewSubmission:
    """Return the replay of an earlier submit, or what is to be committed.

    The key decides first: a replay of an accepted job never turns into a refusal by node, policy or quota.
    """
    intent = command.intent_sha256()
    if context.existing is not None:
        if context.existing.intent_sha256 != intent:
            raise ContractError(Code.IDEMPOTENCY_CONFLICT, "this idempotency_key was used for another intent")
        return Submitted(accepted_of(context.existing), replayed=True)
    return _new(admission, command, intent, _check_node(admission, command, context.node))


def _new(admission: Admission, command: SubmitJobCommand, intent: str, policy_version: str) -> NewSubmission:
    return NewSubmission(
        submission_id=id_at(admission.now),
        command_id=id_at(admission.now),
        command=command,
        intent_sha256=intent,
        accepted_at=admission.now,
        trace_id=admission.trace_id,
        traceparent=admission.traceparent,
        policy_version=policy_version,
        max_open_submissions=admission.max_open,
    )


def is_overdue(node: NodeRecord, now: datetime, overdue_seconds: float) -> bool:
    """Tell whether the node has been silent for too long; freshness, not state."""
    return node.last_seen_at is None or (now - node.last_seen_at).total_seconds() > overdue_seconds


def _check_node(admission: Admission, command: SubmitJobCommand, node: NodeRecord | None) -> str:
    """Return the version of the policy that allows ``command``."""
    if node is None or node.state is NodeState.REVOKED:
        raise ContractError(Code.MANAGEMENT_NODE_NOT_FOUND, f"no node {command.management_node_id} in this tenant")
    if node.policy is None:
        raise ContractError(Code.EXECUTION_UNAVAILABLE, "the node has not been heard yet")
    broken = violations(node.policy, command)
    if broken:
        errors = [FieldError(field=rule.field, message=str(rule)) for rule in broken]
        raise ContractError(Code.POLICY_REJECTED, f"the node's policy refuses: {broken[0]}", errors)
    # After the policy: what no retry can mend is told before what one may.
    if node.state is NodeState.DRAINING:
        raise ContractError(Code.EXECUTION_UNAVAILABLE, "the node is draining and takes no new jobs")
    if is_overdue(node, admission.now, admission.overdue_seconds):
        raise ContractError(Code.EXECUTION_UNAVAILABLE, "the node is overdue: no heartbeat in time")
    return node.policy.policy_version


def outcome_of(verdict: Created | Replayed | Refused) -> Submitted:
    """Return an accepted submit; raises the refusal as its code."""
    match verdict:
        case Created(record):
            return Submitted(accepted_of(record), replayed=False)
        case Replayed(record):
            return Submitted(accepted_of(record), replayed=True)
        case Refused(code, detail):
            raise ContractError(code, detail)
        case _:
            assert_never(verdict)


def accepted_of(record: SubmissionRecord) -> SubmitJobAccepted:
    """Return the answer that ``record`` was, is and will be accepted with."""
    return SubmitJobAccepted(
        job_id=record.job_id,
        submission_id=record.submission_id,
        execution_owner=record.management_node_id,
        accepted_at=record.accepted_at,
        trace_id=record.trace_id,
    )


def _forbidden(field: str, message: str) -> ContractError:
    return ContractError(Code.FORBIDDEN, f"{field} {message}", [FieldError(field=field, message=message)])
