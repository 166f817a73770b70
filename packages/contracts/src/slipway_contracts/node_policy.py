"""What a node's admin allows, and the pure check both gateway and node make (docs/contracts/node-protocol.md)."""

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from pydantic import Field

from slipway_contracts.fields import Id, NodeModel, PositiveInt, Text
from slipway_contracts.submit_job_command import INLINE_INPUT_MAX_BYTES, SubmitJobCommand

INLINE_PREFIX = "data:"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
INPUT_SCHEMES = frozenset({"https", "s3", "file", "data"})
ARTIFACT_SCHEMES = INPUT_SCHEMES - {"data"}


class QueueLimits(NodeModel):
    """The most one job of the queue may ask for; None is unlimited."""

    cpu: PositiveInt | None = Field(default=None, description="vCPU a job")
    memory_mib: PositiveInt | None = Field(default=None, description="MiB a job")
    walltime_seconds: PositiveInt | None = Field(default=None, description="Seconds a job")
    jobs: PositiveInt | None = Field(default=None, description="Jobs of this queue at once")


class QueuePolicy(NodeModel):
    """A logical queue: what a product names, mapped to what the scheduler knows."""

    partition: Text | None = Field(default=None, description="None where the node runs jobs without a scheduler")
    default_account: Text | None = None
    default_qos: Text | None = None
    accounts: list[Text] = Field(default_factory=list)
    qos: list[Text] = Field(default_factory=list)
    limits: QueueLimits = QueueLimits()


class NodePolicy(NodeModel):
    """The admin's whole policy. ``policy_version`` names one state of it; the node derives it from the content."""

    policy_version: Id
    queues: dict[Id, QueuePolicy] = Field(max_length=200)
    programs: list[Text] = Field(default_factory=list, description="Programs that `kind: shell` may run, by name")
    entry_points: list[Text] = Field(default_factory=list, description="AiiDA entry points that jobs may use")
    input_prefixes: list[Text] = Field(
        default_factory=list, description="URI prefixes inputs may come from; `data:` allows inline input"
    )
    artifact_prefixes: list[Text] = Field(
        default_factory=list, description="URI prefixes results may go to; the first is the default"
    )


@dataclass(frozen=True, slots=True)
class PolicyViolation:
    """One rule that does not hold: the command's field, the rule, and what would be allowed."""

    field: str
    rule: str
    allowed: tuple[str, ...]

    def __str__(self) -> str:
        allowed = ", ".join(self.allowed) or "nothing"
        return f"{self.rule}; allowed: {allowed}"


def violations(policy: NodePolicy, command: SubmitJobCommand) -> tuple[PolicyViolation, ...]:
    """Return every rule of ``policy`` that ``command`` breaks; empty when it may run."""
    profile = command.execution_profile
    queue = policy.queues.get(profile.queue_name)
    if queue is None:
        return (
            PolicyViolation(
                "execution_profile.queue_name", f"no queue {profile.queue_name}", tuple(sorted(policy.queues))
            ),
        )
    found: list[PolicyViolation] = []
    for name, value, allowed in (("qos", profile.qos, queue.qos), ("account", profile.account, queue.accounts)):
        if value is not None and value not in allowed:
            found.append(
                PolicyViolation(f"execution_profile.{name}", f"{name} {value} is not of this queue", tuple(allowed))
            )
    for name in ("cpu", "memory_mib", "walltime_seconds"):
        limit, asked = getattr(queue.limits, name), getattr(command.resource_shape, name)
        if limit is not None and asked > limit:
            found.append(
                PolicyViolation(f"resource_shape.{name}", f"{asked} is over the queue's limit", (f"1..{limit}",))
            )
    payload = command.payload_ref
    uris = (
        ("payload_ref.input_uri", payload.input_uri, policy.input_prefixes, INPUT_SCHEMES),
        ("payload_ref.artifact_bucket", payload.artifact_bucket, policy.artifact_prefixes, ARTIFACT_SCHEMES),
    )
    for field, uri, prefixes, schemes in uris:
        if uri is not None and (reason := uri_refusal(uri, prefixes, schemes)) is not None:
            found.append(PolicyViolation(field, reason, tuple(prefixes)))
    return tuple(found)


def uri_refusal(uri: str, prefixes: Iterable[str], schemes: frozenset[str] = INPUT_SCHEMES) -> str | None:
    """Return why ``uri`` is not under one of ``prefixes``, or None when it is.

    User-info, `::` chains, climbing paths (also percent-encoded) and other schemes are refused whatever the prefixes
    say. A prefix ends at a path boundary: ``file:///data`` allows ``file:///data/x`` and not ``file:///database``.
    """
    scheme = uri.partition(":")[0].lower()
    if scheme not in schemes:
        return f"scheme {scheme} is not supported"
    if scheme == "data":
        if INLINE_PREFIX not in prefixes:
            return "inline data is not allowed"
        return f"inline data is over {INLINE_INPUT_MAX_BYTES} bytes" if is_inline_too_large(uri) else None
    malformed = _malformed(uri)
    if malformed is not None:
        return malformed
    if any(_is_under(uri, prefix) for prefix in prefixes):
        return None
    return "the URI is under no allowed prefix"


def is_inline_too_large(uri: str) -> bool:
    """Tell whether ``uri`` is a `data:` URI that carries over 32 KiB: 413 payload_too_large, whatever the policy."""
    head, _, content = uri.partition(",")
    if head.partition(":")[0].lower() != "data":
        return False
    if head.lower().endswith(";base64"):
        return len(unquote(content).rstrip("=")) * 3 // 4 > INLINE_INPUT_MAX_BYTES
    return len(unquote_to_bytes(content)) > INLINE_INPUT_MAX_BYTES


def _malformed(uri: str) -> str | None:
    try:
        parts = urlsplit(uri)
        port = parts.port  # read for its check: a port out of range raises
    except ValueError as error:
        return f"not a URI: {error}"
    del port
    if "::" in uri:
        return "`::` chains are not allowed"
    if "@" in parts.netloc:
        return "user-info in a URI is not allowed"
    if "\\" in uri or any(char <= " " or char == "\x7f" for char in uri) or _CONTROL.search(unquote(parts.path)):
        return "white space, control characters and backslashes are not allowed"
    if parts.query and parts.scheme.lower() == "file":
        return "a file URI has no query"
    if parts.fragment:
        return "a fragment is not allowed"
    if ".." in unquote(unquote(parts.path)).split("/"):
        return "`..` in a path is not allowed"
    return None


def _is_under(uri: str, prefix: str) -> bool:
    try:
        ours, theirs = urlsplit(uri), urlsplit(prefix)
    except ValueError:  # a prefix that is no URI: the node's admin wrote it, and it allows nothing
        return False
    if (ours.scheme.lower(), ours.netloc.lower()) != (theirs.scheme.lower(), theirs.netloc.lower()):
        return False
    path, root = (posixpath.normpath(unquote(part.path) or "/") for part in (ours, theirs))
    return path == root or path.startswith(root.rstrip("/") + "/")
