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


@pytest.fixture
def message(client, wire, said):
    """Return the text of the refusal that a detail and errors of field and reason make."""

    def text(code, detail, *errors):
        wire.on("GET", "/api/runtime/nodes", said.problem(code, detail, errors))
        with pytest.raises(RefusedError) as raised:
            client.nodes()
        return str(raised.value)

    return text


def test_a_refusal_names_the_fields_that_did_not_hold(message):
    said = message(Code.INVALID_REQUEST, "the query does not hold", ("limit", "must be a number"), ("mood", "unknown"))
    assert said == "invalid_request: the query does not hold; limit: must be a number; mood: unknown"


def test_a_reason_that_the_detail_gives_is_told_once_and_with_its_field(message):
    reason = "64 is over the queue's limit; allowed: 1..2"
    same = [("resource_shape.cpu", reason), ("resource_shape.memory_mib", reason)]
    assert message(Code.POLICY_REJECTED, f"the node's policy refuses: {reason}", *same) == (
        f"policy_rejected: the node's policy refuses: resource_shape.cpu: {reason}; resource_shape.memory_mib: {reason}"
    )


def test_a_detail_that_names_field_and_reason_says_it_all(message):
    said = message(Code.FORBIDDEN, "tenant_id is not the token's", ("tenant_id", "is not the token's"))
    assert said == "forbidden: tenant_id is not the token's"


def test_of_many_fields_the_first_three_are_told_and_the_others_counted(message):
    many = [(f"f{number}", "is unknown") for number in range(9)]
    said = message(Code.INVALID_REQUEST, "the body does not hold", *many)
    assert said == (
        "invalid_request: the body does not hold; f0: is unknown; f1: is unknown; f2: is unknown; and 6 more"
    )
