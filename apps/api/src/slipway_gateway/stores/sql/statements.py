"""The store's statements as texts, ready to be bound by position.

The texts are generated from SQLAlchemy Core (see ``core``) and checked in, so that neither a start nor an execution
pays for a compilation. Operations name a statement by a handle of its form; the session's dialect has its text.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import Any

Row = tuple[Any, ...]
COMPILED = Path(__file__).with_name("compiled")
SIZES = (1, 2, 4, 8, 16, 32)
"""Numbers of rows or keys in one statement: few, so that each database connection keeps all of them prepared."""
GROUP_MAX = SIZES[-1]


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
            (name, int(size)): text for name, each in statements.items() for size, text in each.get("texts", {}).items()
        }

    def bound(self, query: Query, values: dict[str, Any]) -> tuple[str, list[Any]]:
        """Return the text of ``query`` and its parameters in order; raises KeyError for a missing one."""
        text, names, constants = self._by_name[query.name]
        if constants:
            values = constants | values
        return text, [values[name] for name in names]

    def sized(self, statement: Keyed | Insert, size: int) -> str:
        """Return the text of ``statement`` for ``size`` keys or rows, one of SIZES."""
        return self._by_size[statement.name, size]


@cache
def texts_of(dialect: str) -> Texts:
    """Return the texts of a dialect, read once a process."""
    content = json.loads((COMPILED / f"{dialect}.json").read_text(encoding="utf-8"))
    return Texts(content["schema"], content["statements"])


def padded(keys: Sequence[Row]) -> list[tuple[int, list[Any]]]:
    """Split ``keys`` into (size, flat parameters), filling a short part up with its last key.

    A key twice selects its row once.
    """
    parts = []
    rest = iter(keys)
    while part := list(islice(rest, GROUP_MAX)):
        size = 1 << (len(part) - 1).bit_length()
        part += [part[-1]] * (size - len(part))
        parts.append((size, list(chain.from_iterable(part))))
    return parts


def split(rows: Sequence[Row]) -> list[tuple[int, list[Any]]]:
    """Split ``rows`` to insert into (size, flat parameters), as few as the sizes allow."""
    parts = []
    start = 0
    while left := len(rows) - start:
        size = GROUP_MAX if left >= GROUP_MAX else 1 << (left.bit_length() - 1)
        parts.append((size, list(chain.from_iterable(rows[start : start + size]))))
        start += size
    return parts
