"""What of routes, messages and codes breaks: one OpenAPI document each way."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_wire import DOCUMENT

from contract_gate import breaking
from contract_gate.breaks import breaks, routes
from contract_gate.comparison import Comparison
from contract_gate.models import Contract
from contract_gate.rules import GateError
from contract_gate.wire import UNDESCRIBED, wire_of

ROOT = Path(__file__).parents[3]
Document = dict[str, Any]
SUBMIT, GET = ("/api/runtime/jobs:submit", "post"), ("/api/runtime/jobs/{job_id}", "get")
COMMAND = {"type": "object", "properties": {"job_id": {"type": "string"}}}


def wire(document: Document | None, models: dict[str, Any] | None = None):
    return wire_of(Contract({"submit": models or {}}, {}, 1), document, "openapi.json")


def changed(change: Callable[[Document], object]) -> list[tuple[str, str]]:
    """Return what breaks where ``change`` is made to the small document."""
    now = copy.deepcopy(dict(DOCUMENT))
    change(now)
    return [(each.rule, each.message) for each in breaks(wire(dict(DOCUMENT)), wire(now))]


def operation(document: Document, at: tuple[str, str]) -> Document:
    path, method = at
    found: Document = document["paths"][path][method]
    return found


def test_nothing_breaks_where_nothing_changes():
    assert changed(lambda _: None) == []


def test_a_parameter_may_be_new_and_may_not_be_needed():
    size = {"in": "query", "name": "size", "schema": {}}
    assert changed(lambda it: operation(it, GET)["parameters"].append(size)) == []
    (found,) = changed(lambda it: operation(it, GET)["parameters"].append({**size, "required": True}))
    assert found == (
        "field-required",
        "GET /api/runtime/jobs/{job_id} query size: it is required, and older senders do not know it",
    )


def test_a_parameter_that_could_be_left_out_can_be():
    (found,) = changed(lambda it: operation(it, GET)["parameters"][1].update(required=True))
    assert found[0] == "field-required"


def test_a_parameter_is_taken_as_it_was():
    (found,) = changed(lambda it: operation(it, GET)["parameters"][1]["schema"].update(maximum=100))
    assert found[0] == "field-narrowed"


def test_a_header_is_the_same_however_its_name_is_spelt():
    def named(name: str) -> Document:
        document = copy.deepcopy(dict(DOCUMENT))
        operation(document, GET)["parameters"].append({"in": "header", "name": name, "schema": {}})
        return document

    assert breaks(wire(named("Last-Event-ID")), wire(named("last-event-id"))) == ()


def test_a_body_that_could_be_left_out_can_be():
    before = copy.deepcopy(dict(DOCUMENT))
    operation(before, SUBMIT)["requestBody"]["required"] = False
    assert [each.rule for each in breaks(wire(before), wire(dict(DOCUMENT)))] == ["field-required"]
    assert breaks(wire(dict(DOCUMENT)), wire(before)) == ()


def test_a_media_type_stays_either_way():
    body = changed(lambda it: operation(it, SUBMIT)["requestBody"].update(content={"text/plain": {}}))
    assert body == [("route-removed", "POST /api/runtime/jobs:submit: it takes application/json no more")]
    answer = changed(lambda it: operation(it, SUBMIT)["responses"]["202"].update(content={"text/plain": {}}))
    at = "POST /api/runtime/jobs:submit: it answers 202 with"
    assert answer == [
        ("route-removed", f"{at} application/json no more"),
        ("field-widened", f"{at} text/plain, which older readers do not know"),
    ]


def test_a_refusal_may_cease_and_a_success_may_not():
    assert changed(lambda it: operation(it, SUBMIT)["responses"].pop("400")) == []
    (found,) = changed(lambda it: operation(it, SUBMIT)["responses"].pop("202"))
    assert found == ("route-removed", "POST /api/runtime/jobs:submit: it answers 202 no more")


def test_another_model_is_compared_by_what_it_holds():
    schemas = {"SubmitJobCommand": COMMAND, "Command": {**COMMAND, "required": ["job_id"]}}
    other = {"application/json": {"schema": {"$ref": "#/components/schemas/Command"}}}
    now = copy.deepcopy(dict(DOCUMENT))
    operation(now, SUBMIT)["requestBody"]["content"] = other
    found = breaks(wire(dict(DOCUMENT), schemas), wire(now, schemas))
    assert [each.rule for each in found] == ["field-required"]


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        ([{"userToken": []}], [{"nodeToken": []}], "it is not open to userToken any more"),
        ([{"userToken": []}], [{"userToken": []}, {"nodeToken": []}], None),
        ([{"userToken": []}], [], None),
        ([], [{"userToken": []}], "it is open to userToken alone"),
        (None, [{"userToken": []}], None),
        ([{"userToken": []}], None, None),
    ],
)
def test_a_route_stays_open_to_those_who_may_call_it(was, now, told):
    def guarded(security: list[Document] | None) -> Document:
        document = copy.deepcopy(dict(DOCUMENT))
        operation(document, SUBMIT).pop("security")
        operation(document, SUBMIT).update({} if security is None else {"security": security})
        return document

    found = [each.message for each in breaks(wire(guarded(was)), wire(guarded(now)))]
    assert found == ([] if told is None else [f"POST /api/runtime/jobs:submit: {told}"])


def test_what_no_route_refers_to_is_judged_by_where_it_is_known_to_go():
    more, less = {"type": "string", "maxLength": 9}, {"type": "string", "maxLength": 8}

    def rules(model: str, was: object, now: object) -> list[str]:
        return [each.rule for each in breaks(wire(None, {model: was}), wire(None, {model: now}))]

    assert (rules("ProjectionUpdate", more, less), rules("ProjectionUpdate", less, more)) == (["field-narrowed"], [])
    assert (rules("StreamEnd", more, less), rules("StreamEnd", less, more)) == ([], ["field-widened"])
    assert (rules("Unknown", more, less), rules("Unknown", less, more)) == (["field-narrowed"], ["field-widened"])


def test_of_every_message_of_ours_it_is_known_who_sends_it():
    ours = breaking.wire_in(ROOT)
    comparison = Comparison(ours.schemas, ours.schemas)
    assert list(routes(comparison, ours, ours)) == []
    reached = {name for name, _, _ in comparison.walked}
    parts = {"NodeModel", "ProductModel", "StreamEndReason"}  # what models are made of
    assert ours.schemas.keys() - reached - UNDESCRIBED.keys() == parts


def test_what_no_route_refers_to_stays():
    (found,) = breaks(wire(None, {"StreamEnd": COMMAND}), wire(None, {}))
    assert (found.rule, found.model) == ("field-removed", "StreamEnd")


def test_a_model_that_holds_itself_is_known_by_its_own_definition():
    tree = {"$defs": {"Tree": COMMAND}, "$ref": "#/$defs/Tree"}
    assert wire(None, {"Tree": tree}).schemas == {"Tree": COMMAND}


@pytest.mark.parametrize("document", [[], {}, {"paths": []}, {"paths": {"/": {"get": {}}}}, {"paths": {"/": None}}, 1])
def test_what_is_no_description_is_told_so(document):
    with pytest.raises(GateError, match="no OpenAPI document"):
        wire(document)


def test_a_refusal_may_be_new_and_a_body_of_one_may_be_described():
    assert changed(lambda it: operation(it, SUBMIT)["responses"].update({"429": {}})) == []
    before = copy.deepcopy(dict(DOCUMENT))
    operation(before, SUBMIT)["responses"]["400"] = {}
    assert breaks(wire(before), wire(dict(DOCUMENT))) == ()


def test_a_new_answer_is_known_where_a_range_of_statuses_was_told():
    before, now = copy.deepcopy(dict(DOCUMENT)), copy.deepcopy(dict(DOCUMENT))
    told = operation(before, SUBMIT)["responses"]
    told["2XX"] = {"content": {"application/json": {"schema": {"type": "string"}}}}
    answers = operation(now, SUBMIT)["responses"] = {**told, "201": told["2XX"]}
    assert breaks(wire(before), wire(now)) == ()
    answers["201"] = {"content": {"application/json": {"schema": {"type": "array"}}, "text/plain": {}}}
    assert [each.rule for each in breaks(wire(before), wire(now))] == ["field-widened"] * 2


def test_a_schema_may_be_a_word():
    def answering(schema: object) -> Document:
        document = copy.deepcopy(dict(DOCUMENT))
        operation(document, GET)["responses"]["200"]["content"]["application/json"]["schema"] = schema
        return document

    text = {"type": "string"}
    assert breaks(wire(answering(text)), wire(answering(False))) == ()
    assert breaks(wire(answering(True)), wire(answering({"anyOf": [True, text]}))) == ()
    assert [each.rule for each in breaks(wire(answering(text)), wire(answering(True)))] == ["field-widened"]
    assert [each.rule for each in breaks(wire(answering(False)), wire(answering(text)))] == ["field-widened"]
