"""What a table of fields has to say, derived from a model's JSON Schema. Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from contract_gate.models import Contract

Schema = Mapping[str, Any]

_SAFE_INTEGER = 2**53 - 1  # the bound of every integer of the wire, which needs no telling


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One field as the documents tell it; ``default`` is None where it is required, ``note`` its own description."""

    field: str
    type: str
    default: str | None
    note: str

    @property
    def cells(self) -> Mapping[str, str]:
        """Return the row by the tables' columns."""
        return {"field": self.field, "type": self.type, "default": self.default or "", "meaning": self.note}


def field_rows(contract: Contract, model: str, schema: Schema, parts: frozenset[str]) -> list[FieldRow]:
    """Return a row for each field of ``model``, in order; the fields of ``parts`` stand at their dotted path."""
    definitions = schema.get("$defs", {})
    whole = definitions[_referred(schema)] if "$ref" in schema else schema  # a model that contains itself
    return list(_Teller(contract, parts, definitions).rows(model, whole, ""))


@dataclass(frozen=True, slots=True)
class _Teller:
    contract: Contract
    parts: frozenset[str]
    definitions: Mapping[str, Schema]

    def rows(self, model: str, schema: Schema, prefix: str) -> Iterator[FieldRow]:
        required = schema.get("required", [])
        defaults = self.contract.defaults.get(model, {})
        for name, spec in schema.get("properties", {}).items():
            part = _referred(spec)
            if part in self.parts:
                yield from self.rows(part, self.definitions[part], f"{prefix}{name}.")
                continue
            yield FieldRow(
                field=f"`{prefix}{name}`",
                type=self.type(spec),
                default=None if name in required else default_told(defaults.get(name, spec.get("default"))),
                note=self.note(spec),
            )

    def note(self, spec: Schema) -> str:
        """Return the field's own description; a description of its type says nothing of the field."""
        said = str(spec.get("description", ""))
        return "" if said == self.kind(spec).get("says") else said

    def kind(self, spec: Schema) -> Mapping[str, str]:
        return self.contract.kinds.get(spec.get("pattern", ""), {})

    def type(self, spec: Schema) -> str:
        if "$ref" in spec:
            words = self.definitions[_referred(spec)].get("enum")
            return " · ".join(f"`{word}`" for word in words) if words else _referred(spec)
        if "anyOf" in spec:
            return " or ".join(self.type(option) for option in spec["anyOf"] if option.get("type") != "null")
        match spec.get("type"):
            case "array":
                return f"list of {self.type(spec.get('items', {}))}{_bounds(spec, 'minItems', 'maxItems')}"
            case "object":
                return self.map(spec)
            case "string":
                return self.text(spec)
            case "integer" | "number" as kind:
                return f"{kind}{_bounds(spec, 'minimum', 'maximum')}"
            case kind:
                return str(kind or "JSON value")

    def map(self, spec: Schema) -> str:
        for pattern, values in spec.get("patternProperties", {}).items():
            if self.kind({"pattern": pattern}).get("kind") == "id":
                return f"map of id to {self.type(values)}{_bounds(spec, 'minProperties', 'maxProperties')}"
        return "JSON object"

    def text(self, spec: Schema) -> str:
        if kind := self.kind(spec):
            return kind["kind"]
        if spec.get("format") == "date-time":
            return "time"
        if "pattern" in spec:
            return f"text like `{spec['pattern']}`"
        return f"text{_bounds(spec, 'minLength', 'maxLength')}"


def _referred(spec: Schema) -> str:
    return str(spec.get("$ref", "")).rpartition("/")[2]


def _bounds(spec: Schema, lowest: str, highest: str) -> str:
    low, high = spec.get(lowest), spec.get(highest)
    if low is None:
        return "" if high is None else f" ≤ {high}"
    return f" ≥ {low}" if high in {None, _SAFE_INTEGER} else f" {low}…{high}"


def default_told(value: object) -> str:
    """Return a default as the documents tell it."""
    match value:
        case None:
            return "unset"
        case list() | dict() if not value:
            return "empty"
        case str():
            return f"`{value}`"
        case _:
            return f"`{json.dumps(value)}`"
