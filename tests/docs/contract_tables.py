"""What the tables of docs/contracts have to say, derived from the models and tables of slipway_contracts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, TypeAdapter

from slipway_contracts import (
    cancel_job_command,
    execution_event,
    node_policy,
    node_protocol,
    problem,
    projection_update,
    reads,
    submit_job_command,
)
from slipway_contracts.compatibility import WORDS, Meaning
from slipway_contracts.errors import ERRORS, Code
from slipway_contracts.fields import ID_PATTERN, NodeModel, ProductModel, Uri

SECTIONS = (
    "Purpose",
    "Producer and consumer",
    "Required fields",
    "Optional fields",
    "Idempotency key",
    "Retry policy",
    "Success response",
    "Error semantics",
    "Tenant and security boundary",
    "Observability fields",
    "SoR mapping",
    "Compatibility",
)
MODULES = {
    "submit-job-command": (submit_job_command,),
    "execution-event": (execution_event,),
    "projection-update": (projection_update,),
    "node-protocol": (node_protocol, node_policy),
    "cancel-job-command": (cancel_job_command,),
    "reads": (reads,),
}
RESPONSES = frozenset(
    {
        "SubmitJobAccepted", "BatchSubmitResponse", "SubmitOutcome",
        "EventReceived", "BatchIngestResponse", "EventOutcome",
        "JoinToken", "EnrollResponse", "HeartbeatResponse", "LeaseResponse", "NodeCommand", "AckResponse", "AckOutcome",
        "RevokeResponse", "NodeStateResponse",
        "CancelAccepted",
        "Projection", "Job", "JobPage", "TimelineEntry", "Timeline", "NodeView", "NodeList", "Health",
        "JobChange", "StreamReset", "StreamEnd",
    }
)  # fmt: skip
"""Models that answer; every other model of a surface is asked with."""
PARTS = frozenset({"ExecutionProfile", "ResourceShape", "PayloadRef", "RequestedBy"})
"""Models that have no table of their own: their fields are told by dotted path where they stand."""
OWNERS = frozenset({"Product SoR", "Execution SoR", "in transit"})
"""Who may own a field. What is in transit is told, used and forgotten: no store keeps it."""
WRITERS = frozenset({"product", "admin", "gateway", "node"})

_ID_NOTE = "Letters, digits and . _ ~ -; 1 to 128 of them"
_SAFE_INTEGER = 2**53 - 1  # the bound of every integer of the wire, which needs no telling
_URI_PATTERN = TypeAdapter(Uri).json_schema()["pattern"]
_BASES: tuple[type[BaseModel], ...] = (BaseModel, NodeModel, ProductModel)


@dataclass(frozen=True, slots=True)
class Row:
    """One field of a model as the documents tell it. ``note`` is the model's own description, if it has one."""

    field: str
    type: str
    default: str | None
    note: str


def models(surface: str) -> list[type[BaseModel]]:
    """Return the models of a surface that have a table, in the order in which they are defined."""
    found = [
        value
        for module in MODULES[surface]
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__ == module.__name__
    ]
    return [model for model in found if model.__name__ not in PARTS and model not in _BASES]


def rows(model: type[BaseModel], prefix: str = "") -> Iterator[Row]:
    """Yield the rows of ``model``; a part's fields stand at their dotted path."""
    schema = model.model_json_schema()
    for name, field in model.model_fields.items():
        part = field.annotation
        if isinstance(part, type) and issubclass(part, BaseModel) and part.__name__ in PARTS:
            yield from rows(part, f"{prefix}{name}.")
            continue
        spec = schema["properties"][name]
        note = spec.get("description", "")
        yield Row(
            field=f"`{prefix}{name}`",
            type=_type(spec, schema.get("$defs", {})),
            default=None if field.is_required() else _default(field.get_default(call_default_factory=True)),
            note="" if note == _ID_NOTE else note,
        )


def _default(value: object) -> str:
    match value:
        case None:
            return "unset"
        case bool():
            return f"`{str(value).lower()}`"
        case BaseModel() | list() | dict():
            return "empty"
        case _:
            return f"`{value}`"


def _type(spec: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    if "$ref" in spec:
        name = spec["$ref"].rpartition("/")[2]
        words = defs[name].get("enum")
        return " · ".join(f"`{word}`" for word in words) if words else name
    if "anyOf" in spec:
        return " or ".join(_type(option, defs) for option in spec["anyOf"] if option.get("type") != "null")
    kind = spec.get("type")
    if kind == "array":
        return f"list of {_type(spec['items'], defs)}{_bounds(spec, 'minItems', 'maxItems')}"
    if kind == "object":
        return _map(spec, defs)
    if kind == "string":
        return _string(spec)
    if kind in {"integer", "number"}:
        return f"{kind}{_bounds(spec, 'minimum', 'maximum')}"
    return str(kind or "JSON value")


def _map(spec: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    values = spec.get("patternProperties", {}).get(ID_PATTERN)
    if values is None:
        return "JSON object"
    return f"map of id to {_type(values, defs)}{_bounds(spec, 'minProperties', 'maxProperties')}"


def _string(spec: Mapping[str, Any]) -> str:
    if spec.get("pattern") == ID_PATTERN:
        return "id"
    if spec.get("pattern") == _URI_PATTERN:
        return "URI"
    if spec.get("format") == "date-time":
        return "time"
    if "pattern" in spec:
        return f"text like `{spec['pattern']}`"
    return f"text{_bounds(spec, 'minLength', 'maxLength')}"


def _bounds(spec: Mapping[str, Any], lowest: str, highest: str) -> str:
    low, high = spec.get(lowest), spec.get(highest)
    if low is None:
        return "" if high is None else f" ≤ {high}"
    return f" ≥ {low}" if high in {None, _SAFE_INTEGER} else f" {low}…{high}"


def error_row(code: str) -> dict[str, str]:
    """Return the row of the error table for ``code``, as every document tells it."""
    spec = ERRORS[Code(code)]
    return {
        "code": f"`{code}`",
        "status": str(spec.status),
        "retryable": "yes" if spec.retryable else "no",
        "meaning": spec.meaning,
    }


def word_row(word: str, meaning: Meaning) -> dict[str, str]:
    """Return the row of the normalisation table for ``word``."""
    return {
        "word": f"`{word}`",
        "state": f"`{meaning.state}`",
        "error code": f"`{meaning.error_code}`" if meaning.error_code else "",
        "retryable": "yes" if meaning.retryable else "",
    }


def word_rows() -> list[dict[str, str]]:
    """Return the whole normalisation table, in the order of the table in the code."""
    return [word_row(word, meaning) for word, meaning in WORDS.items()]


def problem_models() -> list[type[BaseModel]]:
    """Return the models of an error answer, told once in docs/contracts/README.md."""
    return [problem.Problem, problem.FieldError]
