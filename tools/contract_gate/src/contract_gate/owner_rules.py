"""The rules of the SoR mappings: each field has one owner and one writer, the same wherever it is told. Pure."""

from collections.abc import Iterator

from contract_gate.comparing import differences, only_table
from contract_gate.markdown import Table
from contract_gate.pages import Documents
from contract_gate.rules import Finding, finding

OWNERS = frozenset({"Product SoR", "Execution SoR", "in transit"})
"""Who may own a field. What is in transit is told, used and forgotten: no store keeps it."""
WRITERS = frozenset({"product", "admin", "gateway", "node"})
ONE_FACT = ("_id", "_ref", "_state", "attempt")
"""How the names end of what is one fact at every surface; a `code` or a `message` is another one at each."""


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


def same_owner(documents: Documents) -> Iterator[Finding]:
    """Find a fact that has one owner at one surface and another one elsewhere."""
    first: dict[str, tuple[str, str]] = {}
    for surface in documents.plan.surfaces:
        section = documents.section(surface, "SoR mapping")
        for row in (row for table in section.tables() for row in table.rows):
            field = row["field"].strip("`")
            owner, place = first.setdefault(field, (row["owner"], f"{section.file}:{row.line}"))
            if field.endswith(ONE_FACT) and row["owner"] != owner:
                message = f"`{field}` is owned by {row['owner']!r} here and by {owner!r} at {place}"
                yield finding(message, section.file, row.line)
