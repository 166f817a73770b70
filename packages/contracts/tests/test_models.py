"""What the models take and refuse: strictness, limits, times, ids."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from slipway_contracts.cancel_job_command import CancelJobCommand
from slipway_contracts.errors import ERRORS, Code
from slipway_contracts.execution_event import (
    EVENT_BATCH_MAX,
    SUMMARY_MAX_BYTES,
    BatchIngestRequest,
    ExecutionEvent,
    ExecutionState,
    event_id_for,
)
from slipway_contracts.fields import ID_PATTERN, TEXT_MAX_CHARS, Id, UtcTime, rfc3339
from slipway_contracts.node_protocol import (
    JOIN_TOKEN_MAX_SECONDS,
    AckRequest,
    EnrollRequest,
    HeartbeatRequest,
    JoinTokenRequest,
    LeaseRequest,
)
from slipway_contracts.projection_update import ProjectionUpdate
from slipway_contracts.submit_job_command import BATCH_MAX_COMMANDS, BatchSubmitRequest, SubmitJobCommand

Body = dict[str, Any]
EventOf = Callable[..., Body]
IDS: TypeAdapter[str] = TypeAdapter(Id)
HEARTBEAT: Body = {
    "agent_id": "a",
    "journal_id": "j",
    "node_version": "1",
    "policy": {"policy_version": "v", "queues": {}},
}
TIMES: TypeAdapter[datetime] = TypeAdapter(UtcTime)


def refused_fields(model: type[BaseModel], body: object) -> list[str]:
    """Return the dotted paths that ``model`` refuses in ``body``."""
    with pytest.raises(ValidationError) as refused:
        model.model_validate_json(json.dumps(body))
    return [".".join(str(part) for part in error["loc"]) for error in refused.value.errors()]


class TestIds:
    @pytest.mark.parametrize("good", ["a", "A-z_0.9~", "x" * 128, "0", "..."])
    def test_that_match_are_taken(self, good: str) -> None:
        assert IDS.validate_python(good) == good

    @pytest.mark.parametrize("bad", ["", "x" * 129, "a b", "a/b", "é", "a\n", "\na", "a:b", "%41", 7, None, True])
    def test_that_do_not_match_are_refused(self, bad: object) -> None:
        with pytest.raises(ValidationError):
            IDS.validate_python(bad)

    @given(st.text(max_size=140))
    def test_are_taken_exactly_where_the_pattern_matches_the_whole(self, text: str) -> None:
        if re.fullmatch(ID_PATTERN.strip("^$"), text, re.ASCII):
            assert IDS.validate_python(text) == text
        else:
            with pytest.raises(ValidationError):
                IDS.validate_python(text)


class TestTimes:
    @pytest.mark.parametrize(
        "text",
        [
            "2026-01-31T12:00:00Z",
            "2026-01-31T12:00:00.000000Z",
            "2026-01-31t12:00:00z",
            "2026-01-31 12:00:00Z",
            "2026-01-31T14:00:00+02:00",
            "2026-01-31T04:30:00-07:30",
        ],
    )
    def test_of_rfc_3339_are_told_in_utc(self, text: str) -> None:
        moment = TIMES.validate_python(text)
        assert moment.utcoffset() == timedelta(0)
        assert TIMES.dump_json(moment) == b'"2026-01-31T12:00:00.000000Z"'

    @pytest.mark.parametrize(
        "other",
        [
            "1769860800", "2026-01-31", "2026-01-31T12:00:00", "2026-01-31T12:00Z", "2026-01-31T12:00:00+0200",
            "2026-02-30T12:00:00Z", "2026-01-31T25:00:00Z", "now", "", 1769860800, 1.5, None, True,
            "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-01:00",
        ],
    )  # fmt: skip
    def test_in_any_other_form_or_beyond_the_calendar_are_refused(self, other: object) -> None:
        with pytest.raises(ValidationError):
            TIMES.validate_python(other)

    def test_of_the_program_must_know_their_zone(self) -> None:
        with pytest.raises(ValidationError):
            TIMES.validate_python(datetime(2026, 1, 31))  # noqa: DTZ001 - the point

    @given(
        st.datetimes(
            min_value=datetime(1, 1, 2),  # noqa: DTZ001 - hypothesis adds the zone
            max_value=datetime(9999, 12, 30),  # noqa: DTZ001
            timezones=st.sampled_from([UTC, timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))]),
        )
    )
    def test_survive_the_wire(self, moment: datetime) -> None:
        assert TIMES.validate_python(rfc3339(moment)) == moment


class TestSubmitJobCommand:
    @pytest.mark.parametrize(
        "path",
        [
            "tenant_id", "workspace_id", "job_id", "idempotency_key", "management_node_id", "execution_profile",
            "resource_shape", "payload_ref", "requested_by", "execution_profile.queue_name", "resource_shape.cpu",
            "resource_shape.memory_mib", "resource_shape.walltime_seconds", "payload_ref.input_uri",
            "requested_by.user_id",
        ],
    )  # fmt: skip
    def test_names_a_required_field_that_is_missing(self, command_body: Body, path: str) -> None:
        *outer, last = path.split(".")
        holder = command_body[outer[0]] if outer else command_body
        del holder[last]
        assert refused_fields(SubmitJobCommand, command_body) == [path]

    @pytest.mark.parametrize("outer", ["", "execution_profile", "resource_shape", "payload_ref", "requested_by"])
    def test_names_an_unknown_field(self, command_body: Body, outer: str) -> None:
        (command_body[outer] if outer else command_body)["surprise"] = 1
        assert refused_fields(SubmitJobCommand, command_body) == [f"{outer}.surprise".lstrip(".")]

    @pytest.mark.parametrize("field", ["cpu", "memory_mib", "walltime_seconds"])
    @pytest.mark.parametrize("value", [0, -1, 1.0, "4", True, None, 2**53])
    def test_takes_whole_numbers_from_1_alone(self, command_body: Body, field: str, value: object) -> None:
        command_body["resource_shape"][field] = value
        assert refused_fields(SubmitJobCommand, command_body) == [f"resource_shape.{field}"]

    @pytest.mark.parametrize("uri", ["", "no-scheme", "/path", "1file:///x", ":", " file:///x"])
    def test_takes_uris_with_a_scheme_alone(self, command_body: Body, uri: str) -> None:
        command_body["payload_ref"]["input_uri"] = uri
        assert refused_fields(SubmitJobCommand, command_body) == ["payload_ref.input_uri"]

    def test_takes_a_hint_of_limited_length(self, command_body: Body) -> None:
        command_body["requested_by"]["session_id"] = "x" * (TEXT_MAX_CHARS + 1)
        assert refused_fields(SubmitJobCommand, command_body) == ["requested_by.session_id"]

    def test_is_told_in_batches_of_limited_length(self, command_body: Body) -> None:
        assert refused_fields(BatchSubmitRequest, {"commands": []}) == ["commands"]
        too_many = [command_body] * (BATCH_MAX_COMMANDS + 1)
        assert refused_fields(BatchSubmitRequest, {"commands": too_many}) == ["commands"]
        assert len(BatchSubmitRequest.model_validate({"commands": too_many[1:]}).commands) == 500

    def test_cannot_be_changed(self, command_body: Body) -> None:
        with pytest.raises(ValidationError):
            SubmitJobCommand.model_validate(command_body).job_id = "other"  # type: ignore[misc]


class TestExecutionEvent:
    @pytest.mark.parametrize("state", list(ExecutionState))
    def test_is_taken_in_each_state(self, event_of: EventOf, state: ExecutionState) -> None:
        assert ExecutionEvent.model_validate(event_of(state.value)).state is state

    def test_ignores_what_a_newer_node_adds(self, event_of: EventOf) -> None:
        event = ExecutionEvent.model_validate(
            event_of("running", surprise=1, scheduler_ref={"slurm_job_id": "1", "x": 1})
        )
        assert "surprise" not in event.model_dump()

    def test_that_completed_needs_its_results(self, event_of: EventOf) -> None:
        with pytest.raises(ValidationError, match="result_ref is required"):
            ExecutionEvent.model_validate(event_of("completed", result_ref=None))

    def test_that_failed_needs_its_error(self, event_of: EventOf) -> None:
        with pytest.raises(ValidationError, match="error is required"):
            ExecutionEvent.model_validate(event_of("failed", error=None))

    @pytest.mark.parametrize("word", ["RUNNING", "queued", "done", "", None, 1])
    def test_speaks_the_words_of_contract_1_alone(self, event_of: EventOf, word: object) -> None:
        assert refused_fields(ExecutionEvent, event_of("running") | {"state": word}) == ["state"]

    def test_brings_a_summary_up_to_its_limit(self, event_of: EventOf) -> None:
        frame = len(json.dumps({"text": ""}))
        fits = {"output_uri": "file:///r", "summary": {"text": "x" * (SUMMARY_MAX_BYTES - frame)}}
        ExecutionEvent.model_validate(event_of("completed", result_ref=fits))
        over = {"output_uri": "file:///r", "summary": {"text": "x" * (SUMMARY_MAX_BYTES - frame + 1)}}
        assert refused_fields(ExecutionEvent, event_of("completed", result_ref=over)) == ["result_ref.summary"]

    def test_is_told_in_batches_of_limited_length(self, event_of: EventOf) -> None:
        assert refused_fields(BatchIngestRequest, {"events": []}) == ["events"]
        assert refused_fields(BatchIngestRequest, {"events": [{}] * (EVENT_BATCH_MAX + 1)}) == ["events"]
        assert len(BatchIngestRequest.model_validate({"events": [event_of("running")] * 200}).events) == 200

    def test_has_an_id_that_follows_from_submission_execution_and_state(self) -> None:
        ids = {event_id_for(s, e, state) for s in ("a", "b") for e in ("a", "b") for state in ExecutionState}
        assert len(ids) == 2 * 2 * len(ExecutionState)
        assert event_id_for("a", "b", ExecutionState.RUNNING) == event_id_for("a", "b", ExecutionState.RUNNING)

    @given(st.from_regex(ID_PATTERN, fullmatch=True), st.from_regex(ID_PATTERN, fullmatch=True))
    def test_has_an_id_that_is_one(self, submission_id: str, execution_id: str) -> None:
        derived = event_id_for(submission_id, execution_id, ExecutionState.FAILED)
        assert IDS.validate_python(derived) == derived


class TestNodeProtocol:
    def test_a_heartbeat_may_lack_its_epoch_at_an_agents_start(self) -> None:
        assert HeartbeatRequest.model_validate(HEARTBEAT).epoch is None

    @pytest.mark.parametrize("epoch", [0, -1, "x"])
    def test_an_epoch_counts_from_1(self, epoch: object) -> None:
        assert refused_fields(HeartbeatRequest, HEARTBEAT | {"epoch": epoch}) == ["epoch"]

    def test_a_heartbeat_ignores_what_a_newer_node_adds(self) -> None:
        policy = {"policy_version": "v", "queues": {"q": {"surprise": 1}}, "surprise": 1}
        assert HeartbeatRequest.model_validate(HEARTBEAT | {"surprise": 1, "policy": policy}).policy.queues

    def test_a_queue_is_named_by_an_id(self) -> None:
        policy = {"policy_version": "v", "queues": {"no id": {}}}
        assert refused_fields(HeartbeatRequest, HEARTBEAT | {"policy": policy}) == ["policy.queues.no id.[key]"]

    @pytest.mark.parametrize(
        ("field", "value"),
        [("max", 0), ("max", 101), ("wait_seconds", -0.1), ("wait_seconds", 30.1), ("epoch", 0), ("journal_id", "")],
    )
    def test_a_lease_has_its_bounds(self, field: str, value: object) -> None:
        assert refused_fields(LeaseRequest, {"epoch": 1, "journal_id": "j", field: value}) == [field]

    @pytest.mark.parametrize("count", [0, 101])
    def test_an_ack_has_its_bounds(self, count: int) -> None:
        body = {"epoch": 1, "journal_id": "j", "command_ids": ["c"] * count}
        assert refused_fields(AckRequest, body) == ["command_ids"]

    @pytest.mark.parametrize("seconds", [0, -1, JOIN_TOKEN_MAX_SECONDS + 1, "60", 1.5, True])
    def test_a_join_token_lasts_a_second_to_a_week(self, seconds: object) -> None:
        assert refused_fields(JoinTokenRequest, {"ttl_seconds": seconds}) == ["ttl_seconds"]
        assert JoinTokenRequest(ttl_seconds=JOIN_TOKEN_MAX_SECONDS).ttl_seconds == 604_800

    @pytest.mark.parametrize("key", ["A" * 42, "A" * 44, "A" * 42 + "=", "A" * 42 + "+", ""])
    def test_a_public_key_is_32_bytes_in_base64url_without_padding(self, key: str) -> None:
        assert refused_fields(EnrollRequest, {"token": "t", "public_key": key}) == ["public_key"]


def test_a_cancel_names_an_unknown_field() -> None:
    assert refused_fields(CancelJobCommand, {"surprise": 1}) == ["surprise"]
    assert CancelJobCommand().submission_id is None


def test_a_projection_update_is_strict() -> None:
    assert "surprise" in refused_fields(ProjectionUpdate, {"surprise": 1})


class TestTheErrorTable:
    def test_has_a_row_for_every_code(self) -> None:
        assert set(ERRORS) == set(Code)

    def test_lets_the_right_codes_be_retried_and_no_other(self) -> None:
        assert {code.value for code, spec in ERRORS.items() if spec.retryable} == {
            "rate_limited", "product_store_unavailable", "internal_error", "quota_exceeded", "execution_unavailable",
            "event_gap",
        }  # fmt: skip

    def test_has_the_status_of_the_contract(self) -> None:
        assert {code.value: spec.status for code, spec in ERRORS.items()} == {
            "unauthorized": 401, "forbidden": 403, "rate_limited": 429, "product_store_unavailable": 503,
            "not_found": 404, "method_not_allowed": 405, "internal_error": 500, "invalid_request": 400,
            "payload_too_large": 413, "management_node_not_found": 404, "idempotency_conflict": 409, "job_active": 409,
            "policy_rejected": 422, "quota_exceeded": 429, "execution_unavailable": 503, "invalid_event": 400,
            "submission_not_found": 404, "event_id_conflict": 409, "event_gap": 409, "invalid_transition": 409,
            "invalid_projection_update": 400, "projection_target_not_found": 404, "projection_event_id_conflict": 409,
            "invalid_projection_transition": 409, "join_token_spent": 410, "lease_lost": 409, "job_not_found": 404,
            "submission_superseded": 409, "job_terminal": 409, "stream_not_supported": 501,
        }  # fmt: skip
