"""What the gateway's log tells of what it accepted and refused."""

import json

import httpx
import pytest
from job_world import JobWorld
from local_stack import Gateway, StackError

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
