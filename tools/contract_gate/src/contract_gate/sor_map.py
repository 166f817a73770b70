"""The SoR map (docs/contracts/sor-map.toml): each field's owner, its one writer and its readers."""

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict
from pydantic import Field as Constrained

from contract_gate.fields import Field
from contract_gate.plan import parsed, read_toml

MAP = "docs/contracts/sor-map.toml"


class Owner(StrEnum):
    """The System of Record in which a field is true; what is in transit is told, used and forgotten."""

    PRODUCT_SOR = "Product SoR"
    EXECUTION_SOR = "Execution SoR"
    IN_TRANSIT = "in transit"


class Writer(StrEnum):
    """Who decides what a field says."""

    PRODUCT = "product"
    ADMIN = "admin"
    GATEWAY = "gateway"
    NODE = "node"


class Reader(StrEnum):
    """Who is told a field by a message that carries it."""

    PRODUCT = "product"
    ADMIN = "admin"
    GATEWAY = "gateway"
    NODE = "node"
    STORE = "Product SoR"


class Entry(BaseModel):
    """Who has what to do with one field."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    owner: Owner
    writer: Writer
    readers: Annotated[tuple[Reader, ...], Constrained(min_length=1)]


class SorMap(BaseModel):
    """The whole map: surface → model → field → entry. ``facts`` are names that mean one fact wherever they are told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    facts: tuple[str, ...] = ()
    surfaces: dict[str, dict[str, dict[str, Entry]]]

    def entries(self) -> dict[Field, Entry]:
        """Return the entry of each field."""
        return {
            Field(surface, model, path): entry
            for surface, models in self.surfaces.items()
            for model, paths in models.items()
            for path, entry in paths.items()
        }


class Fault(NamedTuple):
    """What is wrong with one field of the map."""

    field: Field
    message: str


def map_in(root: Path) -> SorMap:
    """Read the map. Raises GateError where it is not there, or does not hold."""
    return read_toml(root, MAP, SorMap)


def map_of(text: str) -> SorMap:
    """Return the map that ``text`` is. Raises GateError where it does not hold."""
    return parsed(text, MAP, SorMap)


def faults(sor_map: SorMap, fields: Iterable[Field]) -> Iterator[Fault]:
    """Yield what is wrong with a map of ``fields``: one without owner, one that is none, one fact with two owners."""
    due, entries = set(fields), sor_map.entries()
    for field in sorted(due - entries.keys()):
        yield Fault(field, f"{field.name} has no owner and no writer in the map; give it one of each")
    for field in sorted(entries.keys() - due):
        yield Fault(field, f"{field.name} is no field of {field.surface}'s models; take it out of the map")
    for name in sor_map.facts:
        told = {field: entry for field, entry in entries.items() if field.path == name}
        first = next(iter(told.items()), None)
        for field, entry in told.items():
            if first is not None and (entry.owner, entry.writer) != (first[1].owner, first[1].writer):
                yield Fault(
                    field,
                    f"{field.name} is {entry.owner}'s, written by {entry.writer}, and {first[0].name} is "
                    f"{first[1].owner}'s, written by {first[1].writer}; {name} is one fact and has one of each",
                )


_TABLE = re.compile(r"\[surfaces\.([\w-]+)\.(\w+)\]")


def line_of(text: str, field: Field) -> int | None:
    """Return the line of the map's ``text`` at which ``field`` stands, or its model where the field does not."""
    at: int | None = None
    here = False
    for number, line in enumerate(text.splitlines(), 1):
        table = _TABLE.match(line)
        if table is not None:
            here = table.groups() == (field.surface, field.model)
            at = number if here else at
        elif here and line.partition("=")[0].strip().strip('"') == field.path:
            return number
    return at
