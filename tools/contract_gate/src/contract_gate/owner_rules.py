"""The rules of the SoR mappings: each field has one owner and one writer, those that the map says. Pure."""

from collections.abc import Iterator

from contract_gate.comparing import differences, only_table
from contract_gate.fields import Field
from contract_gate.markdown import Table
from contract_gate.pages import Documents
from contract_gate.rules import Finding, finding
from contract_gate.sor_map import MAP, Owner, Writer

OWNERS = frozenset(Owner)
WRITERS = frozenset(Writer)


def owners(documents: Documents) -> Iterator[Finding]:
    """Find fields without a row in the SoR mapping, and rows without one owner and one writer that exist."""
    for surface in documents.plan.surfaces:
        section = documents.section(surface, "SoR mapping")
        told = section.sections(3)
        rows = {model: documents.rows(surface, model) for model in documents.tabled(surface)}
        for name, part in told.items():
            if name not in rows:
                yield finding(f"{name} is told and is no model of this surface", part.file, part.line)
        for model, due in rows.items():
            if due:
                table, faults = only_table(told.get(model), section, model)
                yield from faults
                if table is not None:
                    yield from differences(model, section.file, table, [row.cells for row in due], ("field",))
                    yield from _ownerless(model, section.file, table)


def _ownerless(model: str, file: str, table: Table) -> Iterator[Finding]:
    for row in table.rows:
        if row["owner"] not in OWNERS:
            yield finding(f"{model}, {row['field']}: {row['owner']!r} is no owner", file, row.line)
        if row["writer"] not in WRITERS:
            yield finding(f"{model}, {row['field']}: {row['writer']!r} is no writer", file, row.line)
        if not row["kept in"]:
            yield finding(f"{model}, {row['field']}: it is not told where it is kept", file, row.line)


def as_the_map_says(documents: Documents) -> Iterator[Finding]:
    """Find rows of the SoR mappings that name another owner or writer than the map.

    A row that is missing falls short of ``owners``, an entry that is missing of the rules of the map itself.
    """
    entries = documents.sor_map.entries()
    for surface in documents.plan.surfaces:
        for model, part in documents.section(surface, "SoR mapping").sections(3).items():
            for row in (row for table in part.tables() for row in table.rows):
                entry = entries.get(Field(surface, model, row["field"].strip("`")))
                for column in ("owner", "writer") if entry is not None else ():
                    due = getattr(entry, column).value
                    if row[column] != due and row[column] in OWNERS | WRITERS:
                        message = f"{model}, {row['field']}: {column} is {row[column]!r} here and {due!r} in {MAP}"
                        yield finding(message, part.file, row.line)
