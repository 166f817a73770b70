"""The wire as one revision describes it: its schemas by name, its routes, its codes. Pure.

Two descriptions are put together: the models' JSON Schemas, which are the source, and the OpenAPI document, which says
what is sent and what is answered where.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from contract_gate.models import Contract
from contract_gate.rules import GateError

Schema = Mapping[str, Any]
JSON = "application/json"
_METHODS = frozenset({"get", "put", "post", "delete", "patch", "head", "options"})
_PLACEHOLDER = re.compile(r"\{([^}]*)\}")


class Direction(StrEnum):
    """Who writes and who reads."""

    REQUEST = "request"
    """An older node or client writes, the newer gateway reads."""
    ANSWER = "answer"
    """The newer gateway writes, an older node or client reads."""


UNDESCRIBED: Mapping[str, Direction] = {
    "ProjectionUpdate": Direction.REQUEST,  # surface 3 is no HTTP of ours: an older gateway writes, the store reads
    "JobChange": Direction.ANSWER,  # the events of a stream, of which OpenAPI can only say that they are text
    "StreamReset": Direction.ANSWER,
    "StreamEnd": Direction.ANSWER,
}
"""Models that are sent, and that no route of the OpenAPI document refers to."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a route takes beside its body; ``name`` is told with where it stands, as in ``query cursor``."""

    name: str
    required: bool
    schema: Schema


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a path. ``bodies`` and ``answers`` are by media type, and ``answers`` by status before that."""

    name: str
    parameters: Mapping[str, Parameter]
    bodies: Mapping[str, Schema]
    body_required: bool
    answers: Mapping[str, Mapping[str, Schema]]
    credentials: frozenset[str] | None
    """The names of the schemes of which one is needed; empty where anyone may call, None where that is not told."""


@dataclass(frozen=True, slots=True)
class Wire:
    """All that one revision sends and reads. ``modules`` tells which module of slipway_contracts has a model."""

    version: int
    schemas: Mapping[str, Schema]
    modules: Mapping[str, str]
    operations: Mapping[str, Operation]
    codes: Mapping[str, Mapping[str, Any]]
    words: Mapping[str, Mapping[str, Any]]
    """What older emitters say → what it means."""


def wire_of(contract: Contract, document: object, file: str) -> Wire:
    """Put the models of ``contract`` and the OpenAPI ``document`` of ``file`` together.

    ``contract`` has its models by module. Raises GateError where the document is none of OpenAPI's.
    """
    try:
        return _wire_of(contract, document)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise GateError(f"it is no OpenAPI document: {type(error).__name__}: {error}", file) from error


def _wire_of(contract: Contract, document: Any) -> Wire:
    schemas: dict[str, Schema] = {}
    if document is not None:
        schemas |= document.get("components", {}).get("schemas", {})
    models = {name: schema for each in contract.models.values() for name, schema in each.items()}
    for schema in models.values():
        schemas |= schema.get("$defs", {})
    for name, schema in models.items():
        if "$ref" not in schema:  # a model that holds itself is among its own definitions
            schemas[name] = {key: value for key, value in schema.items() if key != "$defs"}
        schemas[name] = _with_defaults(schemas[name], contract.defaults.get(name, {}))
    modules = {name: module for module, models in contract.models.items() for name in models}
    operations = {} if document is None else dict(_operations(document["paths"]))
    return Wire(contract.version, schemas, modules, operations, contract.errors, contract.words)


def _with_defaults(schema: Schema, defaults: Mapping[str, Any]) -> Schema:
    """Return a model's schema with those defaults too that a factory makes, of which JSON Schema tells nothing."""
    fields: Mapping[str, Schema] = schema.get("properties", {})
    told = {name: {"default": defaults[name], **each} if name in defaults else each for name, each in fields.items()}
    return {**schema, "properties": told} if told else schema


def _operations(paths: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Operation]]:
    """Yield each method of each path by a key in which what a path's parameters are called does not count."""
    for path, item in paths.items():
        for method in sorted(_METHODS & item.keys()):
            told = item[method]
            body = told.get("requestBody", {})
            operation = Operation(
                name=f"{method.upper()} {path}",
                parameters=dict(_parameters(path, [*item.get("parameters", ()), *told.get("parameters", ())])),
                bodies=_by_media_type(body.get("content", {})),
                body_required=body.get("required", False),
                answers={status: _by_media_type(each.get("content", {})) for status, each in told["responses"].items()},
                credentials=_credentials(told.get("security")),
            )
            yield f"{method.upper()} {_PLACEHOLDER.sub('{}', path)}", operation


def _credentials(security: Iterable[Mapping[str, Any]] | None) -> frozenset[str] | None:
    return None if security is None else frozenset(name for scheme in security for name in scheme)


def _by_media_type(content: Mapping[str, Any]) -> dict[str, Schema]:
    return {media_type: each.get("schema", {}) for media_type, each in content.items()}


def _parameters(path: str, told: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Parameter]]:
    placeholders = _PLACEHOLDER.findall(path)
    for each in told:
        name = f"{each['in']} {each['name']}"
        key = f"path {placeholders.index(each['name'])}" if each["in"] == "path" else name.lower()
        yield key, Parameter(name, each.get("required", False), each.get("schema", {}))
