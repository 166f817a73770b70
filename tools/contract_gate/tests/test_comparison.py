"""What the comparison of schemas finds, by direction: keywords, fields, lists, maps, unions, defaults, recursion."""

import json
from pathlib import Path
from typing import Any

import pytest

from contract_gate import breaking
from contract_gate.comparison import Comparison, Place
from contract_gate.containment import ANNOTATIONS, HIGHEST, LOWEST, STRUCTURE
from contract_gate.wire import Direction

ROOT = Path(__file__).parents[3]
REQUEST, ANSWER = Direction.REQUEST, Direction.ANSWER
TEXT = {"type": "string"}
LIST = {"type": "array"}
MAP = {"type": "object"}
NUMBER = {"type": "number"}
NULL = {"type": "null"}
ALL_SAME = frozenset({"pattern", "format", "propertyNames"})
"""Keywords of our models of which nothing is understood but whether they are the same."""

Schema = dict[str, Any]


def found(
    was: Schema, now: Schema, direction: Direction, old: Schema | None = None, new: Schema | None = None
) -> list[str]:
    """Return the rules that a change falls short of; ``old`` and ``new`` are what ``was`` and ``now`` refer to."""
    comparison = Comparison(old or {}, new or old or {})
    return [each.rule for each in comparison.values(was, now, direction, Place("it"))]


def holding(fields: Schema, required: list[str] | None = None, **more: object) -> Schema:
    return {"type": "object", "properties": fields, "required": required or [], **more}


NARROWER: list[tuple[str, Schema, Schema]] = [
    ("minimum", {**NUMBER, "minimum": 1}, {**NUMBER, "minimum": 2}),
    ("minimum, new", NUMBER, {**NUMBER, "minimum": 0}),
    ("exclusiveMinimum", {**NUMBER, "exclusiveMinimum": 0}, {**NUMBER, "exclusiveMinimum": 0.5}),
    ("maximum", {**NUMBER, "maximum": 9}, {**NUMBER, "maximum": 8}),
    ("maximum, new", NUMBER, {**NUMBER, "maximum": 8}),
    ("minLength", {**TEXT, "minLength": 1}, {**TEXT, "minLength": 2}),
    ("minLength, new", TEXT, {**TEXT, "minLength": 1}),
    ("maxLength", {**TEXT, "maxLength": 9}, {**TEXT, "maxLength": 8}),
    ("pattern, new", TEXT, {**TEXT, "pattern": "^[a-y]+$"}),
    ("format, new", TEXT, {**TEXT, "format": "date-time"}),
    ("type", NUMBER, {"type": "integer"}),
    ("type, new", {}, TEXT),
    ("types in a list", {"type": ["string", "null"]}, TEXT),
    ("null", {"anyOf": [TEXT, NULL]}, TEXT),
    ("null in a union", {"anyOf": [TEXT, NUMBER, NULL]}, {"anyOf": [TEXT, NUMBER]}),
    ("an option's bound", {"anyOf": [{**TEXT, "maxLength": 9}, NULL]}, {"anyOf": [{**TEXT, "maxLength": 8}, NULL]}),
    ("items", {**LIST, "items": TEXT}, {**LIST, "items": {**TEXT, "maxLength": 8}}),
    ("items, new", LIST, {**LIST, "items": TEXT}),
    ("maxItems", {**LIST, "maxItems": 9}, {**LIST, "maxItems": 8}),
    ("minItems, new", LIST, {**LIST, "minItems": 1}),
    ("maxProperties", {**MAP, "maxProperties": 9}, {**MAP, "maxProperties": 8}),
    ("a map's values", {**MAP, "additionalProperties": NUMBER}, {**MAP, "additionalProperties": {"type": "integer"}}),
    ("a map, new", MAP, {**MAP, "additionalProperties": TEXT}),
    ("words, new", TEXT, {**TEXT, "enum": ["a"]}),
    ("a keyword that nobody knows, new", TEXT, {**TEXT, "spelling": "strict"}),
    ("a field's own bound", holding({"a": {**TEXT, "maxLength": 9}}), holding({"a": {**TEXT, "maxLength": 8}})),
]  # fmt: skip
"""What changes, a schema, and one that takes less."""

DIFFERENT: list[tuple[str, Schema, Schema]] = [
    ("pattern", {**TEXT, "pattern": "^[a-z]+$"}, {**TEXT, "pattern": "^[a-y]+$"}),
    ("format", {**TEXT, "format": "uri"}, {**TEXT, "format": "date-time"}),
    ("another type", TEXT, NUMBER),
    ("an option", {"anyOf": [TEXT, NUMBER]}, {"anyOf": [TEXT, NULL]}),
    ("a map's keys", {**MAP, "patternProperties": {"^a": TEXT}}, {**MAP, "patternProperties": {"^b": TEXT}}),
    ("a keyword that nobody knows", {**TEXT, "spelling": "loose"}, {**TEXT, "spelling": "strict"}),
]  # fmt: skip
"""What changes, and two schemas of which neither is known to take all that the other takes."""


@pytest.mark.parametrize(("wider", "narrower"), [it[1:] for it in NARROWER], ids=[it[0] for it in NARROWER])
def test_a_request_may_widen_and_an_answer_narrow_and_neither_the_other_way(wider, narrower):
    assert set(found(wider, narrower, REQUEST)) == {"field-narrowed"}
    assert set(found(narrower, wider, ANSWER)) == {"field-widened"}
    assert found(narrower, wider, REQUEST) == []
    assert found(wider, narrower, ANSWER) == []


@pytest.mark.parametrize(("one", "other"), [it[1:] for it in DIFFERENT], ids=[it[0] for it in DIFFERENT])
def test_what_is_not_known_to_be_wider_breaks_either_way(one, other):
    assert set(found(one, other, REQUEST)) == set(found(other, one, REQUEST)) == {"field-narrowed"}
    assert set(found(one, other, ANSWER)) == set(found(other, one, ANSWER)) == {"field-widened"}


def test_certain_fields_where_any_were_break_a_request_alone():
    assert (found(MAP, holding({"a": TEXT}), REQUEST), found(MAP, holding({"a": TEXT}), ANSWER)) == (
        ["field-narrowed"],
        [],
    )


def test_a_word_may_be_added_to_a_request_and_taken_from_an_answer():
    more, less = {**TEXT, "enum": ["a", "b"]}, {**TEXT, "const": "a"}
    assert (found(more, less, REQUEST), found(less, more, REQUEST)) == (["word-removed"], [])
    assert (found(less, more, ANSWER), found(more, less, ANSWER)) == (["field-widened"], [])


def test_a_field_stays_whichever_way_it_goes():
    was, now = holding({"a": TEXT, "b": TEXT}, ["a"]), holding({"a": TEXT}, ["a"])
    assert (found(was, now, REQUEST), found(was, now, ANSWER)) == (["field-removed"], ["field-removed"])
    assert (found(now, was, REQUEST), found(now, was, ANSWER)) == ([], [])


def test_a_field_that_is_required_is_so_for_who_writes_it():
    was, now = holding({"a": TEXT}), holding({"a": TEXT}, ["a"])
    assert (found(was, now, REQUEST), found(was, now, ANSWER)) == (["field-required"], [])
    assert (found(now, was, REQUEST), found(now, was, ANSWER)) == ([], ["field-required"])


def test_a_request_that_takes_any_field_takes_those_it_named_before():
    assert found(holding({"a": TEXT}, ["a"]), MAP, REQUEST) == []


def test_a_body_that_ignored_unknown_fields_goes_on_to():
    lenient, strict = holding({"a": TEXT}), holding({"a": TEXT}, additionalProperties=False)
    assert (found(lenient, strict, REQUEST), found(strict, lenient, REQUEST)) == (["field-narrowed"], [])
    assert (found(lenient, strict, ANSWER), found(strict, lenient, ANSWER)) == ([], [])


def test_a_default_means_the_same_both_ways():
    was, now = holding({"a": {**NUMBER, "default": 1}}), holding({"a": {**NUMBER, "default": 2}})
    assert found(was, now, REQUEST) == found(was, now, ANSWER) == ["default-changed"]


def test_a_default_that_spells_out_what_is_meant_anyway_is_the_same():
    shape = holding({"a": {**NUMBER, "default": 1}})
    more = holding({"a": {**NUMBER, "default": 1}, "b": {"default": None}})
    was = holding({"x": {"$ref": "#/$defs/Shape", "default": {"a": 1}}})
    now = holding({"x": {"$ref": "#/$defs/Shape", "default": {"a": 1, "b": None}}})
    assert found(was, now, REQUEST, {"Shape": shape}, {"Shape": more}) == []
    now["properties"]["x"]["default"]["a"] = 2
    assert found(was, now, REQUEST, {"Shape": shape}, {"Shape": more}) == ["default-changed"]


def test_a_model_is_told_once_and_by_its_own_name():
    was = {
        "Part": holding({"a": {**TEXT, "maxLength": 9}}),
        "Whole": holding({"x": {"$ref": "#/$defs/Part"}, "y": {"$ref": "#/$defs/Part"}}),
    }
    now = {**was, "Part": holding({"a": {**TEXT, "maxLength": 8}})}
    whole = {"$ref": "#/components/schemas/Whole"}
    told = list(Comparison(was, now).values(whole, whole, REQUEST, Place("POST /x")))
    assert [(each.message, each.model, each.field) for each in told] == [
        ("Part.a: its maxLength is 9, where 8 is read", "Part", "a")
    ]


def test_a_model_that_is_called_otherwise_is_the_same():
    part = holding({"a": TEXT}, ["a"])
    was, now = holding({"x": {"$ref": "#/$defs/Old"}}), holding({"x": {"$ref": "#/$defs/New"}})
    assert found(was, now, REQUEST, {"Old": part}, {"New": part}) == []


def test_a_union_pairs_its_models_by_name():
    a, b = holding({"a": TEXT}, ["a"]), holding({"b": TEXT}, ["b"])
    union = {"oneOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}]}
    turned = {"oneOf": [{"$ref": "#/$defs/B"}, {"$ref": "#/$defs/A"}]}
    assert found(union, turned, REQUEST, {"A": a, "B": b}) == []


def test_a_model_that_holds_itself_is_walked_once():
    tree = {"Tree": holding({"leaves": {**LIST, "items": {"$ref": "#/$defs/Tree"}}, "a": {**TEXT, "maxLength": 9}})}
    smaller = json.loads(json.dumps(tree).replace("9", "8"))
    assert found({"$ref": "Tree"}, {"$ref": "Tree"}, REQUEST, tree, smaller) == ["field-narrowed"]


def test_no_keyword_of_our_models_is_unknown():
    keywords: set[str] = set()

    def look_at(schema: object) -> None:
        if not isinstance(schema, dict):
            return
        keywords.update(schema)
        for name in ("properties", "patternProperties"):
            list(map(look_at, schema.get(name, {}).values()))
        list(map(look_at, [*schema.get("anyOf", ()), schema.get("items"), schema.get("additionalProperties")]))

    list(map(look_at, breaking.wire_in(ROOT).schemas.values()))
    assert keywords <= ANNOTATIONS | STRUCTURE | LOWEST | HIGHEST | ALL_SAME
