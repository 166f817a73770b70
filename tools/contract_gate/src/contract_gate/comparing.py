"""Compares a page's table with the rows that are due. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from contract_gate.markdown import Part, Table
from contract_gate.rules import Finding, finding

DueRow = Mapping[str, str]


def only_table(part: Part | None, section: Part, name: str) -> tuple[Table | None, list[Finding]]:
    """Return the one table of ``part``, which stands below the heading ``name`` in ``section``; else what is wrong."""
    if part is None:
        return None, [finding(f"{name} is not told under {section.heading}", section.file, section.line)]
    tables = part.tables()
    if len(tables) != 1:
        return None, [finding(f"one table is due below {name}, {len(tables)} are there", part.file, part.line)]
    return tables[0], []


def differences(what: str, file: str, table: Table, due: Sequence[DueRow], columns: Sequence[str]) -> Iterator[Finding]:
    """Find each cell of ``table`` that is not as it is ``due``; the first of ``columns`` names a row."""
    key = columns[0]
    due_by = {row[key]: row for row in due}
    told = [row[key] for row in table.rows]
    for name, row in due_by.items():
        if name not in told:
            cells = " | ".join(row[column] for column in columns)
            yield finding(f"{what}: {name} is not told: | {cells} |", file, table.line)
    for at, each in enumerate(table.rows):
        name = each[key]
        if name not in due_by:
            yield finding(f"{what}: {name} is told and does not exist", file, each.line)
        elif name in told[:at]:
            yield finding(f"{what}: {name} is told twice", file, each.line)
        for column in columns[1:] if name in due_by else ():
            should = due_by[name][column]
            if each[column] != should:
                yield finding(f"{what}, {name}: {column} is {each[column]!r}, should be {should!r}", file, each.line)
    if sorted(told) == sorted(due_by) and told != list(due_by):
        yield finding(f"{what}: the order of the rows should be {', '.join(due_by)}", file, table.line)
