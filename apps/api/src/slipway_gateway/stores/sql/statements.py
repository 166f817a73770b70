"""Statements, compiled once for their dialect and bound by position.

The hot paths bind thousands of values a second; compiling, or even looking up a compiled form by structure, at each
execution would cost more than SQLite's own work.
"""

from collections.abc import Callable, Sequence
from functools import cache
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import ClauseElement, Column, ColumnElement, Table, and_, bindparam, insert, literal_column, or_
from sqlalchemy.engine.interfaces import Dialect

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler

Row = tuple[Any, ...]
GROUP_MAX = 32
"""Rows or keys in one statement; longer lists take several. Keeps every text's plan and cache entry small."""


class Compiled:
    """A statement's text for one dialect and the names of its parameters in the order they are bound."""

    __slots__ = ("_constants", "names", "text")

    def __init__(self, clause: ClauseElement, dialect: Dialect) -> None:
        compiled = cast("SQLCompiler", clause.compile(dialect=dialect))
        self.text = str(compiled)
        self.names = tuple(compiled.positiontup or ())
        # SQLAlchemy binds some constants of its own, such as the 0 of `LIMIT ? OFFSET 0`.
        self._constants = {name: bound.value for name, bound in compiled.binds.items() if not bound.required}

    def bind(self, values: dict[str, Any]) -> list[Any]:
        """Return the values in the order they are bound; raises KeyError for a missing one."""
        if self._constants:
            values = self._constants | values
        return [values[name] for name in self.names]


class Query:
    """One statement; its parameters are bound by name."""

    def __init__(self, clause: ClauseElement) -> None:
        self.clause = clause


class Keyed:
    """A statement over the rows whose ``columns`` equal one of several keys.

    Composite keys compare as ``(a = ? AND b = ?) OR …``, the one form that SQLite and PostgreSQL both answer from the
    index; SQLite 3.40 scans the table for ``(a, b) IN (VALUES …)``.
    """

    def __init__(self, build: Callable[[ColumnElement[bool]], ClauseElement], *columns: Column[Any]) -> None:
        self._build = build
        self._columns = columns

    def clause(self, size: int) -> ClauseElement:
        """Return the statement for ``size`` keys."""
        if len(self._columns) == 1:
            keys: list[ColumnElement[Any]] = [bindparam(f"k{index}") for index in range(size)]
            return self._build(self._columns[0].in_(keys))
        return self._build(
            or_(
                *(
                    and_(*(column == bindparam(f"k{index}_{column.name}") for column in self._columns))
                    for index in range(size)
                )
            )
        )


class Insert:
    """An insert of any number of rows into ``table``, each a tuple of ``columns`` (default: all) in order."""

    def __init__(self, table: Table, *columns: Column[Any]) -> None:
        self._table = table
        self._columns = columns or tuple(table.columns)

    def clause(self, size: int) -> ClauseElement:
        """Return the statement for ``size`` rows."""
        rows: list[dict[str, ColumnElement[Any]]] = [
            {column.name: bindparam(f"r{index}_{column.name}") for column in self._columns} for index in range(size)
        ]
        return insert(self._table).values(rows)


@cache
def compiled(query: Query, dialect: Dialect) -> Compiled:
    """Return ``query`` compiled for ``dialect``, once a process."""
    return Compiled(query.clause, dialect)


@cache
def compiled_for(statement: Keyed | Insert, size: int, dialect: Dialect) -> str:
    """Return the text of ``statement`` for ``size`` keys or rows, once a process."""
    return Compiled(statement.clause(size), dialect).text


def padded(keys: Sequence[Row]) -> list[tuple[int, list[Any]]]:
    """Split ``keys`` into (size, flat parameters), each size a power of two so that few texts serve all lists.

    A short part is filled up with its last key: a key twice selects its row once.
    """
    parts = []
    rest = iter(keys)
    while part := list(islice(rest, GROUP_MAX)):
        size = 1 << (len(part) - 1).bit_length()
        part += [part[-1]] * (size - len(part))
        parts.append((size, list(chain.from_iterable(part))))
    return parts


def split(rows: Sequence[Row]) -> list[tuple[int, list[Any]]]:
    """Split ``rows`` to insert into (size, flat parameters), each size a power of two of at most GROUP_MAX."""
    parts = []
    start = 0
    while left := len(rows) - start:
        size = GROUP_MAX if left >= GROUP_MAX else 1 << (left.bit_length() - 1)
        parts.append((size, list(chain.from_iterable(rows[start : start + size]))))
        start += size
    return parts


def constant(word: str) -> ColumnElement[str]:
    """Return ``word``, one of the program's own, as a literal of the statement's text."""
    if not word.isidentifier():
        raise ValueError(f"{word!r} is no word of the schema")
    return literal_column(f"'{word}'")
