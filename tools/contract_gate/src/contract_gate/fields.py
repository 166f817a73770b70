"""The fields of the contract's models, each with what its JSON Schema says of it, and what changed between two trees.

Pure. A field stands in its model's table; the fields of a part, which has none, stand at their dotted path.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from contract_gate.models import Contract

SAID_TO_PEOPLE = frozenset({"title", "description", "examples"})
"""What a schema says to people alone: another wording of it is no other field."""
_OF_THE_FIELDS = frozenset({"properties", "required", "$defs"})

Schema = Mapping[str, Any]


class Field(NamedTuple):
    """A field of a surface's model; ``path`` is dotted where it is a part's."""

    surface: str
    model: str
    path: str

    @property
    def name(self) -> str:
        """Return the field as people write it, as in ``SubmitJobCommand.resource_shape.cpu``."""
        return f"{self.model}.{self.path}"


def fields_of(contract: Contract, parts: frozenset[str]) -> dict[Field, Schema]:
    """Return each field with what its schema says; a model that has a table of its own is told by its name."""
    tabled = frozenset(name for models in contract.models.values() for name in models) - parts
    return {
        Field(surface, name, path): said
        for surface, models in contract.models.items()
        for name, schema in models.items()
        if name in tabled
        for path, said in _Reader(contract, parts, tabled, schema.get("$defs", {})).fields(name, _whole(schema))
    }


def models_of(contract: Contract, parts: frozenset[str]) -> dict[tuple[str, str], Schema]:
    """Return what the schema of each (surface, model) says of the model as a whole, as whether it is strict."""
    kept = _OF_THE_FIELDS | SAID_TO_PEOPLE
    return {
        (surface, name): {key: value for key, value in _whole(schema).items() if key not in kept}
        for surface, models in contract.models.items()
        for name, schema in models.items()
        if name not in parts
    }


def _whole(schema: Schema) -> Schema:
    """Return the model itself, which a model that contains itself keeps among its definitions."""
    return schema["$defs"][_referred(schema["$ref"])] if "$ref" in schema else schema


@dataclass(frozen=True, slots=True)
class _Reader:
    contract: Contract
    parts: frozenset[str]
    tabled: frozenset[str]
    defs: Mapping[str, Schema]

    def fields(self, model: str, schema: Schema, prefix: str = "") -> Iterator[tuple[str, Schema]]:
        """Yield path and what is said; a default that a factory makes is no part of JSON Schema, and told beside it."""
        defaults = self.contract.defaults.get(model, {})
        for name, spec in schema.get("properties", {}).items():
            referred = _referred(spec.get("$ref", ""))
            if referred in self.parts:
                yield from self.fields(referred, self.defs[referred], f"{prefix}{name}.")
                continue
            made = {"default": defaults[name]} if name in defaults else {}
            said = _said(spec, self.defs, self.tabled, frozenset())
            yield f"{prefix}{name}", {"required": name in schema.get("required", ()), "schema": said, **made}


def _said(spec: Any, defs: Schema, tabled: frozenset[str], within: frozenset[str]) -> Any:
    """Return ``spec`` with every definition in place that has no table of its own, without what is said to people."""
    if isinstance(spec, list):
        return [_said(each, defs, tabled, within) for each in spec]
    if not isinstance(spec, Mapping):
        return spec
    if "$ref" in spec:
        referred = _referred(spec["$ref"])
        if referred in tabled or referred in within:
            rest = {key: value for key, value in spec.items() if key not in SAID_TO_PEOPLE | {"$ref"}}
            return {"model": referred, **rest}
        rest = {key: value for key, value in spec.items() if key != "$ref"}
        return _said({**defs[referred], **rest}, defs, tabled, within | {referred})
    named = {
        key: {name: _said(each, defs, tabled, within) for name, each in value.items()}
        for key, value in spec.items()
        if key == "properties"
    }
    return named | {
        key: _said(value, defs, tabled, within)
        for key, value in spec.items()
        if key not in SAID_TO_PEOPLE and key not in named
    }


def _referred(ref: str) -> str:
    return ref.rpartition("/")[2]
