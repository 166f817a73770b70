"""Every contract document says what the models say: sections, fields, errors, words and owners."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from pydantic import BaseModel

from slipway_contracts.compatibility import WORDS
from slipway_contracts.errors import ERRORS, Code
from slipway_node.aiida.verdicts import SLURM_FAILURES

from . import contract_tables as expected
from . import markdown

CONTRACTS = Path(__file__).parents[2] / "docs" / "contracts"
SURFACES = sorted(expected.MODULES)
ERROR_COLUMNS = ("code", "status", "retryable", "meaning")
UNIVERSAL = frozenset(
    {Code.RATE_LIMITED, Code.NOT_FOUND, Code.METHOD_NOT_ALLOWED, Code.INTERNAL_ERROR, Code.UNAUTHORIZED}
)
"""What any path may answer, told in README.md and not again on each page."""


def page(name: str) -> dict[str, str]:
    return markdown.sections((CONTRACTS / f"{name}.md").read_text(encoding="utf-8"), 2)


def differences(
    told: Sequence[Mapping[str, str]], due: Sequence[Mapping[str, str]], columns: Sequence[str]
) -> list[str]:
    """Return each cell of ``told`` that is not as ``due``, row by row; the first column names the row."""
    key = columns[0]
    told_by, due_by = {row[key]: row for row in told}, {row[key]: row for row in due}
    found = [f"{name} is not told" for name in due_by if name not in told_by]
    found += [f"{name} is told and does not exist" for name in told_by if name not in due_by]
    if len(told_by) != len(told):
        found.append("a row is told twice")
    found += [
        f"{name}: {column} is {told_by[name][column]!r}, should be {row[column]!r}"
        for name, row in due_by.items()
        if name in told_by
        for column in columns[1:]
        if told_by[name][column] != row[column]
    ]
    if not found and list(told_by) != list(due_by):
        found.append(f"the order is {list(told_by)}, should be {list(due_by)}")
    return found


def field_differences(body: str, models: Sequence[type[BaseModel]], *, defaults: bool, required: bool) -> list[str]:
    """Compare a section's tables, one below each model's heading, with the models' fields."""
    told = {name: markdown.table(text) for name, text in markdown.sections(body, 3).items()}
    found: list[str] = []
    due_models = []
    for model in models:
        due = [row for row in expected.rows(model) if row.default is not None or required]
        due = [row for row in due if row.default is None or defaults]
        if not due:
            continue
        due_models.append(model.__name__)
        table = told.get(model.__name__, [])
        columns = ("field", "type", "default") if defaults else ("field", "type")
        cells = [{"field": row.field, "type": row.type, "default": row.default or ""} for row in due]
        found += [f"{model.__name__}: {text}" for text in differences(table, cells, columns)]
        found += [f"{model.__name__}: {text}" for text in _notes(table, due)]
    found += [f"{name} is told here and does not belong here" for name in told if name not in due_models]
    return found


def _notes(table: Sequence[Mapping[str, str]], due: Sequence[expected.Row]) -> list[str]:
    notes = {row.field: row.note for row in due}
    return [
        f"{row['field']}: the meaning is {row['meaning']!r}, should be {notes[row['field']] or 'told'!r}"
        for row in table
        if row["field"] in notes
        and (row["meaning"] != notes[row["field"]] if notes[row["field"]] else not row["meaning"])
    ]


def requests(surface: str) -> list[type[BaseModel]]:
    return [model for model in expected.models(surface) if model.__name__ not in expected.RESPONSES]


def responses(surface: str) -> list[type[BaseModel]]:
    return [model for model in expected.models(surface) if model.__name__ in expected.RESPONSES]


@pytest.mark.parametrize("surface", SURFACES)
def test_a_contract_document_has_the_twelve_sections_in_order(surface: str) -> None:
    text = (CONTRACTS / f"{surface}.md").read_text(encoding="utf-8")
    assert markdown.headings(text, 2) == list(expected.SECTIONS)


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("section", expected.SECTIONS)
def test_no_section_of_a_contract_document_is_empty(surface: str, section: str) -> None:
    assert page(surface)[section].strip(), f"{surface}.md, {section}"


@pytest.mark.parametrize("surface", SURFACES)
def test_required_fields_equal_the_models(surface: str) -> None:
    found = field_differences(page(surface)["Required fields"], requests(surface), defaults=False, required=True)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("surface", SURFACES)
def test_optional_fields_equal_the_models(surface: str) -> None:
    found = field_differences(page(surface)["Optional fields"], requests(surface), defaults=True, required=False)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("surface", SURFACES)
def test_success_responses_equal_the_models(surface: str) -> None:
    found = field_differences(page(surface)["Success response"], responses(surface), defaults=True, required=True)
    assert not found, "\n".join(found)


def test_the_problem_of_an_error_equals_the_model() -> None:
    found = field_differences(page("README")["Errors"], expected.problem_models(), defaults=True, required=True)
    assert not [text for text in found if "The error table" not in text], "\n".join(found)


def test_the_error_table_equals_the_codes() -> None:
    told = markdown.table(markdown.sections(page("README")["Errors"], 3)["The error table"])
    due = [
        expected.error_row(code) | {"answered by": "Product SoR" if spec.answered_by == "product_store" else "gateway"}
        for code, spec in ERRORS.items()
    ]
    found = differences(told, due, (*ERROR_COLUMNS, "answered by"))
    assert not found, "\n".join(found)


def error_differences(told: Sequence[Mapping[str, str]]) -> list[str]:
    """Compare the rows of a surface's error table with the codes they name; each says when it is met here."""
    unknown = [row["code"] for row in told if row["code"].strip("`") not in set(Code)]
    due = [expected.error_row(row["code"].strip("`")) for row in told if row["code"] not in unknown]
    found = [f"{code} is no code" for code in unknown]
    found += differences([row for row in told if row["code"] not in unknown], due, ERROR_COLUMNS)
    return found + [f"{row['code']} is not told when" for row in told if not row["here"]]


def surface_errors(surface: str) -> list[Mapping[str, str]]:
    return markdown.tables(page(surface)["Error semantics"])[0]


@pytest.mark.parametrize("surface", SURFACES)
def test_a_surfaces_error_table_equals_the_codes(surface: str) -> None:
    found = error_differences(surface_errors(surface))
    assert not found, "\n".join(found)


def test_every_code_is_met_at_some_surface_or_at_all() -> None:
    met = {row["code"].strip("`") for surface in SURFACES for row in surface_errors(surface)}
    assert met | UNIVERSAL == set(Code)


def test_the_product_sors_codes_are_told_at_surface_3_alone() -> None:
    """But for forbidden: what a credential does not cover is refused alike by the gateway and the store."""
    for surface in SURFACES:
        codes = {Code(row["code"].strip("`")) for row in surface_errors(surface)}
        answered_by = {ERRORS[code].answered_by for code in codes - {Code.FORBIDDEN}}
        assert answered_by == {"product_store" if surface == "projection-update" else "gateway"}, surface


def test_the_normalisation_table_equals_the_code() -> None:
    (told,) = [rows for rows in markdown.tables(page("execution-event")["Compatibility"]) if "word" in rows[0]]
    found = differences(told, expected.word_rows(), ("word", "state", "error code", "retryable"))
    assert not found, "\n".join(found)
    assert len(told) == len(WORDS)


def test_the_table_of_slurms_ends_equals_the_code() -> None:
    (told,) = [rows for rows in markdown.tables(page("execution-event")["Error semantics"]) if "told by" in rows[0]]
    due = [
        {"Slurm's word": f"`{word}`", "error code": f"`{code}`", "retryable": "yes" if retryable else ""}
        for word, (code, retryable) in SLURM_FAILURES.items()
    ]
    found = differences(told, due, ("Slurm's word", "error code", "retryable"))
    assert not found, "\n".join(found)


def sor_differences(body: str, models: Sequence[type[BaseModel]]) -> list[str]:
    """Compare a SoR mapping with the models: a row for each field, with one owner and one writer that exist."""
    told = {name: markdown.table(text) for name, text in markdown.sections(body, 3).items()}
    found = [f"{name} is told and is no model here" for name in told if name not in {m.__name__ for m in models}]
    for model in models:
        table = told.get(model.__name__, [])
        due = [{"field": row.field} for row in expected.rows(model)]
        found += [f"{model.__name__}: {text}" for text in differences(table, due, ("field",))]
        for row in table:
            if row["owner"] not in expected.OWNERS:
                found.append(f"{model.__name__}.{row['field']}: {row['owner']!r} is no owner")
            if row["writer"] not in expected.WRITERS:
                found.append(f"{model.__name__}.{row['field']}: {row['writer']!r} is no writer")
            if not row["kept in"]:
                found.append(f"{model.__name__}.{row['field']}: it is not told where it is kept")
    return found


@pytest.mark.parametrize("surface", SURFACES)
def test_the_sor_mapping_has_one_owner_and_one_writer_for_every_field(surface: str) -> None:
    found = sor_differences(page(surface)["SoR mapping"], expected.models(surface))
    assert not found, "\n".join(found)


def test_the_same_fact_has_the_same_owner_wherever_it_is_told() -> None:
    owners: dict[str, set[str]] = {}
    for surface in SURFACES:
        for table in markdown.tables(page(surface)["SoR mapping"]):
            for row in table:
                owners.setdefault(row["field"], set()).add(row["owner"])
    one_fact = ("job_id", "submission_id", "attempt", "execution_id", "scheduler_ref", "result_ref", "projection_state")
    for field in one_fact:
        assert len(owners[f"`{field}`"]) == 1, (field, owners[f"`{field}`"])


class TestTheComparisonFindsWhatIsWrong:
    DUE = ({"field": "`a`", "type": "id"}, {"field": "`b`", "type": "time"})

    def told(self, *rows: tuple[str, str]) -> list[dict[str, str]]:
        return [{"field": field, "type": kind} for field, kind in rows]

    def test_nothing_in_equal_tables(self) -> None:
        assert differences(self.told(("`a`", "id"), ("`b`", "time")), self.DUE, ("field", "type")) == []

    def test_a_field_that_is_not_told(self) -> None:
        assert differences(self.told(("`a`", "id")), self.DUE, ("field", "type")) == ["`b` is not told"]

    def test_a_field_that_does_not_exist(self) -> None:
        told = self.told(("`a`", "id"), ("`b`", "time"), ("`c`", "id"))
        assert differences(told, self.DUE, ("field", "type")) == ["`c` is told and does not exist"]

    def test_a_cell_that_differs(self) -> None:
        told = self.told(("`a`", "id"), ("`b`", "id"))
        assert differences(told, self.DUE, ("field", "type")) == ["`b`: type is 'id', should be 'time'"]

    def test_a_row_that_is_told_twice(self) -> None:
        told = self.told(("`a`", "id"), ("`b`", "time"), ("`b`", "time"))
        assert differences(told, self.DUE, ("field", "type")) == ["a row is told twice"]

    def test_an_order_that_differs(self) -> None:
        told = self.told(("`b`", "time"), ("`a`", "id"))
        assert "the order is" in differences(told, self.DUE, ("field", "type"))[0]

    def test_an_owner_that_is_none(self) -> None:
        text = page("cancel-job-command")["SoR mapping"].replace("| Product SoR |", "| Redis |", 1)
        assert "'Redis' is no owner" in sor_differences(text, expected.models("cancel-job-command"))[0]

    def test_a_meaning_that_is_not_the_models(self) -> None:
        text = page("cancel-job-command")["Optional fields"].replace("Precondition:", "Perhaps:")
        (found,) = field_differences(text, requests("cancel-job-command"), defaults=True, required=False)
        assert "the meaning is 'Perhaps:" in found

    def test_a_code_that_is_none_or_is_not_told_when(self) -> None:
        told = [expected.error_row("forbidden") | {"here": ""}, {"code": "`teapot`", "here": "always"}]
        assert error_differences(told) == ["`teapot` is no code", "`forbidden` is not told when"]
