"""What a machine reads of a pull request's description: what it refers to, its SoR mapping table, its mode. Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from contract_gate.markdown import Line, page
from contract_gate.plan import Mode

COLUMNS = ("field", "owner", "writer", "readers")
HEADER = f"| {' | '.join(COLUMNS)} |"
"""The header of the SoR mapping table, as .github/pull_request_template.md has it."""

CONTRACTS = "docs/contracts"
_CONTRACT = re.compile(rf"(?<![\w.-]){CONTRACTS}/[\w-]+\.md(?![\w-]|\.\w)")

_PERSON = re.compile(r"(?<![\w@])@\w[\w-]*")

NOBODY = "@who"
"""What the rollout's page has in the place of a name."""

_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_CELL = re.compile(r"(?<!\\)\|")
_MODE = re.compile(r"[\s*_>-]*Mode[*_]*:[\s*_]*(\w+)[\s*_.]*", re.IGNORECASE)
_REVIEWED = re.compile(r"[\s*_>-]*Reviewed[ -]by[*_]*:(.*)", re.IGNORECASE)


class Row(NamedTuple):
    """A row of the SoR mapping table, and its line of the description; readers in the order of their names."""

    line: int
    field: str
    owner: str
    writer: str
    readers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Description:
    """What a description says. ``malformed`` are lines of the SoR mapping table that are no rows of it."""

    text: str
    has_table: bool
    rows: tuple[Row, ...]
    malformed: tuple[int, ...]
    modes: frozenset[Mode]
    reviewers: tuple[str, ...]

    def refers_to(self, file: str) -> bool:
        """Tell whether the description has the path of ``file``, in a link or as text."""
        return re.search(rf"(?<![\w.-]){re.escape(file)}(?![\w-]|\.\w)", self.text) is not None

    @property
    def refers_to_a_contract(self) -> bool:
        """Tell whether the description has the path of any of the contract's pages, in a link or as text."""
        return _CONTRACT.search(self.text) is not None


def description_of(body: str) -> Description:
    """Read a description; what stands in a comment or in a block of code is not said."""
    lines = list(page(_COMMENT.sub(lambda found: "\n" * found[0].count("\n"), body.replace("\r\n", "\n"))).prose)
    tables = _tables(lines)
    cells = [(line.number, _cells(line.text)) for table in tables for line in table if _says_something(line.text)]
    modes = [match[1].capitalize() for match in _matches(_MODE, lines)]
    reviewers = [who for match in _matches(_REVIEWED, lines) for who in _PERSON.findall(match[1])]
    return Description(
        text="\n".join(line.text for line in lines),
        has_table=bool(tables),
        rows=tuple(_row(number, each) for number, each in cells if len(each) == len(COLUMNS)),
        malformed=tuple(number for number, each in cells if len(each) != len(COLUMNS)),
        modes=frozenset(Mode(mode) for mode in modes if mode in set(Mode)),
        reviewers=tuple(who for who in reviewers if who != NOBODY),
    )


def row_told(field: str, owner: str, writer: str, readers: Iterable[str]) -> str:
    """Return a row of the SoR mapping table, to be pasted."""
    return f"| `{field}` | {owner} | {writer} | {', '.join(readers)} |"


def _matches(pattern: re.Pattern[str], lines: Iterable[Line]) -> Iterator[re.Match[str]]:
    return (match for line in lines if (match := pattern.fullmatch(line.text)) is not None)


def _tables(lines: Iterable[Line]) -> list[list[Line]]:
    """Return the lines below the header of each SoR mapping table."""
    found: list[list[Line]] = []
    within = False
    for line in lines:
        if not line.text.lstrip().startswith("|"):
            within = False
        elif within:
            found[-1].append(line)
        elif tuple(cell.lower() for cell in _cells(line.text)) == COLUMNS:
            within = True
            found.append([])
    return found


def _says_something(row: str) -> bool:
    return not set(row) <= set("|-: \t")


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|").removesuffix("|")
    return [cell.strip().strip("`").strip() for cell in _CELL.split(inner)]


def _row(line: int, cells: list[str]) -> Row:
    field, owner, writer, readers = cells
    return Row(line, field, owner, writer, tuple(sorted(filter(None, (each.strip() for each in readers.split(","))))))
