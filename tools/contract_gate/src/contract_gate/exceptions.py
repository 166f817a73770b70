"""The exceptions of the retirement: who answers for one, why, until when, and the issue that removes it. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from contract_gate.markdown import Part, Row

BOUNDARY = "docs/contracts/redis-rq-retirement-boundary.md"
COLUMNS = ("what", "owner", "reason", "expiry", "removal issue")

_ISSUE = re.compile(r"#\d+|\[[^\]]+\]\(\S+\)|https?://\S+")
_WHAT = re.compile(r"`([^`]+): ([^`]+)`")


@dataclass(frozen=True, slots=True)
class Trace:
    """Something retired that a rule found; ``file`` and ``name`` are what an exception of it names."""

    file: str
    line: int
    name: str


@dataclass(frozen=True, slots=True)
class Exceptions:
    """The exceptions that the boundary's page tells, as of ``today``."""

    boundary: Part
    today: date

    @property
    def rows(self) -> list[Row]:
        """Return the rows of the table."""
        section = self.boundary.sections(2).get("Exceptions")
        tables = section.tables() if section else []
        return [row for table in tables if table.columns == COLUMNS for row in table.rows]

    @property
    def are_told(self) -> bool:
        """Whether the page has the one table that exceptions stand in."""
        section = self.boundary.sections(2).get("Exceptions")
        return section is not None and [table.columns for table in section.tables()] == [COLUMNS]

    def excuse(self, trace: Trace) -> bool:
        """Tell whether an exception that is in order and in time names exactly this."""
        return any(self._names(row, trace) for row in self.rows if not any(self.faults(row)))

    def superfluous(self, traces: list[Trace]) -> Iterator[Row]:
        """Yield the exceptions that name nothing of ``traces``."""
        return (row for row in self.rows if not any(self._names(row, trace) for trace in traces))

    def faults(self, row: Row) -> Iterator[str]:
        """Yield what is wrong with an exception."""
        for column in COLUMNS:
            if not row[column]:
                yield f"{column} is empty"
        if row["what"] and not _WHAT.fullmatch(row["what"]):
            yield "what is to be a file and a name, as in `uv.lock: redis`"
        if row["removal issue"] and not _ISSUE.fullmatch(row["removal issue"]):
            yield f"{row['removal issue']!r} is no issue, as in #12"
        if row["expiry"]:
            yield from self._out_of_time(row["expiry"])

    def _out_of_time(self, expiry: str) -> Iterator[str]:
        try:
            if date.fromisoformat(expiry) < self.today:
                yield f"it has expired on {expiry}"
        except ValueError:
            yield f"{expiry!r} is no date, as in {self.today.isoformat()}"

    @staticmethod
    def _names(row: Row, trace: Trace) -> bool:
        what = _WHAT.fullmatch(row["what"])
        return what is not None and what.groups() == (trace.file, trace.name)
