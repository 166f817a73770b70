"""The three forms a statement of the store has, each compiled to its texts for a dialect."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ClauseElement, Column, ColumnElement, Table, and_, bindparam, insert, literal_column, or_
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql.compiler import SQLCompiler

from slipway_gateway.stores.sql.statements import GROUP_MAX

Definition = dict[str, Any]
"""A statement as it is checked in: its text and how it is bound, or what its text for any size is put together of."""


def by_name(clause: ClauseElement, dialect: Dialect) -> Definition:
    """Compile a statement whose parameters are bound by name: the names stand in the order they are bound."""
    compiled = clause.compile(dialect=dialect)
    if not isinstance(compiled, SQLCompiler):
        raise TypeError(f"{clause} is no statement")
    names = list(compiled.positiontup or ())
    # SQLAlchemy binds some constants of its own, such as the 0 of `LIMIT ? OFFSET 0`.
    constants = {name: compiled.binds[name].value for name in names if not compiled.binds[name].required}
    return {"text": _flat(compiled), "names": names, "constants": constants}


class Keyed:
    """A statement over the rows whose ``columns`` equal one of several keys.

    Composite keys compare as ``(a = ? AND b = ?) OR …``, the one form that SQLite and PostgreSQL both answer from the
    index; SQLite 3.40 scans the table for ``(a, b) IN (VALUES …)``.
    """

    def __init__(self, build: Callable[[ColumnElement[bool]], ClauseElement], *columns: Column[Any]) -> None:
        self._build = build
        self._columns = columns

    def compiled(self, dialect: Dialect) -> Definition:
        """Compile for any number of keys."""
        return _repeating(lambda size: self._build(self._keys(size)), dialect)

    def _keys(self, size: int) -> ColumnElement[bool]:
        if len(self._columns) == 1:
            keys: list[ColumnElement[Any]] = [bindparam(f"k{index}") for index in range(size)]
            return self._columns[0].in_(keys)
        return or_(
            *(
                and_(*(column == bindparam(f"k{index}_{column.name}") for column in self._columns))
                for index in range(size)
            )
        )


class Insert:
    """An insert of several rows into ``table``, each a tuple of its columns in order, but those left ``out``."""

    def __init__(self, table: Table, out: Sequence[Column[Any]] = ()) -> None:
        self._table = table
        self._columns = [column for column in table.columns if not any(column is each for each in out)]

    def compiled(self, dialect: Dialect) -> Definition:
        """Compile for any number of rows."""
        return _repeating(self._of, dialect)

    def _of(self, size: int) -> ClauseElement:
        rows: list[dict[str, ColumnElement[Any]]] = [
            {column.name: bindparam(f"r{index}_{column.name}") for column in self._columns} for index in range(size)
        ]
        return insert(self._table).values(rows)


def constant(word: str) -> ColumnElement[str]:
    """Return ``word``, one of the program's own, as a literal of the statement's text."""
    if not word.isidentifier():
        raise ValueError(f"{word!r} is no word of the schema")
    return literal_column(f"'{word}'")


def _repeating(build: Callable[[int], ClauseElement], dialect: Dialect) -> Definition:
    """Return the parts with ``head + unit * (size - 1) + tail`` the statement for ``size`` rows or keys.

    Raises ValueError when a text is not so put together.
    """
    texts = [_flat(build(size).compile(dialect=dialect)) for size in range(2, GROUP_MAX + 1)]
    two, three = texts[:2]
    length = len(three) - len(two)
    until = next((at for at, (a, b) in enumerate(zip(two, three, strict=False)) if a != b), len(two))
    head, unit, tail = two[: until - length], three[until : until + length], two[until:]
    if [head + unit * size + tail for size in range(1, GROUP_MAX)] != texts:
        raise ValueError(f"{two} does not grow by a unit")
    return {"head": head, "unit": unit, "tail": tail}


def _flat(compiled: object) -> str:
    return " ".join(str(compiled).split())
