"""The node admin's policy file: read strictly, and turned into what the gateway and the engine are given."""

import hashlib
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from slipway_contracts.fields import Id
from slipway_contracts.node_policy import INLINE_PREFIX, INPUT_SCHEMES, NodePolicy, QueueLimits, QueuePolicy
from slipway_contracts.submit_job_command import SubmitJobCommand
from slipway_node.payloads.lines import line_of
from slipway_node.ports import Placement

VERSION_CHARS = 16


class PolicyFileError(Exception):
    """The policy file is missing or does not hold; says the line and the field."""


def _none_is_empty(value: object) -> object:
    return {} if value is None else value


def _prefix(value: object) -> object:
    if isinstance(value, str) and value != INLINE_PREFIX and value.partition(":")[0].lower() not in INPUT_SCHEMES:
        raise ValueError(f"a prefix begins with one of {', '.join(sorted(INPUT_SCHEMES))} and `:`")
    return value


Prefix = Annotated[str, BeforeValidator(_prefix)]


class _Limits(QueueLimits):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Queue(QueuePolicy):
    model_config = ConfigDict(extra="forbid", frozen=True)

    limits: Annotated[_Limits, BeforeValidator(_none_is_empty)] = _Limits()


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    queues: dict[Id, Annotated[_Queue, BeforeValidator(_none_is_empty)]] = Field(min_length=1)
    programs: Annotated[dict[str, str | None], BeforeValidator(_none_is_empty)] = Field(default_factory=dict)
    entry_points: list[str] = Field(default_factory=list)
    input_prefixes: list[Prefix] = Field(default_factory=list)
    artifact_prefixes: list[Prefix] = Field(min_length=1)


class PolicyInForce(BaseModel):
    """One state of the file: what the gateway is told, and what is the node's own business."""

    model_config = ConfigDict(frozen=True)

    policy: NodePolicy
    program_paths: dict[str, str] = Field(description="Where a program lies that is not on the PATH")


def read(path: Path) -> PolicyInForce:
    """Read the policy file; raises PolicyFileError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyFileError(f"{path}: {error}") from error
    return parse(text, path.name)


def parse(text: str, name: str) -> PolicyInForce:
    """Read a policy file's ``text``; raises PolicyFileError with ``name``, line and field. Pure."""
    try:
        node, content = yaml.compose(text, Loader=yaml.SafeLoader), yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise PolicyFileError(f"{name}: not YAML: {' '.join(str(error).split())}") from error
    try:
        file = _File.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the file"
        raise PolicyFileError(f"{name}:{line_of(node, first['loc'])}: {field}: {first['msg']}") from error
    content_of: dict[str, Any] = file.model_dump(mode="json") | {"programs": sorted(file.programs)}
    policy = NodePolicy(policy_version=_version(file), **content_of)
    return PolicyInForce(policy=policy, program_paths={name: path for name, path in file.programs.items() if path})


def placement_for(policy: NodePolicy, command: SubmitJobCommand) -> Placement:
    """Resolve a command that holds to the policy into the scheduler's words; the queue's defaults fill in."""
    profile, shape = command.execution_profile, command.resource_shape
    queue = policy.queues[profile.queue_name]
    return Placement(
        partition=queue.partition,
        account=profile.account or queue.default_account,
        qos=profile.qos or queue.default_qos,
        cpu=shape.cpu,
        memory_mib=shape.memory_mib,
        walltime_seconds=shape.walltime_seconds,
    )


def _version(file: _File) -> str:
    """Name the file's content: comments and layout do not count."""
    return hashlib.sha256(file.model_dump_json().encode()).hexdigest()[:VERSION_CHARS]
