import pytest

from slipway import RefusedError, SlipwayError, UnexpectedAnswerError, UnreachableError
from slipway.errors import CLASS_OF
from slipway_contracts.errors import ERRORS, Code


def test_every_code_of_the_contract_has_one_class_of_its_own():
    assert set(CLASS_OF) == set(Code)
    assert len(set(CLASS_OF.values())) == len(Code)


@pytest.mark.parametrize("code", Code)
def test_an_error_answer_raises_the_class_of_its_code(code, client, wire, said):
    wire.on("GET", "/api/runtime/nodes", said.problem(code))
    with pytest.raises(SlipwayError) as raised:
        client.nodes()
    assert type(raised.value) is CLASS_OF[code]
    assert raised.value.problem.code == code
    assert raised.value.retryable is ERRORS[code].retryable


def test_a_code_newer_than_this_client_is_a_refusal_that_still_tells_it(client, wire, said):
    status, headers, body = said.problem(Code.FORBIDDEN)
    wire.on("GET", "/api/runtime/nodes", (status, headers, body.replace(b'"forbidden"', b'"brand_new"')))
    with pytest.raises(RefusedError, match="brand_new") as raised:
        client.nodes()
    assert type(raised.value) is RefusedError
    assert raised.value.code == "brand_new"


def test_an_answer_that_is_no_problem_document_is_not_taken_for_the_gateways(client, wire):
    wire.on("GET", "/api/runtime/nodes", (404, {"Content-Type": "text/html"}, b"<h1>no such site</h1>"))
    with pytest.raises(UnexpectedAnswerError, match="no such site"):
        client.nodes()
    assert len(wire.requests) == 1


def test_a_success_that_is_not_what_was_asked_for_is_not_taken(client, wire):
    wire.on("GET", "/api/runtime/nodes", (200, {}, b"<h1>please log in</h1>"))
    with pytest.raises(UnexpectedAnswerError):
        client.nodes()


def test_a_redirect_is_named_and_the_token_not_carried_on(client, wire):
    wire.on("GET", "/api/runtime/nodes", (302, {"Location": "https://elsewhere.test/"}, b""))
    with pytest.raises(UnreachableError, match=r"redirects to https://elsewhere\.test/"):
        client.nodes()
    assert len(wire.requests) == 1
