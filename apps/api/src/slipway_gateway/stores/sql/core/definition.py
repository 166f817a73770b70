"""The three forms a statement of the store has, each compiled to its texts for a dialect."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ClauseElement, Column, ColumnElement, Table, and_, bindparam, insert, literal_column, or_
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql.compiler import SQLCompiler

from slipway_gateway.stores.sql.statements import SIZES

Definition = dict[str, Any]
"""A statement as it is checked in: its text, or its texts by size, and how it is bound."""


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
        """Compile for every number of keys in SIZES."""
        return {"texts": {str(size): _flat(self._build(self._keys(size)).compile(dialect=dialect)) for size in SIZES}}

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
        """Compile for every number of rows in SIZES."""
        return {"texts": {str(size): _flat(self._of(size).compile(dialect=dialect)) for size in SIZES}}

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


def _flat(compiled: object) -> str:
    return " ".join(str(compiled).split())
