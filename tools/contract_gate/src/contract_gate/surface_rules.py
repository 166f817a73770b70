"""The rules of the surfaces' pages: sections, the index, tables of fields. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from contract_gate.comparing import differences, only_table
from contract_gate.field_tables import FieldRow
from contract_gate.markdown import Part, Table
from contract_gate.pages import CONTRACTS, INDEX, SHARED, Documents
from contract_gate.rules import Finding, finding

SECTIONS = (
    "Purpose",
    "Producer and consumer",
    "Required fields",
    "Optional fields",
    "Idempotency key",
    "Retry policy",
    "Success response",
    "Error semantics",
    "Tenant and security boundary",
    "Observability fields",
    "SoR mapping",
    "Compatibility",
)
_REQUIRED = ("field", "type")
_WITH_DEFAULTS = ("field", "type", "default")


def sections(documents: Documents) -> Iterator[Finding]:
    """Find sections of a surface's page that are missing, moved, unknown or empty."""
    for name in documents.plan.surfaces:
        page = documents.surface(name)
        told = page.headings(2)
        if told != list(SECTIONS):
            missing = [f"{section} is missing" for section in SECTIONS if section not in told]
            unknown = [f"{section} is none of them" for section in told if section not in SECTIONS]
            wrong = "; ".join(missing + unknown) or "each once, in the order of docs/contracts/README.md"
            yield finding(f"its sections are not the twelve: {wrong}", page.file, 1)
        for section, part in page.sections(2).items():
            if part.is_empty:
                yield finding(f"section {section} is empty", page.file, part.line)


def index(documents: Documents) -> Iterator[Finding]:
    """Find pages of the contract that the index does not have, and surfaces' pages that the plan does not have."""
    told = {target for _, target in documents.index.links()}
    surfaces = {surface.document for surface in documents.plan.surfaces.values()}
    for file, page in documents.pages.items():
        folder, _, name = file.rpartition("/")
        if folder != CONTRACTS or file == INDEX:
            continue
        if name not in told:
            yield finding(f"it has no line for {name}", INDEX, 1)
        if file not in surfaces and set(SECTIONS) <= set(page.headings(2)):
            yield finding("it is a surface's page, and the plan has no such surface", file, 1)


def fields(documents: Documents) -> Iterator[Finding]:
    """Find tables of fields that do not say what the models say."""
    told = documents.index.sections(2).get("Errors", documents.index)
    shared = {model: documents.rows(SHARED, model) for model in documents.tabled(SHARED)}
    yield from _tables(told, shared, _WITH_DEFAULTS)
    for surface in documents.plan.surfaces:
        required, optional, success = (
            documents.section(surface, name) for name in ("Required fields", "Optional fields", "Success response")
        )
        rows = {model: documents.rows(surface, model) for model in documents.tabled(surface)}
        answers = {model: due for model, due in rows.items() if model in success.headings(3)}
        requests = {model: due for model, due in rows.items() if model not in answers}
        yield from _only(required, _due(requests, optional=False), _REQUIRED)
        yield from _only(optional, _due(requests, optional=True), _WITH_DEFAULTS)
        yield from _only(success, answers, _WITH_DEFAULTS)
        for model in _misplaced(documents, surface, requests, documents.answered - documents.asked):
            yield finding(f"{model} is an answer: it belongs under Success response", success.file, 1)
        for model in _misplaced(documents, surface, answers, documents.asked - documents.answered):
            yield finding(f"{model} is asked with: it belongs under Required and Optional fields", success.file, 1)


def _due(rows: Mapping[str, Sequence[FieldRow]], *, optional: bool) -> dict[str, Sequence[FieldRow]]:
    return {model: [row for row in due if (row.default is not None) == optional] for model, due in rows.items()}


def _only(section: Part, due: Mapping[str, Sequence[FieldRow]], columns: Sequence[str]) -> Iterator[Finding]:
    """Compare a section's tables with what is due, and find those that are not."""
    yield from _tables(section, due, columns)
    for name, part in section.sections(3).items():
        if not due.get(name):
            yield finding(f"{name} is told under {section.heading} and has no field for it", part.file, part.line)


def _tables(section: Part, due: Mapping[str, Sequence[FieldRow]], columns: Sequence[str]) -> Iterator[Finding]:
    """Compare the tables below the headings of the models that have a row."""
    told = section.sections(3)
    for model, rows in due.items():
        if rows:
            table, faults = only_table(told.get(model), section, model)
            yield from faults
            if table is not None:
                yield from differences(model, section.file, table, [row.cells for row in rows], columns)
                yield from _notes(model, section.file, table, rows)


def _notes(model: str, file: str, table: Table, due: Sequence[FieldRow]) -> Iterator[Finding]:
    notes = {row.field: row.note for row in due}
    for row in table.rows:
        told, note = row["meaning"], notes.get(row["field"])
        if note and told != note:
            yield finding(f"{model}, {row['field']}: the meaning is {told!r}, should be {note!r}", file, row.line)
        if note == "" and not told:
            yield finding(f"{model}, {row['field']}: its meaning is not told", file, row.line)


def _misplaced(
    documents: Documents, surface: str, told: Mapping[str, object], elsewhere: frozenset[str]
) -> Iterator[str]:
    """Yield the models that OpenAPI has in the other direction alone, and that no other one ``told`` here refers to."""
    schemas = documents.contract.models[surface]
    for model in told:
        if model in elsewhere and not any(model in schemas[other].get("$defs", {}) for other in told if other != model):
            yield model
