"""Completing a command: what its file leaves out, from options, the token's claims and the tenant's nodes."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any, TypedDict

from pydantic import ValidationError

from slipway.errors import InputRefusedError
from slipway_contracts.errors import Code
from slipway_contracts.node_protocol import NodeState
from slipway_contracts.reads import NodeView
from slipway_contracts.submit_job_command import SubmitJobCommand

DEFAULT_QUEUE = "default"
DEFAULT_CPU = 1
DEFAULT_MEMORY_MIB = 1024
DEFAULT_WALLTIME_SECONDS = 3600
RANDOM_DIGITS = 6

_CORRECT = "correct the field, then submit again"


class SubmitOptions(TypedDict, total=False):
    """What a caller may say of a submission; each one wins over what a command's file says.

    ``node`` is a node's id or name. ``memory_mib`` is in MiB, ``walltime_seconds`` in seconds.
    """

    job_id: str | None
    idempotency_key: str | None
    node: str | None
    queue: str | None
    qos: str | None
    account: str | None
    cpu: int | None
    memory_mib: int | None
    walltime_seconds: int | None
    artifact_bucket: str | None
    session_id: str | None


def complete(
    draft: Mapping[str, Any],
    name: str,
    options: SubmitOptions,
    *,
    scope: Callable[[], tuple[str, str, str]],
    nodes: Callable[[], list[NodeView]],
    draw: Callable[[], uuid.UUID],
) -> SubmitJobCommand:
    """Return the whole command.

    ``scope`` gives tenant, workspace and user; ``nodes`` is asked only where the node or its queue is left open. Raises
    InputRefusedError for a field that does not hold, and where several nodes or queues could be meant.
    """
    fields = _with_options(draft, options)
    if not {"tenant_id", "workspace_id", "requested_by"} <= fields.keys():
        tenant_id, workspace_id, user_id = scope()
        fields.setdefault("tenant_id", tenant_id)
        fields.setdefault("workspace_id", workspace_id)
        fields.setdefault("requested_by", {"user_id": user_id})
    if options.get("session_id") is not None:
        fields["requested_by"] = {**_section(fields, "requested_by"), "session_id": options["session_id"]}
    fields.setdefault("job_id", f"{name}-{draw().hex[:RANDOM_DIGITS]}")
    fields.setdefault("idempotency_key", str(draw()))
    profile = _section(fields, "execution_profile")
    if "management_node_id" not in fields or options.get("node") is not None or "queue_name" not in profile:
        node = _node(fields.get("management_node_id"), nodes())
        fields["management_node_id"] = node if isinstance(node, str) else node.management_node_id
        if "queue_name" not in profile:
            profile["queue_name"] = DEFAULT_QUEUE if isinstance(node, str) else _queue(node)
    fields["execution_profile"] = profile
    return _validated(fields)


def _with_options(draft: Mapping[str, Any], options: SubmitOptions) -> dict[str, Any]:
    fields = dict(draft)
    shape = {"cpu": DEFAULT_CPU, "memory_mib": DEFAULT_MEMORY_MIB, "walltime_seconds": DEFAULT_WALLTIME_SECONDS}
    fields["resource_shape"] = shape | _section(fields, "resource_shape")
    targets = {
        "job_id": ("", "job_id"),
        "idempotency_key": ("", "idempotency_key"),
        "node": ("", "management_node_id"),
        "queue": ("execution_profile", "queue_name"),
        "qos": ("execution_profile", "qos"),
        "account": ("execution_profile", "account"),
        "cpu": ("resource_shape", "cpu"),
        "memory_mib": ("resource_shape", "memory_mib"),
        "walltime_seconds": ("resource_shape", "walltime_seconds"),
        "artifact_bucket": ("payload_ref", "artifact_bucket"),
    }
    for option, (section, field) in targets.items():
        value = options.get(option)
        if value is None:
            continue
        if section:
            fields[section] = {**_section(fields, section), field: value}
        else:
            fields[field] = value
    return fields


def _section(fields: Mapping[str, Any], name: str) -> dict[str, Any]:
    section = fields.get(name)
    if section is None:
        return {}
    if not isinstance(section, Mapping):
        raise InputRefusedError(Code.INVALID_REQUEST, name, "must be a mapping", _CORRECT)
    return dict(section)


def _node(wanted: object, nodes: list[NodeView]) -> NodeView | str:
    """Return the node that is meant; a name that is none of the tenant's is left for the gateway to refuse."""
    if wanted is not None:
        return named_node(wanted, nodes) or str(wanted)
    active = [node for node in nodes if node.state is NodeState.ACTIVE]
    if len(active) == 1:
        return active[0]
    if not active:
        raise InputRefusedError(
            Code.MANAGEMENT_NODE_NOT_FOUND,
            "management_node_id",
            "the tenant has no active node",
            "enrol one with `slipway-node enroll`, or see `slipway nodes`",
        )
    listed = ", ".join(sorted(node.node_name for node in active))
    raise _unclear("management_node_id", f"the tenant has several active nodes: {listed}", "--node NAME")


def named_node(wanted: object, nodes: list[NodeView]) -> NodeView | None:
    """Return the node of that id or name, a revoked one by its id alone; raises InputRefusedError for several."""
    by_id = [node for node in nodes if node.management_node_id == wanted]
    named = by_id or [node for node in nodes if node.node_name == wanted and node.state is not NodeState.REVOKED]
    if len(named) > 1:
        listed = ", ".join(node.management_node_id for node in named)
        raise _unclear("management_node_id", f"several nodes are called {wanted}: {listed}", "--node ID")
    return named[0] if named else None


def _queue(node: NodeView) -> str:
    queues = sorted(node.policy.queues) if node.policy is not None else []
    if len(queues) == 1:
        return queues[0]
    if DEFAULT_QUEUE in queues or not queues:
        return DEFAULT_QUEUE
    reason = f"node {node.node_name} has several queues: {', '.join(queues)}"
    raise _unclear("execution_profile.queue_name", reason, "--queue NAME")


def _unclear(field: str, reason: str, option: str) -> InputRefusedError:
    return InputRefusedError(Code.INVALID_REQUEST, field, reason, f"choose one with {option}")


def _validated(fields: Mapping[str, Any]) -> SubmitJobCommand:
    try:
        return SubmitJobCommand.model_validate(fields)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        first = ".".join(str(part) for part in faults[0]["loc"]) or "command"
        others = "".join(f"; {'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults[1:])
        raise InputRefusedError(Code.INVALID_REQUEST, first, faults[0]["msg"] + others, _CORRECT) from error
