"""ADR-0003 tells each column of a projection and of the timeline; convex/tests holds the other store to it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from contract_gate.markdown import Part, Row, page
from slipway_contracts.execution_event import ResultRef, SchedulerRef
from slipway_contracts.projection_update import ProjectionFailure
from slipway_gateway.stores.sql.core.schema import METADATA

PAGE = Path(__file__).parents[2] / "docs" / "adr" / "0003-projection-boundary-single-write.md"
TABLES = {"projection": "projections", "timeline": "timeline"}
DOCUMENTS: dict[str, type[BaseModel]] = {
    "scheduler_ref": SchedulerRef,
    "result_ref": ResultRef,
    "failure": ProjectionFailure,
}
"""Columns that hold a document, and its model."""


def rows(section: str) -> tuple[Row, ...]:
    decision: Part = page(PAGE.read_text(encoding="utf-8")).sections(2)["Decision"]
    (table,) = decision.sections(3)[section].tables()
    return table.rows


def columns(table: str) -> Iterator[str]:
    for column in METADATA.tables[table].columns:
        yield column.name
        if column.name in DOCUMENTS:
            yield from (f"{column.name}.{field}" for field in DOCUMENTS[column.name].model_fields)


@pytest.mark.parametrize("column", TABLES)
def test_every_column_of_a_table_has_a_line_and_every_line_a_column(column: str) -> None:
    told = [row["column"].strip("`") for row in rows("What is projected") if row[column] == "yes"]
    assert sorted(told) == sorted(columns(TABLES[column]))


def test_every_line_says_what_it_is_of_one_table_at_least() -> None:
    for row in rows("What is projected"):
        assert row["what it is"], row["column"]
        assert {row["projection"], row["timeline"]} in ({"yes"}, {"yes", ""}), row["column"]


def test_what_is_never_projected_is_no_column() -> None:
    never = {name for row in rows("What never is") for name in re.findall(r"`(\w+)`", row["what"])}
    assert len(never) > 15
    projected = {name for table in TABLES.values() for path in columns(table) for name in path.split(".")}
    assert never & projected == set()
