"""What no log may hold: a token, a key, a payload. Logs of a real flow, and of refusals with secrets in odd places."""

import re
from pathlib import Path

import httpx
import pytest
from product import Stack, counting_job, document

pytestmark = [pytest.mark.service("aiida"), pytest.mark.timeout(240)]
PAYLOAD = "PAYLOAD-8c1f"
SECRET = "SECRET-77ab"
CREDENTIALS = {
    "a JWT": re.compile(r"eyJ[\w-]{8,}\.[\w-]{8,}"),
    "a join token": re.compile(r"join_[\w-]{20,}"),
    "a private key": re.compile(r"PRIVATE KEY"),
    "a bearer header": re.compile(r"bearer \S", re.IGNORECASE),
}
FLOW_FIELDS = ("trace_id", "tenant_id", "workspace_id", "job_id", "submission_id")


def flow_with_a_marked_payload(stack: Stack) -> str:
    uri = document(
        stack.shared / "marked",
        f"""\
        slipway: 1
        kind: shell
        program: python3
        arguments: ["{{script}}", "{PAYLOAD}"]
        files: {{script: {{uri: say.py}}}}
        """,
        say__py=f"import sys; print('{PAYLOAD}', sys.argv)",
    )
    job_id = stack.product.submit(uri)
    assert stack.product.wait(job_id)["projection_state"] == "succeeded"
    return job_id


def refusals_with_secrets(stack: Stack) -> None:
    """Send secrets where they do not belong; each answer is a refusal, and none a fault."""
    product = stack.product
    api = f"{product.url}/api/runtime"
    good = {"Authorization": f"Bearer {product.token}"}
    answers = [
        httpx.get(f"{api}/jobs", headers={"Authorization": f"Bearer {SECRET}.{SECRET}.{SECRET}"}),
        httpx.get(f"{api}/jobs?token={SECRET}", headers=good),
        httpx.get(f"{api}/jobs?cursor={SECRET}", headers=good),
        httpx.get(f"{api}/stream", headers={**good, "Last-Event-ID": SECRET}),
        httpx.post(f"{api}/jobs:submit", headers=good, content=f'{{"password": "{SECRET}"'),
        httpx.post(f"{api}/nodes:enroll", json={"token": f"join_{SECRET * 4}", "public_key": SECRET}),
        httpx.post(f"{api}/jobs/any/events", headers=good, json={"error": {"message": PAYLOAD}}),
        product.request("POST", "/jobs:submit", product.command(f"https://user:{SECRET}@inputs.example/x")),
    ]
    assert all(400 <= answer.status_code < 500 for answer in answers), [answer.status_code for answer in answers]


def jobs_that_fail_on_the_node(stack: Stack) -> None:
    broken = document(stack.shared / "broken", f"slipway: 1\nkind: shell\nprogram: {PAYLOAD}\n")
    for uri in (broken, f"data:,{PAYLOAD}"):
        job_id = stack.product.submit(uri)
        assert stack.product.wait(job_id)["projection_state"] == "failed"


def test_no_log_holds_a_token_a_key_or_a_payload(stack: Stack) -> None:
    job_id = flow_with_a_marked_payload(stack)
    refusals_with_secrets(stack)
    jobs_that_fail_on_the_node(stack)
    stack.product.wait(stack.product.submit(counting_job(stack.shared, 0)[0]))
    logs = {path: path.read_text() for path in logs_of(stack)}
    assert all(job_id in text for path, text in logs.items() if path.parent == stack.gateway.log.parent)
    found = [
        f"{path.name}: {what}: {line[:200]}"
        for path, text in logs.items()
        for line in text.splitlines()
        for what, pattern in {**CREDENTIALS, "a secret": re.compile(SECRET), "a payload": re.compile(PAYLOAD)}.items()
        if pattern.search(line)
    ]
    assert not found, "\n".join(found)


def logs_of(stack: Stack) -> list[Path]:
    """Return the logs of gateway and agent."""
    return [stack.gateway.log, stack.node.log]


def test_a_log_line_of_a_flow_carries_the_contracts_fields(stack: Stack) -> None:
    job_id = stack.product.submit(counting_job(stack.shared, 0)[0])
    stack.product.wait(job_id)
    for log in logs_of(stack):
        lines = [line for line in log.read_text().splitlines() if f'"{job_id}"' in line]
        assert lines, log.name
        for line in lines:
            assert not [name for name in FLOW_FIELDS if f'"{name}"' not in line], line[:300]
