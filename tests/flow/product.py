"""A product backend, as small as one can be: it speaks HTTP and knows nothing else of Slipway."""

import json
import textwrap
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import httpx
from local_stack import TENANT, USER, WORKSPACE, Gateway, Node

TERMINAL = {"succeeded", "failed", "cancelled"}

COUNTING_JOB = """
import sys, time
effects, seconds = sys.argv[1], float(sys.argv[2])
with open(effects, "a") as out:
    out.write("began\\n")
time.sleep(seconds)
with open(effects, "a") as out:
    out.write("ended\\n")
print("slept", seconds)
sys.exit(int(sys.argv[3]))
"""


@dataclass
class Product:
    """Submits, cancels and reads jobs of one workspace on one node."""

    url: str
    token: str
    node_id: str

    def request(self, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
        """Call the API and return the answer, whatever it says."""
        auth = {"Authorization": f"Bearer {self.token}", **headers}
        return httpx.request(method, f"{self.url}/api/runtime{path}", json=body, headers=auth, timeout=30)

    def command(self, input_uri: str, queue: str = "default", **fields: object) -> dict[str, object]:
        """Return a SubmitJobCommand for the document at ``input_uri``."""
        return {
            "tenant_id": TENANT,
            "workspace_id": WORKSPACE,
            "job_id": f"job-{uuid.uuid4().hex[:8]}",
            "idempotency_key": uuid.uuid4().hex,
            "management_node_id": self.node_id,
            "execution_profile": {"queue_name": queue},
            "resource_shape": {"cpu": 1, "memory_mib": 512, "walltime_seconds": 300},
            "payload_ref": {"input_uri": input_uri},
            "requested_by": {"user_id": USER},
            **fields,
        }

    def submit(self, input_uri: str, queue: str = "default", **fields: object) -> str:
        """Submit the document at ``input_uri`` and return the job's id."""
        command = self.command(input_uri, queue, **fields)
        answer = self.request("POST", "/jobs:submit", command)
        assert answer.status_code == 202, answer.text
        return str(command["job_id"])

    def projection(self, job_id: str) -> dict:
        """Return the job's projection."""
        answer = self.request("GET", f"/jobs/{job_id}/projection")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def timeline(self, job_id: str) -> list[dict]:
        """Return the job's changes, oldest first."""
        answer = self.request("GET", f"/jobs/{job_id}/timeline")
        assert answer.status_code == 200, answer.text
        return answer.json()["entries"]

    def wait(self, job_id: str, states: set[str] = TERMINAL, timeout_seconds: float = 90) -> dict:
        """Wait until the job is in one of ``states``; a gateway that is away is asked again."""
        deadline = time.monotonic() + timeout_seconds
        seen = None
        while time.monotonic() < deadline:
            try:
                seen = self.projection(job_id)
            except httpx.TransportError:
                time.sleep(0.1)
                continue
            if seen["projection_state"] in states:
                return seen
            time.sleep(0.1)
        raise AssertionError(f"{job_id} is not in {states} after {timeout_seconds} s: {json.dumps(seen, indent=1)}")


@dataclass
class Stack:
    """One gateway, one node, and the product that talks to them; `shared` is where job documents may lie."""

    gateway: Gateway
    node: Node
    product: Product
    shared: Path


def document(folder: Path, text: str, **files: str) -> str:
    """Write a job document and the files beside it; return its URI."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)
    path = folder / "slipway.yaml"
    path.write_text(textwrap.dedent(text))
    return path.as_uri()


def counting_job(shared: Path, seconds: float, *, exit_status: int = 0) -> tuple[str, Path]:
    """Write a job that appends a line to a file as it begins and as it ends: its side effect is what is counted."""
    folder = shared / f"counting-{uuid.uuid4().hex[:8]}"
    effects = folder / "effects"
    uri = document(
        folder,
        f"""\
        slipway: 1
        kind: shell
        program: python3
        arguments: ["{{script}}", "{effects}", "{seconds}", "{exit_status}"]
        files:
          script:
            uri: count.py
        """,
        count__py=COUNTING_JOB,
    )
    return uri, effects


def effects_of(effects: Path) -> list[str]:
    """Return what the job did, as it wrote it down itself."""
    return effects.read_text().split() if effects.exists() else []
