"""Reads of a Markdown page what the gates compare: sections, tables, links, each with the line it stands on. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from contract_gate.rules import GateError

_FENCE = re.compile(r"^\s*(`{3,}|~{3,})")
_CELL = re.compile(r"(?<!\\)\|")
_CODE_SPAN = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+[\"'(][^)]*[\"')])?\s*\)")
_LINK_DEFINITION = re.compile(r"^\s{0,3}\[[^\]]+\]:\s+<?([^\s>]+)>?")
_HTML_LINK = re.compile(r"""<(?:a|img)\b[^>]*?\s(?:href|src)\s*=\s*["']([^"']+)["']""", re.IGNORECASE)
_HTML_ANCHOR = re.compile(r"""<[a-z][^>]*?\s(?:id|name)\s*=\s*["']([^"']+)["']""", re.IGNORECASE)
_LINK_TEXT = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_NO_ANCHOR = re.compile(r"[^\w\- ]")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a page; a ``fenced`` one is inside of a block of code."""

    number: int
    text: str
    fenced: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table, by its columns' names."""

    line: int
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        """Return a cell as written; empty where the table has no such column."""
        return self.cells.get(column, "")


@dataclass(frozen=True, slots=True)
class Table:
    """A table, and the line of its header."""

    line: int
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A page, or what stands below one of its headings, deeper headings included."""

    file: str
    heading: str
    line: int
    lines: tuple[Line, ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing but headings is there."""
        return not any(line.text.strip() and (line.fenced or not _depth(line)) for line in self.lines)

    @property
    def text(self) -> str:
        """Return its lines as they were written."""
        return "".join(f"{line.text}\n" for line in self.lines)

    @property
    def prose(self) -> Iterator[Line]:
        """Yield the lines that are not code."""
        return (line for line in self.lines if not line.fenced)

    def headings(self, level: int) -> list[str]:
        """Return the headings of one level, in order."""
        return [_title(line) for line in self.lines if _depth(line) == level]

    def sections(self, level: int) -> dict[str, "Part"]:
        """Return the parts below the headings of one level; of two headings alike the first has both their lines."""
        found: dict[str, tuple[int, list[Line]]] = {}
        current: list[Line] | None = None
        for line in self.lines:
            depth = _depth(line)
            if depth == level:
                _, current = found.setdefault(_title(line), (line.number, []))
            elif 0 < depth < level:
                current = None
            elif current is not None:
                current.append(line)
        return {name: Part(self.file, name, number, tuple(lines)) for name, (number, lines) in found.items()}

    def tables(self) -> list[Table]:
        """Return the tables. Raises GateError for a row with another number of cells than its header."""
        found: list[Table] = []
        for run in _runs(self.prose):
            header, *rest = run
            columns = tuple(_cells(header))
            rows = tuple(self._row(line, columns) for line in rest if not set(line.text) <= set("|-: "))
            found.append(Table(header.number, columns, rows))
        return found

    def _row(self, line: Line, columns: tuple[str, ...]) -> Row:
        cells = _cells(line)
        if len(cells) != len(columns):
            raise GateError(f"a row of {len(cells)} cells in a table of {len(columns)} columns", self.file, line.number)
        return Row(line.number, dict(zip(columns, cells, strict=True)))

    def links(self) -> Iterator[tuple[int, str]]:
        """Yield line and target of every link and picture, as written but for percent-encoding."""
        for line in self.prose:
            text = _CODE_SPAN.sub("", line.text)
            for pattern in (_LINK, _LINK_DEFINITION, _HTML_LINK):
                yield from ((line.number, unquote(match[1])) for match in pattern.finditer(text))

    def anchors(self) -> set[str]:
        """Return what a link can lead to within the page: its headings, as GitHub names them, and HTML anchors."""
        found: set[str] = set()
        for line in self.prose:
            found.update(_HTML_ANCHOR.findall(line.text))
            if _depth(line):
                name = anchor = _NO_ANCHOR.sub("", _LINK_TEXT.sub(r"\1", _title(line)).lower()).replace(" ", "-")
                repeated = 0
                while anchor in found:
                    repeated += 1
                    anchor = f"{name}-{repeated}"
                found.add(anchor)
        return found


def page(text: str, file: str = "") -> Part:
    """Return a page as a whole."""
    return Part(file, "", 1, tuple(_lines(text)))


def _lines(text: str) -> Iterator[Line]:
    fence = ""
    for number, line in enumerate(text.splitlines(), 1):
        mark = _FENCE.match(line)
        if fence:
            yield Line(number, line, fenced=True)
            if mark and mark[1].startswith(fence) and not line.strip(f" {fence[0]}"):
                fence = ""
        elif mark:
            fence = mark[1]
            yield Line(number, line, fenced=True)
        else:
            yield Line(number, line)


def _depth(line: Line) -> int:
    """Return the level of a heading, 0 for any other line."""
    depth = len(line.text) - len(line.text.lstrip("#"))
    return depth if not line.fenced and line.text[depth : depth + 1] == " " else 0


def _title(line: Line) -> str:
    return line.text.lstrip("#").strip()


def _runs(lines: Iterator[Line]) -> Iterator[list[Line]]:
    """Yield the runs of lines that follow each other and each begin with a bar."""
    run: list[Line] = []
    for line in lines:
        in_table = line.text.startswith("|")
        if run and not (in_table and line.number == run[-1].number + 1):
            yield run
            run = []
        if in_table:
            run.append(line)
    if run:
        yield run


def _cells(line: Line) -> list[str]:
    return [cell.strip() for cell in _CELL.split(line.text.strip())[1:-1]]
