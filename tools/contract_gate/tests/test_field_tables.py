"""What a field's type and default are called, by its JSON Schema."""

from datetime import datetime
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, TypeAdapter

from contract_gate.field_tables import default_told, field_rows
from contract_gate.models import Contract

ID = r"^[a-z]{1,8}$"
URI = r"^[a-z]+:"
Id = Annotated[str, Field(pattern=ID, description="Letters")]
KINDS = {ID: {"kind": "id", "says": "Letters"}, URI: {"kind": "URI", "says": ""}}


class Inner(BaseModel):
    depth: int


def told(annotation: Any) -> str:
    """Return the type of a field so annotated."""
    model = type("Model", (BaseModel,), {"__annotations__": {"field": annotation}, "__module__": __name__})
    (row,) = field_rows(Contract({}, {}, 1, kinds=KINDS), "Model", TypeAdapter(model).json_schema(), frozenset())
    return row.type


@pytest.mark.parametrize(
    ("annotation", "called"),
    [
        (Id, "id"),
        (Annotated[str, Field(pattern=URI)], "URI"),
        (Annotated[str, Field(pattern="^a$")], "text like `^a$`"),
        (Annotated[str, Field(min_length=1, max_length=9)], "text 1…9"),
        (datetime, "time"),
        (Annotated[int, Field(ge=1, le=2**53 - 1)], "integer ≥ 1"),
        (Annotated[float, Field(le=2)], "number ≤ 2"),
        (bool | None, "boolean"),
        (int | Inner, "integer or Inner"),
        (Annotated[list[Id], Field(min_length=1, max_length=3)], "list of id 1…3"),
        (list[Inner], "list of Inner"),
        (Annotated[dict[Id, Inner], Field(max_length=2)], "map of id to Inner ≤ 2"),
        (dict[str, int], "JSON object"),
        (Any, "JSON value"),
    ],
)
def test_a_type_is_called(annotation, called):
    assert told(annotation) == called


@pytest.mark.parametrize(
    ("value", "called"),
    [(None, "unset"), ([], "empty"), ({}, "empty"), ([1], "`[1]`"), (False, "`false`"), (0, "`0`"), ("a", "`a`")],
)
def test_a_default_is_called(value, called):
    assert default_told(value) == called


def test_a_part_is_told_by_dotted_path_and_a_type_says_nothing_of_a_field():
    class Outer(BaseModel):
        inner: Inner
        name: Id
        other: Id = Field(description="Another one")

    rows = field_rows(Contract({}, {}, 1, kinds=KINDS), "Outer", Outer.model_json_schema(), frozenset({"Inner"}))
    assert [(row.field, row.note) for row in rows] == [
        ("`inner.depth`", ""),
        ("`name`", ""),
        ("`other`", "Another one"),
    ]


class Tree(BaseModel):
    branches: list["Tree"]


def test_a_model_that_contains_itself_has_its_rows():
    (row,) = field_rows(Contract({}, {}, 1), "Tree", Tree.model_json_schema(), frozenset())
    assert (row.field, row.type) == ("`branches`", "list of Tree")
