"""The fields of models, by their JSON Schema."""

import pytest
from pydantic import BaseModel, Field

from contract_gate.fields import fields_of, models_of
from contract_gate.models import Contract


class Inner(BaseModel):
    a: int = Field(description="An a")


class Shared(BaseModel):
    b: int


class Outer(BaseModel):
    inner: Inner
    maybe: Inner | None = None
    shared: list[Shared]
    again: "Outer | None" = None


def contract(*models):
    return Contract({"it": {model.__name__: model.model_json_schema() for model in models}}, {}, 1)


def test_a_part_is_told_by_dotted_path_and_a_model_with_a_table_by_its_name():
    fields = fields_of(contract(Outer, Shared, Inner), frozenset({"Inner"}))
    assert [field.name for field in fields] == [
        "Outer.inner.a",
        "Outer.maybe",
        "Outer.shared",
        "Outer.again",
        "Shared.b",
    ]
    said = {field.path: schema for field, schema in fields.items()}
    assert said["inner.a"] == {"required": True, "schema": {"type": "integer"}}
    assert said["shared"]["schema"] == {"type": "array", "items": {"model": "Shared"}}
    assert said["again"]["schema"]["anyOf"][0] == {"model": "Outer"}
    assert "properties" in said["maybe"]["schema"]["anyOf"][0]


def test_another_model_without_a_table_changes_the_field_that_holds_it():
    class Changed(BaseModel):
        b: str

    class Holder(BaseModel):
        shared: Shared

    before = contract(Holder)
    after = Contract(
        {"it": {"Holder": {**before.models["it"]["Holder"], "$defs": {"Shared": Changed.model_json_schema()}}}}, {}, 1
    )
    assert fields_of(before, frozenset()) != fields_of(after, frozenset())
    tabled = Contract({"it": {**after.models["it"], "Shared": Changed.model_json_schema()}}, {}, 1)
    (holder, _) = fields_of(tabled, frozenset()).values()
    assert holder["schema"] == {"model": "Shared"}


@pytest.mark.parametrize("words", ["title", "description", "examples"])
def test_what_is_said_to_people_alone_is_no_part_of_a_field_unless_it_is_a_fields_name(words):
    schema = {"properties": {words: {"type": "string", words: "other"}}, "required": [words]}
    ((field, said),) = fields_of(Contract({"it": {"M": schema}}, {}, 1), frozenset()).items()
    assert field.path == words
    assert said == {"required": True, "schema": {"type": "string"}}


def test_a_default_that_a_factory_makes_belongs_to_the_field():
    schema = {"properties": {"a": {"type": "array"}}}
    ((_, said),) = fields_of(Contract({"it": {"M": schema}}, {}, 1, defaults={"M": {"a": ["x"]}}), frozenset()).items()
    assert said == {"required": False, "schema": {"type": "array"}, "default": ["x"]}


def test_whether_a_model_is_strict_is_said_of_the_model():
    class Strict(Shared, extra="forbid"):
        pass

    assert models_of(contract(Strict), frozenset()) == {
        ("it", "Strict"): {"additionalProperties": False, "type": "object"}
    }
