import httpx
import pytest

from slipway import NO_RETRIES, Retries, Slipway, UnreachableError
from slipway.errors import (
    ExecutionUnavailableError,
    JobActiveError,
    PolicyRejectedError,
    ProductStoreUnavailableError,
    UnexpectedAnswerError,
    refusal,
)
from slipway.transport import Rules
from slipway_contracts.errors import Code
from slipway_contracts.reads import NodeList

SUBMIT = ("POST", "/api/runtime/jobs:submit")


@pytest.mark.parametrize(
    "first",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("too slow"),
        httpx.RemoteProtocolError("gone in mid-answer"),
        (502, {}, b"<h1>bad gateway</h1>"),
        (408, {}, b""),
    ],
    ids=["connect", "read", "cut", "proxy-502", "408"],
)
def test_a_submit_without_an_answer_is_repeated_with_the_same_key_and_body(first, client, wire, said):
    wire.on(*SUBMIT, first, said.ok(said.accepted(), 202))
    assert client.submit_command(said.command()).submission_id == said.submission_id
    one, two = wire.requests
    assert one.content == two.content
    assert one.json["idempotency_key"] == "k1"


def test_a_retryable_refusal_is_repeated(client, wire, said):
    wire.on(*SUBMIT, said.problem(Code.PRODUCT_STORE_UNAVAILABLE, retry_after=1), said.ok(said.accepted(), 202))
    client.submit_command(said.command())
    assert len(wire.requests) == 2


@pytest.mark.parametrize(
    ("code", "kind"), [(Code.POLICY_REJECTED, PolicyRejectedError), (Code.JOB_ACTIVE, JobActiveError)]
)
def test_a_final_refusal_is_not_repeated(code, kind, client, wire, said):
    wire.on(*SUBMIT, said.problem(code))
    with pytest.raises(kind):
        client.submit_command(said.command())
    assert len(wire.requests) == 1


def test_tries_are_bounded_and_the_last_failure_is_told(client, wire, said):
    wire.on(*SUBMIT, httpx.ConnectError("connection refused"))
    with pytest.raises(UnreachableError, match="connection refused"):
        client.submit_command(said.command())
    assert len(wire.requests) == 4


@pytest.mark.idempotency("submit-job-command")
def test_a_submit_that_fails_tells_what_to_submit_again_with_the_key_that_was_drawn(client, wire, said, tmp_path):
    (tmp_path / "eos.yaml").write_text("slipway: 1\nkind: shell\nprogram: date\n")
    wire.on("GET", "/api/runtime/nodes", said.ok(NodeList(nodes=[said.node()])))
    wire.on(*SUBMIT, httpx.ReadTimeout("too slow"))
    with pytest.raises(UnreachableError) as failed:
        client.submit(tmp_path / "eos.yaml")
    [command] = failed.value.commands
    wire.on(*SUBMIT, said.ok(said.accepted(), 202))
    client.submit_command(command)
    sent = {request.content for request in wire.requests if request.method == "POST"}
    assert len(sent) == 1


def test_many_that_fail_tell_all_that_was_to_be_submitted(client, wire, said):
    wire.on("POST", "/api/runtime/jobs:batchSubmit", httpx.ConnectError("refused"))
    with pytest.raises(UnreachableError) as failed:
        client.submit_many(said.command(job_id=f"job-{number}") for number in range(3))
    assert [command.job_id for command in failed.value.commands] == ["job-0", "job-1", "job-2"]


def test_a_client_may_be_told_not_to_retry(wire, said):
    wire.on(*SUBMIT, httpx.ConnectError("refused"))
    client = Slipway("http://gateway.test", said.token(), retries=NO_RETRIES, transport=wire.transport())
    with pytest.raises(UnreachableError):
        client.submit_command(said.command())
    assert len(wire.requests) == 1


def test_a_longer_wait_than_the_caller_grants_is_told_instead_of_waited(client, wire, said):
    wire.on(*SUBMIT, said.problem(Code.EXECUTION_UNAVAILABLE, retry_after=3600))
    with pytest.raises(ExecutionUnavailableError) as raised:
        client.submit_command(said.command())
    assert raised.value.retry_after_seconds == 3600
    assert len(wire.requests) == 1


def test_the_pause_is_at_least_what_the_gateway_asked_for(said):
    gateway = Rules("http://gateway.test", said.token(), Retries())
    error = UnexpectedAnswerError("busy", status=429, retry_after_seconds=2.0)
    assert 2.0 <= gateway.pause(error) <= 2.0 + Retries().first_wait_seconds


def test_a_date_in_retry_after_is_left_to_the_back_off(client, wire, said):
    status, headers, body = said.problem(Code.PRODUCT_STORE_UNAVAILABLE)
    dated = (status, {**headers, "Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, body)
    wire.on("GET", "/api/runtime/nodes", dated)
    with pytest.raises(ProductStoreUnavailableError) as raised:
        client.nodes()
    assert raised.value.retry_after_seconds is None


def test_a_refusal_of_one_command_of_a_batch_becomes_its_exception(client, wire, said):
    from slipway_contracts.problem import Problem
    from slipway_contracts.submit_job_command import BatchSubmitResponse, SubmitOutcome

    _, _, body = said.problem(Code.JOB_ACTIVE)
    outcomes = [
        SubmitOutcome(status=202, accepted=said.accepted()),
        SubmitOutcome(status=409, problem=Problem.model_validate_json(body)),
    ]
    wire.on("POST", "/api/runtime/jobs:batchSubmit", said.ok(BatchSubmitResponse(outcomes=outcomes)))
    first, second = client.submit_many([said.command(), said.command(job_id="j2", idempotency_key="k2")])
    assert first.accepted == said.accepted()
    assert isinstance(refusal(second.problem), JobActiveError)
