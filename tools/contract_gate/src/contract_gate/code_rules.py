"""The rules of the tables of codes and words: they say what the code says. Pure."""

from collections.abc import Iterator

from contract_gate.comparing import DueRow, differences, only_table
from contract_gate.markdown import Part, Table
from contract_gate.pages import INDEX, Documents
from contract_gate.rules import Finding, finding

ERROR_COLUMNS = ("code", "status", "retryable", "meaning")
WORD_COLUMNS = ("word", "state", "error code", "retryable")
ANY_ENDPOINT = "Any endpoint may answer"
"""How the paragraph begins that names the codes which no surface's page has to repeat."""


def errors(documents: Documents) -> Iterator[Finding]:
    """Find error tables that do not say what the codes say, and codes that no page tells."""
    told = documents.index.sections(2).get("Errors", documents.index)
    due = {f"`{code}`": _error_row(documents, code) for code in documents.contract.errors}
    table, faults = only_table(told.sections(3).get("The error table"), told, "The error table")
    yield from faults
    if table is not None:
        yield from differences("The error table", INDEX, table, list(due.values()), (*ERROR_COLUMNS, "answered by"))
    anywhere = _codes_of_any_endpoint(told)
    met = set(anywhere)
    for surface in documents.plan.surfaces:
        section = documents.section(surface, "Error semantics")
        tables = [each for each in section.tables() if "code" in each.columns]
        if len(tables) != 1:
            yield finding(f"one table of codes is due, {len(tables)} are there", section.file, section.line)
        for each in tables:
            met |= {row["code"] for row in each.rows}
            yield from _surface_errors(section, each, due, anywhere)
    for code in due:
        if code not in met:
            yield finding(f"no surface's page tells when {code} is met", INDEX, told.line)


def _surface_errors(section: Part, table: Table, due: dict[str, DueRow], anywhere: set[str]) -> Iterator[Finding]:
    """Compare a surface's table with the codes that it names."""
    codes = dict.fromkeys(row["code"] for row in table.rows if row["code"] in due)
    yield from differences(section.heading, section.file, table, [due[code] for code in codes], ERROR_COLUMNS)
    for row in table.rows:
        if not row["here"]:
            yield finding(f"{row['code']}: it is not told when it is met here", section.file, row.line)
    if len({due[code]["answered by"] for code in codes if code not in anywhere}) > 1:
        message = "its codes are some of the gateway's and some of the Product SoR's: a page has one side's"
        yield finding(message, section.file, table.line)


def _error_row(documents: Documents, code: str) -> DueRow:
    spec = documents.contract.errors[code]
    return {
        "code": f"`{code}`",
        "status": str(spec["status"]),
        "retryable": "yes" if spec["retryable"] else "no",
        "meaning": spec["meaning"],
        "answered by": "Product SoR" if spec["answered_by"] == "product_store" else "gateway",
    }


def _codes_of_any_endpoint(section: Part) -> set[str]:
    """Return the codes, as written, of the paragraph that names those of any endpoint."""
    paragraph: list[str] = []
    for line in section.prose:
        if paragraph or line.text.startswith(ANY_ENDPOINT):
            if not line.text.strip():
                break
            paragraph.append(line.text)
    return {f"`{code}`" for code in " ".join(paragraph).split("`")[1::2]}


def words(documents: Documents) -> Iterator[Finding]:
    """Find a table of older emitters' words that does not say what the code makes of them."""
    due = [
        {
            "word": f"`{word}`",
            "state": f"`{meaning['state']}`",
            "error code": f"`{meaning['error_code']}`" if meaning["error_code"] else "",
            "retryable": "yes" if meaning["retryable"] else "",
        }
        for word, meaning in documents.contract.words.items()
    ]
    sections = [documents.section(surface, "Compatibility") for surface in documents.plan.surfaces]
    told = [(part, table) for part in sections for table in part.tables() if "word" in table.columns]
    if len(told) != bool(due):
        yield finding(f"one table of older emitters' words is due under Compatibility, {len(told)} are there", INDEX, 1)
    for part, table in told:
        yield from differences("Compatibility", part.file, table, due, WORD_COLUMNS)
