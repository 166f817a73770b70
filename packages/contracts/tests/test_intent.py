"""The canonical intent: what two submits have to agree in to be the same submission."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway_contracts.submit_job_command import SubmitJobCommand

Body = dict[str, Any]


def intent(body: Body) -> str:
    return SubmitJobCommand.model_validate(body).intent_sha256()


def changed(body: Body, path: str, value: object) -> Body:
    """Return ``body`` with the field at a dotted path set."""
    name, _, rest = path.partition(".")
    return body | {name: changed(body[name], rest, value) if rest else value}


@pytest.mark.idempotency("submit-job-command")
def test_the_intent_of_a_command_is_what_it_has_always_been(command_body: Body) -> None:
    assert intent(command_body) == "9f1059b940f12595156423bec81ed905ecb1734ccac995f2554baa701836b97d"


@pytest.mark.idempotency("submit-job-command")
@pytest.mark.parametrize(
    "path",
    ["execution_profile.qos", "execution_profile.account", "payload_ref.artifact_bucket", "requested_by.session_id"],
)
def test_a_default_that_is_spelt_out_is_the_same_intent(command_body: Body, path: str) -> None:
    assert intent(changed(command_body, path, None)) == intent(command_body)


@pytest.mark.idempotency("submit-job-command")
def test_a_retry_from_another_session_is_the_same_intent(command_body: Body) -> None:
    one = changed(command_body, "requested_by.session_id", "tab 1")
    other = changed(command_body, "requested_by.session_id", "tab 2")
    assert intent(one) == intent(other) == intent(command_body)


@pytest.mark.idempotency("submit-job-command")
def test_the_order_of_fields_is_no_part_of_the_intent(command_body: Body) -> None:
    assert intent(dict(reversed(command_body.items()))) == intent(command_body)


@pytest.mark.idempotency("submit-job-command")
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("tenant_id", "other"),
        ("workspace_id", "other"),
        ("job_id", "job-2"),
        ("idempotency_key", "key-2"),
        ("management_node_id", "node-2"),
        ("execution_profile.queue_name", "long"),
        ("execution_profile.qos", "high"),
        ("execution_profile.account", "chem"),
        ("resource_shape.cpu", 8),
        ("resource_shape.memory_mib", 4096),
        ("resource_shape.walltime_seconds", 601),
        ("payload_ref.input_uri", "file:///inputs/other.yaml"),
        ("payload_ref.artifact_bucket", "s3://results/"),
        ("requested_by.user_id", "bob"),
    ],
)
def test_every_other_field_is_part_of_the_intent(command_body: Body, path: str, value: object) -> None:
    assert intent(changed(command_body, path, value)) != intent(command_body)


@pytest.mark.idempotency("submit-job-command")
def test_the_same_word_in_another_field_is_another_intent(command_body: Body) -> None:
    as_qos = changed(command_body, "execution_profile.qos", "high")
    as_account = changed(command_body, "execution_profile.account", "high")
    assert intent(as_qos) != intent(as_account)


@given(first=st.text(max_size=20), second=st.text(max_size=20))
def test_two_inputs_are_one_intent_only_when_they_are_equal(first: str, second: str) -> None:
    body: Body = {
        "tenant_id": "t", "workspace_id": "w", "job_id": "j", "idempotency_key": "k", "management_node_id": "n",
        "execution_profile": {"queue_name": "q"},
        "resource_shape": {"cpu": 1, "memory_mib": 1, "walltime_seconds": 1},
        "payload_ref": {"input_uri": "data:,"},
        "requested_by": {"user_id": "u"},
    }  # fmt: skip
    one, other = (intent(changed(body, "payload_ref.input_uri", f"data:,{text}")) for text in (first, second))
    assert (one == other) is (first == second)
