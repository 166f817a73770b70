"""The store's statements as texts, ready to be bound by position.

The texts are generated from SQLAlchemy Core (see ``core``) and checked in, so that neither a start nor an execution
pays for a compilation. Operations name a statement by a handle of its form; the session's dialect has its text.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

Row = tuple[Any, ...]
COMPILED = Path(__file__).with_name("compiled")
GROUP_MAX = 32
"""Most rows or keys in one statement. There is a text for every number up to it, so that a group takes one statement a
table, and each database connection keeps all of them prepared."""


@dataclass(frozen=True, slots=True)
class Query:
    """A statement whose parameters are bound by name."""

    name: str


@dataclass(frozen=True, slots=True)
class Keyed:
    """A statement over the rows under any number of keys."""

    name: str


@dataclass(frozen=True, slots=True)
class Insert:
    """An insert of any number of rows."""

    name: str


class Texts:
    """The texts of one dialect."""

    def __init__(self, schema: Sequence[str], statements: dict[str, Any]) -> None:
        self.schema = tuple(schema)
        self._by_name = {
            name: (each["text"], tuple(each["names"]), each["constants"])
            for name, each in statements.items()
            if "text" in each
        }
        self._by_size: dict[tuple[str, int], str] = {
            (name, size): each["head"] + each["unit"] * (size - 1) + each["tail"]
            for name, each in statements.items()
            if "unit" in each
            for size in range(1, GROUP_MAX + 1)
        }

    def bound(self, query: Query, values: dict[str, Any]) -> tuple[str, list[Any]]:
        """Return the text of ``query`` and its parameters in order; raises KeyError for a missing one."""
        text, names, constants = self._by_name[query.name]
        if constants:
            values = constants | values
        return text, [values[name] for name in names]

    def sized(self, statement: Keyed | Insert, size: int) -> str:
        """Return the text of ``statement`` for ``size`` keys or rows, at most GROUP_MAX."""
        return self._by_size[statement.name, size]


@cache
def texts_of(dialect: str) -> Texts:
    """Return the texts of a dialect, read once a process."""
    content = json.loads((COMPILED / f"{dialect}.json").read_text(encoding="utf-8"))
    return Texts(content["schema"], content["statements"])


def grouped(rows: Sequence[Row]) -> list[tuple[int, list[Any]]]:
    """Split ``rows`` to insert, or keys to look for, into (size, flat parameters), a statement each."""
    parts = (rows[start : start + GROUP_MAX] for start in range(0, len(rows), GROUP_MAX))
    return [(len(part), list(chain.from_iterable(part))) for part in parts]
