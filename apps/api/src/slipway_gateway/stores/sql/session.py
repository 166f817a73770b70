"""What an operation sees of the database: statements inside a transaction that is already open."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from slipway_gateway.stores.sql.statements import Insert, Keyed, Query, Row

Argument = TypeVar("Argument")
Result = TypeVar("Result")
Topic = str | tuple[str, str]
"""What somebody waits for: a node's commands (its id), or a workspace's changes (tenant, workspace)."""


class Session(Protocol):
    """An open transaction. ``arrivals`` collects the topics whose waiters are to be woken once it is committed."""

    arrivals: set[Topic]

    def rows(self, query: Query, **values: Any) -> list[Row]:
        """Run ``query`` and return its rows."""
        ...

    def run(self, query: Query, **values: Any) -> int:
        """Run ``query`` and return how many rows it changed."""
        ...

    def run_each(self, query: Query, values: Iterable[dict[str, Any]]) -> None:
        """Run ``query`` once for each of ``values``."""
        ...

    def rows_of(self, statement: Keyed, keys: Sequence[Row]) -> list[Row]:
        """Return the rows under ``keys``, in no order."""
        ...

    def run_on(self, statement: Keyed, keys: Sequence[Row]) -> None:
        """Run ``statement`` on the rows under ``keys``."""
        ...

    def insert(self, statement: Insert, rows: Sequence[Row]) -> None:
        """Insert ``rows``, several a statement."""
        ...

    def foreign_version(self) -> tuple[int, int]:
        """Return a value that changes when another process commits, and may change when the connection does."""
        ...

    def schema_is_current(self) -> bool:
        """Tell whether the schema is this version's."""
        ...


@dataclass(frozen=True, eq=False, slots=True)
class Operation(Generic[Argument, Result]):
    """One kind of atomic operation: does a group of its kind at once, with a result an argument, in order."""

    name: str
    run: Callable[[Session, Sequence[Argument]], Sequence[Result]]


def each(name: str, run_one: Callable[[Session, Argument], Result]) -> Operation[Argument, Result]:
    """Return the operation that does its group one by one, in the one transaction."""

    def run(session: Session, arguments: Sequence[Argument]) -> list[Result]:
        return [run_one(session, argument) for argument in arguments]

    return Operation(name, run)
