"""Requests that nobody means well with, or a faulty client sends: refused in the contract's words, nothing harmed."""

import base64
import json
from collections.abc import Iterator, MutableMapping
from datetime import UTC, datetime
from typing import Any

import pytest
from gateway_world import API, World
from structlog.testing import capture_logs


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
async def test_a_summary_holds_only_what_json_can_write(world: World, value: float) -> None:
    job = await world.taken()
    result = {"output_uri": "s3://results/1", "summary": {"energy": value}}
    await world.run(job, "accepted", "running")
    answer = await world.tell(job, "completed", result_ref=result)
    assert refusal(answer) == (400, "invalid_event")
    assert answer.json()["errors"][0]["field"] == "result_ref.summary"
    assert await world.state(job) == "running"
    assert (await world.user("GET", "/jobs")).status_code == 200


async def test_a_health_that_json_cannot_write_is_refused(world: World) -> None:
    answer = await world.beat(world.nodes["lab"], health={"load": float("nan")})
    assert refusal(answer) == (400, "invalid_request")


def unsigned(**claims: Any) -> str:
    parts = ({"alg": "EdDSA"}, {"aud": "slipway-gateway", **claims})
    return ".".join(
        [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts] + ["AAAA"]
    )


@pytest.mark.parametrize("issuer", ["\ud800", "", "a b", "x" * 5000, 7, None])
async def test_an_issuer_that_is_no_id_is_unauthorized(world: World, issuer: object) -> None:
    headers = {"Authorization": f"Bearer {unsigned(iss=issuer)}"}
    for call in ("heartbeat", "drain"):
        answer = await world.client.post(f"{API}/nodes/some-node:{call}", json={}, headers=headers)
        assert refusal(answer) == (401, "unauthorized")


NOW = int(datetime.now(UTC).timestamp())


@pytest.mark.parametrize(
    "claims",
    [
        {"iat": float("nan"), "exp": float("nan")},
        {"iat": float("nan"), "exp": NOW + 10**9},
        {"iat": 10**400, "exp": 1.5},
        {"iat": -1, "exp": NOW + 30},
        {"iat": NOW, "exp": float("inf")},
    ],
)
async def test_a_node_token_without_an_end_is_unauthorized(world: World, claims: dict[str, object]) -> None:
    node = world.nodes["lab"]
    answer = await world.node(node, f"/nodes/{node.node_id}/commands:lease", {}, claims=claims)
    assert refusal(answer) == (401, "unauthorized")


async def test_a_long_content_length_is_a_number_or_too_large(world: World) -> None:
    headers = {"Authorization": f"Bearer {world.token()}", "Content-Type": "application/json"}
    for length, expected in (("0" * 5000 + "2", (400, "invalid_request")), ("9" * 5000, (413, "payload_too_large"))):
        sent = {**headers, "Content-Length": length}
        assert refusal(await world.client.post(f"{API}/jobs:submit", content=b"{}", headers=sent)) == expected


async def test_many_faults_are_answered_in_short(world: World) -> None:
    commands = [{**world.command(), **{f"x{index}": 1 for index in range(1900)}} for _ in range(200)]
    answer = await world.user("POST", "/jobs:batchSubmit", {"commands": commands})
    assert answer.status_code == 200
    assert {outcome["status"] for outcome in answer.json()["outcomes"]} == {400}
    assert len(answer.content) < 1024 * len(commands)


async def test_the_first_faults_of_many_are_named_and_the_others_counted(world: World) -> None:
    answer = await world.submit({**world.command(), **{f"x{index}": 1 for index in range(60)}})
    errors = answer.json()["errors"]
    assert [error["field"] for error in errors[:2]] == ["x0", "x1"]
    assert errors[-1] == {"field": "body", "message": "10 more fields do not hold"}


@pytest.mark.idempotency("submit-job-command")
async def test_a_command_that_does_not_hold_takes_none_of_its_batch_with_it(world: World) -> None:
    large = world.command(
        payload_ref={"input_uri": "file:///" + "a" * 40_000, "artifact_bucket": "file:///" + "b" * 40_000}
    )
    batch = [world.command(), {**world.command(), "resource_shape": {"cpu": 0}}, 7, large, world.command()]
    answer = await world.user("POST", "/jobs:batchSubmit", {"commands": batch})
    outcomes = answer.json()["outcomes"]
    assert [outcome["status"] for outcome in outcomes] == [202, 400, 400, 413, 202]
    assert "resource_shape.cpu" in {error["field"] for error in outcomes[1]["problem"]["errors"]}
    again = (await world.user("POST", "/jobs:batchSubmit", {"commands": batch})).json()["outcomes"]
    assert [outcome["idempotent_replayed"] for outcome in again] == [True, False, False, False, True]


@pytest.mark.parametrize("name", ["submission_id", "submissionId"])
async def test_behind_a_failed_event_an_older_emitters_next_is_a_gap(world: World, name: str) -> None:
    job = await world.taken()
    events = []
    for status in ("RUNNIN", "CANCELLED"):
        event = {**world.event(job, "running"), "status": status}
        del event["state"], event["event_id"]
        event[name] = event.pop("submission_id")
        events.append(event)
    answer = await world.node(
        world.nodes["lab"], "/events:batchIngest", {"events": events}, headers={"Slipway-Contract": ""}
    )
    assert [outcome["status"] for outcome in answer.json()["outcomes"]] == [400, 409]
    assert await world.state(job) == "queued"


async def test_an_event_over_its_limit_is_too_large_also_in_a_batch(world: World) -> None:
    job = await world.taken()
    event = world.event(job, "accepted", padding="x" * 70_000)
    answer = await world.node(world.nodes["lab"], "/events:batchIngest", {"events": [event]})
    assert [outcome["status"] for outcome in answer.json()["outcomes"]] == [413]


@pytest.mark.parametrize(
    "payload",
    [
        {"input_uri": "http://inputs.example/cu.yaml"},
        {"input_uri": "https://inputs.example/cu.yaml", "artifact_bucket": "data:,hello"},
    ],
)
async def test_a_scheme_the_contract_does_not_have_is_refused_whatever_the_policy_says(
    world: World, payload: Any
) -> None:
    node = world.nodes["lab"]
    policy = {
        "policy_version": "p2",
        "queues": {"default": {}},
        "input_prefixes": ["http://inputs.example/", "https://inputs.example/"],
        "artifact_prefixes": ["data:"],
    }
    await world.beat(node, policy=policy)
    assert refusal(await world.submit(world.command(payload_ref=payload))) == (422, "policy_rejected")


async def test_a_parameter_that_is_none_is_refused_by_its_name(world: World) -> None:
    job = await world.submitted()
    cancel = await world.user("POST", f"/jobs/{job['job_id']}:cancel?submission_id=other")
    assert refusal(cancel) == (400, "invalid_request")
    assert cancel.json()["errors"][0]["field"] == "submission_id"
    assert await world.state(job) == "queued"
    assert refusal(await world.user("GET", "/jobs?stat=failed")) == (400, "invalid_request")


async def test_a_path_with_a_slash_more_is_no_path(world: World) -> None:
    assert refusal(await world.user("GET", "/jobs/")) == (404, "not_found")


async def test_a_job_that_is_no_id_is_an_invalid_event_to_a_node(world: World) -> None:
    event = world.event(await world.taken(), "running")
    assert refusal(await world.node(world.nodes["lab"], "/jobs/a:b/events", event)) == (400, "invalid_event")


@pytest.mark.parametrize(
    ("traceparent", "valid"),
    [
        (f"00-{'a' * 32}-{'b' * 16}-01", True),
        (f"01-{'a' * 32}-{'b' * 16}-01-more", True),
        (f"00-{'a' * 32}-{'b' * 16}-01-more", False),
        (f"00-{'a' * 32}-{'b' * 16}-01xyz", False),
        (f"ff-{'a' * 32}-{'b' * 16}-01", False),
        (f"00-{'0' * 32}-{'b' * 16}-01", False),
        (f"00-{'a' * 32}-{'0' * 16}-01", False),
    ],
)
async def test_a_traceparent_that_is_none_is_as_if_absent(world: World, traceparent: str, valid: object) -> None:
    headers = {"Authorization": f"Bearer {world.token()}", "traceparent": traceparent}
    answer = await world.client.post(f"{API}/jobs:submit", json=world.command(), headers=headers)
    assert (answer.json()["trace_id"] == "a" * 32) is valid


async def test_what_no_retry_mends_is_told_before_what_one_may(world: World) -> None:
    await world.admin("POST", f"/nodes/{world.nodes['lab'].node_id}:drain")
    no_queue = world.command(execution_profile={"queue_name": "none"})
    assert refusal(await world.submit(no_queue)) == (422, "policy_rejected")
    assert refusal(await world.submit()) == (503, "execution_unavailable")


@pytest.fixture
def told() -> Iterator[list[MutableMapping[str, Any]]]:
    """What the gateway logs."""
    with capture_logs() as lines:
        yield lines


async def test_a_client_that_hangs_up_is_no_fault(world: World, told: list[MutableMapping[str, Any]]) -> None:
    scope = {
        "type": "http",
        "method": "POST",
        "path": f"{API}/jobs:submit",
        "raw_path": f"{API}/jobs:submit".encode(),
        "query_string": b"",
        "headers": [(b"authorization", f"Bearer {world.token()}".encode()), (b"content-length", b"100")],
    }
    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])
    sent = []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    await world.edge(scope, receive, send)
    assert sent[0]["status"] == 499
    assert told == []


async def test_a_fault_is_a_problem_and_logged_once(
    world: World, told: list[MutableMapping[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no such luck")

    monkeypatch.setattr(world.services.users, "verify", broken)
    answer = await world.user("GET", "/jobs")
    assert refusal(answer) == (500, "internal_error")
    assert [line["event"] for line in told] == ["internal error"]
