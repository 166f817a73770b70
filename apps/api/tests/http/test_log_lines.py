"""What the gateway's log tells of what it accepted and refused."""

import contextlib
import json
import socket
import urllib.error

import httpx
import pytest
from job_world import JobWorld
from local_stack import Gateway, StackError

from slipway_contracts.execution_event import ExecutionState

LINE_MAX_CHARACTERS = 2_000
SECRET = "SECRET 77ab "  # with blanks, as a payload has them and no id does
pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def world(tmp_path):
    gateway = Gateway(tmp_path / "data", tmp_path / "gateway.log")
    gateway.start()
    yield JobWorld.at(gateway)
    gateway.process.stop()


def lines_of(world: JobWorld, job_id: str) -> list[dict]:
    lines = [json.loads(line) for line in world.gateway.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("job_id") == job_id]


def text_of(world: JobWorld) -> str:
    return world.gateway.log.read_text()


def refused_command(world: JobWorld, job_id: str) -> dict:
    return {**world.command(job_id), "execution_profile": {"queue_name": "none"}}


def test_each_command_of_a_batch_has_its_line_and_its_count(world):
    commands = [world.command("good"), refused_command(world, "bad")]
    answer = world.gateway.call("POST", "/api/runtime/jobs:batchSubmit", token=world.token, body={"commands": commands})
    accepted, refused = answer["outcomes"]
    [good], [bad] = lines_of(world, "good"), lines_of(world, "bad")
    assert (good["event"], good["submission_id"]) == ("submission accepted", accepted["accepted"]["submission_id"])
    assert (bad["event"], bad["code"], bad["trace_id"]) == (
        "request refused",
        "policy_rejected",
        refused["problem"]["trace_id"],
    )
    metrics = httpx.get(f"{world.url}/metrics").text
    assert 'slipway_refusals_total{code="policy_rejected"} 1.0' in metrics


def test_a_refusals_line_says_whose_request_it_was_and_of_which_job(world):
    for method, path, body in (
        ("POST", "/api/runtime/jobs:submit", refused_command(world, "wanted")),
        ("GET", "/api/runtime/jobs/wanted", None),
        ("POST", "/api/runtime/jobs/wanted:cancel", {}),
    ):
        with pytest.raises(StackError):
            world.gateway.call(method, path, token=world.token, body=body)
    lines = lines_of(world, "wanted")
    assert [line["code"] for line in lines] == ["policy_rejected", "job_not_found", "job_not_found"]
    assert {(line["tenant_id"], line["workspace_id"]) for line in lines} == {("lab", "physics")}


NAMES = (
    "trace_id",
    "tenant_id",
    "workspace_id",
    "job_id",
    "submission_id",
    "execution_id",
    "event_id",
    "state",
)


@pytest.mark.parametrize("call", ["jobs/{job_id}/events", "events:batchIngest"])
def test_a_refused_events_line_tells_ids_only(world, call):
    job = world.submit("told")
    path = f"/api/runtime/{call.format(**job)}"
    for name in NAMES:
        for said in (SECRET, "x" * 13_000):
            event = {**world.event(job, ExecutionState.ACCEPTED), name: said}
            body = {"events": [event]} if call.startswith("events") else event
            with contextlib.suppress(urllib.error.HTTPError):
                world.node.post(path, body)
    refused = [line for line in text_of(world).splitlines() if "event refused" in line]
    assert len(refused) == 2 * len(NAMES)
    assert not [line for line in refused if SECRET in line or len(line) > LINE_MAX_CHARACTERS]
    assert all(json.loads(line).keys() & set(NAMES) for line in refused)  # what is an id stays


def test_a_refused_events_line_tells_the_word_that_was_not_known(world):
    event = {**world.event(world.submit("told"), ExecutionState.ACCEPTED), "state": "on_fire"}
    with pytest.raises(urllib.error.HTTPError):
        world.node.post("/api/runtime/jobs/told/events", event)
    assert [line["state"] for line in lines_of(world, "told") if line["event"] == "event refused"] == ["on_fire"]


@pytest.mark.parametrize("part", [SECRET, "x" * 13_000])
def test_a_refusals_line_tells_no_part_of_a_path_that_is_no_id(world, part):
    answer = httpx.get(f"{world.url}/api/runtime/jobs/{part}/timeline", headers={"Authorization": "Bearer x"})
    (line,) = [line for line in text_of(world).splitlines() if answer.json()["trace_id"] in line]
    told = json.loads(line)
    assert (told["path"], told.get("job_id")) == ("/api/runtime/jobs/…/timeline", None)


def test_what_the_server_itself_has_to_say_is_a_json_line_too(world):
    with socket.create_connection(("127.0.0.1", world.gateway.port)) as line:
        line.sendall(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
        line.recv(1024)
    told = [json.loads(line) for line in world.gateway.log.read_text().splitlines()[1:]]
    assert [line["event"] for line in told if line.get("logger") == "uvicorn.error"] == [
        "Invalid HTTP request received."
    ]


def test_a_refusals_line_names_the_fields_and_not_what_they_said(world):
    secret = "SECRET " * 20
    command = {**world.command("odd"), "resource_shape": {"cpu": secret, "memory_mib": 0, "walltime_seconds": 1}}
    with pytest.raises(StackError):
        world.gateway.call("POST", "/api/runtime/jobs:submit", token=world.token, body={**command, secret: 1})
    [line] = [line for line in world.gateway.log.read_text().splitlines() if "request refused" in line]
    assert json.loads(line)["fields"] == ["resource_shape.cpu", "resource_shape.memory_mib"]
    assert "SECRET" not in line
