"""What a node's policy allows, and the URIs that no policy does."""

import posixpath
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway_contracts.node_policy import NodePolicy, is_inline_too_large, uri_refusal, violations
from slipway_contracts.submit_job_command import INLINE_INPUT_MAX_BYTES, SubmitJobCommand

Body = dict[str, Any]

POLICY: Body = {
    "policy_version": "v1",
    "queues": {
        "short": {
            "partition": "p",
            "qos": ["normal", "high"],
            "accounts": ["chem"],
            "limits": {"cpu": 4, "memory_mib": 2048, "walltime_seconds": 600},
        },
        "open": {},
    },
    "input_prefixes": ["file:///inputs", "data:"],
    "artifact_prefixes": ["file:///results/", "s3://bucket/slipway"],
}
CLIMBS = ["..", ".", "a", "%2e%2e", "%2E.", ".%2e", "", "b%2f..", "%252e%252e"]


def found(command_body: Body, **policy: object) -> list[tuple[str, tuple[str, ...]]]:
    command = SubmitJobCommand.model_validate(command_body)
    return [(each.field, each.allowed) for each in violations(NodePolicy.model_validate(POLICY | policy), command)]


def test_a_command_at_every_limit_breaks_no_rule(command_body: Body) -> None:
    command_body["execution_profile"] |= {"qos": "high", "account": "chem"}
    command_body["payload_ref"]["artifact_bucket"] = "s3://bucket/slipway/job-1"
    assert found(command_body) == []


def test_an_unknown_queue_is_told_with_those_there_are(command_body: Body) -> None:
    command_body["execution_profile"]["queue_name"] = "gone"
    assert found(command_body) == [("execution_profile.queue_name", ("open", "short"))]


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("execution_profile.qos", "urgent", ("normal", "high")),
        ("execution_profile.account", "phys", ("chem",)),
        ("resource_shape.cpu", 5, ("1..4",)),
        ("resource_shape.memory_mib", 2049, ("1..2048",)),
        ("resource_shape.walltime_seconds", 601, ("1..600",)),
        ("payload_ref.input_uri", "file:///elsewhere/job.yaml", ("file:///inputs", "data:")),
        ("payload_ref.artifact_bucket", "s3://other/", ("file:///results/", "s3://bucket/slipway")),
    ],
)
def test_a_rule_that_is_broken_is_told_with_field_and_allowed_values(
    command_body: Body, field: str, value: object, allowed: tuple[str, ...]
) -> None:
    outer, _, inner = field.partition(".")
    command_body[outer][inner] = value
    assert found(command_body) == [(field, allowed)]


def test_every_broken_rule_is_told_at_once(command_body: Body) -> None:
    command_body["execution_profile"] |= {"qos": "urgent", "account": "phys"}
    command_body["resource_shape"] = {"cpu": 5, "memory_mib": 2049, "walltime_seconds": 601}
    command_body["payload_ref"] = {"input_uri": "s3://x/", "artifact_bucket": "s3://x/"}
    assert len(found(command_body)) == 7


def test_a_queue_without_limits_limits_nothing_and_allows_no_qos_or_account(command_body: Body) -> None:
    command_body["execution_profile"] = {"queue_name": "open"}
    command_body["resource_shape"] = {"cpu": 10**6, "memory_mib": 10**9, "walltime_seconds": 10**9}
    assert found(command_body) == []
    command_body["execution_profile"] |= {"qos": "high", "account": "chem"}
    assert found(command_body) == [("execution_profile.qos", ()), ("execution_profile.account", ())]


def test_a_policy_that_names_no_prefix_allows_no_uri(command_body: Body) -> None:
    assert found(command_body, input_prefixes=[]) == [("payload_ref.input_uri", ())]


def test_a_violation_reads_as_a_sentence(command_body: Body) -> None:
    command_body["execution_profile"]["qos"] = "urgent"
    (violation,) = violations(NodePolicy.model_validate(POLICY), SubmitJobCommand.model_validate(command_body))
    assert str(violation) == "qos urgent is not of this queue; allowed: normal, high"


class TestUris:
    @pytest.mark.parametrize(
        ("uri", "prefix"),
        [
            ("file:///data", "file:///data"),
            ("file:///data/x", "file:///data"),
            ("file:///data/x", "file:///data/"),
            ("file:///data", "file:///data/"),
            ("file:///./data//x", "file:///data"),
            ("file:///data/./x", "file:///data"),
            ("file:///anything", "file:///"),
            ("FILE:///data/x", "file:///data"),
            ("file:///data/a%20b", "file:///data"),
            ("s3://bucket/a/b", "s3://bucket/a"),
            ("s3://bucket/a", "s3://bucket"),
            ("https://Host.example/a?version=1", "https://host.example/a"),
            ("https://host.example:8443/a", "https://host.example:8443/"),
        ],
    )
    def test_under_a_prefix_are_allowed(self, uri: str, prefix: str) -> None:
        assert uri_refusal(uri, [prefix]) is None

    @pytest.mark.parametrize(
        ("uri", "prefix"),
        [
            ("file:///database", "file:///data"),
            ("file:///", "file:///data"),
            ("file:///Data/x", "file:///data"),
            ("s3://bucket/ab", "s3://bucket/a"),
            ("s3://bucket2/a", "s3://bucket"),
            ("https://host.example.evil/a", "https://host.example"),
            ("https://host.example:8443/a", "https://host.example/"),
            ("s3://bucket/a", "https://bucket/a"),
            ("file://remote/data/x", "file:///data"),
            ("file:data/x", "file:///data"),
            ("https://host/x", "https://[bad"),
            ("https://host/x", "nonsense"),
            ("file:///data/x", "data:"),
        ],
    )
    def test_under_no_prefix_are_refused(self, uri: str, prefix: str) -> None:
        assert uri_refusal(uri, [prefix]) == "the URI is under no allowed prefix"

    @pytest.mark.parametrize(
        ("uri", "reason"),
        [
            ("ftp://host/x", "scheme ftp is not supported"),
            ("http://host/x", "scheme http is not supported"),
            ("javascript:alert", "scheme javascript is not supported"),
            ("file:///data/../etc/passwd", "`..` in a path is not allowed"),
            ("file:///data/%2e%2e/etc", "`..` in a path is not allowed"),
            ("file:///data/%2E./etc", "`..` in a path is not allowed"),
            ("file:///data/%252e%252e/etc", "`..` in a path is not allowed"),
            ("file:///data/x%2f..%2f..%2fetc", "`..` in a path is not allowed"),
            ("https://user:secret@host/x", "user-info in a URI is not allowed"),
            ("https://host@evil/x", "user-info in a URI is not allowed"),
            ("s3://bucket/a::file:///etc", "`::` chains are not allowed"),
            ("https://host/x#part", "a fragment is not allowed"),
            ("file:///data/x?y", "a file URI has no query"),
            ("https://host/a b", "white space, control characters and backslashes are not allowed"),
            ("https://host/a\n", "white space, control characters and backslashes are not allowed"),
            ("https://host/a\x7f", "white space, control characters and backslashes are not allowed"),
            ("https://host\\@evil/x", "user-info in a URI is not allowed"),
            ("https://host/\\evil", "white space, control characters and backslashes are not allowed"),
            ("file:///data/x%00", "white space, control characters and backslashes are not allowed"),
            ("file:///data/x%0a", "white space, control characters and backslashes are not allowed"),
        ],
    )
    def test_that_are_malformed_or_climb_are_refused_whatever_is_allowed(self, uri: str, reason: str) -> None:
        assert uri_refusal(uri, ["file:///", "https://host", "https://evil", "s3://bucket"]) == reason

    @pytest.mark.parametrize("uri", ["https://[::1/x", "https://host:99999/x", "https://host:port/x"])
    def test_that_are_none_are_refused(self, uri: str) -> None:
        assert str(uri_refusal(uri, ["https://host"])).startswith("not a URI")

    @given(st.text(max_size=60))
    def test_of_any_text_after_a_prefix_are_judged_and_never_raise(self, text: str) -> None:
        verdict = uri_refusal(f"file:///data/{text}", ["file:///data"])
        assert verdict is None or verdict

    @given(
        st.lists(st.sampled_from(["..", ".", "a", "%2e%2e", "%2E.", ".%2e", "", "b%2f..", "%252e%252e"]), max_size=6)
    )
    def test_that_are_allowed_never_leave_their_prefix(self, parts: list[str]) -> None:
        path = "/data/" + "/".join(parts)
        if uri_refusal(f"file://{path}", ["file:///data"]) is None:
            for decoded in (path, unquote(path), unquote(unquote(path))):
                assert posixpath.normpath(decoded).startswith("/data")

    @given(st.text(st.characters(codec="ascii"), min_size=1, max_size=30))
    def test_never_pass_by_a_longer_host_or_folder(self, tail: str) -> None:
        assert uri_refusal(f"file:///data{quote(tail.replace('/', ''))}x", ["file:///data"]) is not None


class TestInlineData:
    def test_is_allowed_only_where_the_policy_names_it(self) -> None:
        assert uri_refusal("data:,x", ["data:"]) is None
        assert uri_refusal("DATA:,x", ["data:"]) is None
        assert uri_refusal("data:,x", ["file:///", "data:,"]) == "inline data is not allowed"

    @pytest.mark.parametrize(
        ("uri", "too_large"),
        [
            ("data:," + "x" * INLINE_INPUT_MAX_BYTES, False),
            ("data:," + "x" * (INLINE_INPUT_MAX_BYTES + 1), True),
            ("data:," + "%41" * INLINE_INPUT_MAX_BYTES, False),
            ("data:;base64," + "QUFB" * (INLINE_INPUT_MAX_BYTES // 3) + "QUE=", False),
            ("data:;base64," + "QUFB" * (INLINE_INPUT_MAX_BYTES // 3 + 1), True),
            ("data:text/plain;BASE64," + "QUFB" * (INLINE_INPUT_MAX_BYTES // 3 + 1), True),
            ("data:no comma" + "x" * INLINE_INPUT_MAX_BYTES, False),
            ("file:///x," + "x" * INLINE_INPUT_MAX_BYTES * 2, False),
        ],
        ids=["plain", "plain over", "escaped", "base64", "base64 over", "BASE64 over", "none", "a file"],
    )
    def test_is_measured_as_it_is_decoded(self, uri: str, *, too_large: bool) -> None:
        assert is_inline_too_large(uri) is too_large

    def test_that_is_too_large_is_allowed_by_no_policy(self) -> None:
        over = "data:," + "x" * (INLINE_INPUT_MAX_BYTES + 1)
        assert uri_refusal(over, ["data:"]) == "inline data is over 32768 bytes"
