"""What programs read and run in a small repository: models, lock files, configuration, tests."""

from collections.abc import Mapping

_CONTRACTS = "packages/contracts/src/slipway_contracts"

SOURCES: Mapping[str, str] = {
    ".gitignore": "__pycache__/\n",
    "pyproject.toml": """\
[tool.pytest.ini_options]
pythonpath = ["packages/contracts/src"]
markers = ["idempotency(surface): repetition", "tenant_boundary(surface): tenants"]

[tool.importlinter]
root_packages = ["slipway_contracts"]
include_external_packages = true

[[tool.importlinter.contracts]]
name = "Redis and task queues are not imported"
type = "forbidden"
source_modules = ["slipway_contracts"]
forbidden_modules = ["redis", "rq", "celery", "dramatiq", "arq"]
""",
    "uv.lock": """\
version = 1

[[package]]
name = "pydantic"
version = "2.12.0"
""",
    "pnpm-lock.yaml": """\
lockfileVersion: '9.0'
packages:
  openapi-typescript@7.10.1:
    resolution: {integrity: sha512-x}
""",
    "compose.yaml": """\
services:
  store:
    image: postgres:18
""",
    ".github/workflows/ci.yml": """\
name: ci
on: [push]
jobs:
  test:
    runs-on: ubuntu-24.04
    services:
      store:
        image: postgres:18
    steps:
      - uses: actions/checkout@v4
      - run: make test
""",
    # The two surfaces.
    f"{_CONTRACTS}/__init__.py": '"""The wire."""\n\nCONTRACT_VERSION = 1\n',
    f"{_CONTRACTS}/fields.py": '''\
"""What fields are made of."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

ID_PATTERN = r"^[A-Za-z0-9._~-]{1,128}$"
Id = Annotated[str, Field(pattern=ID_PATTERN, description="Letters, digits and . _ ~ -; 1 to 128 of them")]


class ProductModel(BaseModel):
    """A body that a product sends: an unknown field is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NodeModel(BaseModel):
    """A body that a node sends: unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)
''',
    f"{_CONTRACTS}/errors.py": '''\
"""The table of codes."""

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """Every code."""

    UNAUTHORIZED = "unauthorized"
    INVALID_REQUEST = "invalid_request"
    JOB_ACTIVE = "job_active"
    INVALID_EVENT = "invalid_event"


@dataclass(frozen=True)
class ErrorSpec:
    """One row."""

    status: int
    retryable: bool
    meaning: str
    answered_by: str = "gateway"


ERRORS = {
    Code.UNAUTHORIZED: ErrorSpec(401, False, "The credential is unknown"),
    Code.INVALID_REQUEST: ErrorSpec(400, False, "A field is missing or malformed"),
    Code.JOB_ACTIVE: ErrorSpec(409, False, "The job has an open submission"),
    Code.INVALID_EVENT: ErrorSpec(400, False, "The event is malformed"),
}
''',
    f"{_CONTRACTS}/problem.py": '''\
"""The shape of an error."""

from pydantic import BaseModel, Field


class Problem(BaseModel):
    """An error answer."""

    code: str = Field(description="One of the table")
    errors: list[str] = Field(default_factory=list, description="The fields that did not hold")
''',
    f"{_CONTRACTS}/submit_job_command.py": '''\
"""Surface 1: SubmitJobCommand, product backend to gateway."""

from pydantic import Field

from slipway_contracts.fields import Id, ProductModel


class ResourceShape(ProductModel):
    """What the job may use."""

    cpu: int = Field(ge=1, description="vCPU")
    memory_mib: int | None = Field(default=None, ge=1, description="MiB")


class SubmitJobCommand(ProductModel):
    """One job, to be run once."""

    job_id: Id = Field(description="The product's id of the job")
    resource_shape: ResourceShape
    labels: list[Id] = Field(default_factory=list, max_length=8, description="Shown to people")


class SubmitJobAccepted(ProductModel):
    """The intent is durable."""

    job_id: Id = Field(description="The product's id of the job")
    submission_id: Id = Field(description="Opaque and immutable")
''',
    f"{_CONTRACTS}/execution_event.py": '''\
"""Surface 2: ExecutionEvent, management node to gateway."""

from enum import StrEnum

from pydantic import Field

from slipway_contracts.fields import Id, NodeModel


class ExecutionState(StrEnum):
    """What the node says of an execution."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


class ExecutionEvent(NodeModel):
    """The state that an execution has reached."""

    event_id: Id = Field(description="Derived from submission and state")
    submission_id: Id = Field(description="The submission this is about")
    state: ExecutionState = Field(description="The execution's state")
    status_detail: str | None = Field(default=None, max_length=2000, description="A line for people")


class EventReceived(NodeModel):
    """The event was applied, now or before."""

    idempotent: bool = Field(default=False, description="True where it had been applied before")
''',
    f"{_CONTRACTS}/compatibility.py": '''\
"""What the words of older emitters mean."""

from dataclasses import dataclass

from slipway_contracts.execution_event import ExecutionState


@dataclass(frozen=True)
class Meaning:
    """What a word means."""

    state: ExecutionState
    error_code: str | None = None
    retryable: bool = False


WORDS = {
    "started": Meaning(ExecutionState.RUNNING),
    "done": Meaning(ExecutionState.COMPLETED),
    "node_fail": Meaning(ExecutionState.FAILED, "node_failure", retryable=True),
}
''',
    # What is generated, and the commands that generate it (tests/tools_on_path.py stands in for uv and pnpm).
    "apps/api/scripts/export_openapi.py": '''\
"""Write what the code says, or check it."""

import json
import sys
from pathlib import Path

TARGET = Path("packages/api-client/openapi/openapi.json")
CALLS = {
    "/api/runtime/jobs:submit": ("SubmitJobCommand", "SubmitJobAccepted"),
    "/api/runtime/jobs/{job_id}/events": ("ExecutionEvent", "EventReceived"),
}


def body(model):
    return {"$ref": f"#/components/schemas/{model}"}


paths = {
    path: {"post": {"requestBody": body(asked), "responses": {"200": body(answered)}}}
    for path, (asked, answered) in CALLS.items()
}
schemas = {model: {} for models in CALLS.values() for model in models}
text = json.dumps({"components": {"schemas": schemas}, "paths": paths}, sort_keys=True, indent=2) + "\\n"
if "--check" not in sys.argv:
    TARGET.write_text(text)
elif TARGET.read_text() != text:
    sys.exit("drift: openapi.json is not what the code says")
''',
    "packages/api-client/package.json": '{"scripts": {"generate": "python3 generate.py"}}\n',
    "packages/api-client/generate.py": '''\
"""Write the client from the OpenAPI document."""

import json
from pathlib import Path

document = json.loads(Path("openapi/openapi.json").read_text())
names = sorted(document["components"]["schemas"])
Path("src/generated/schema.ts").write_text("".join(f"export interface {name} {{}}\\n" for name in names))
''',
    "packages/api-client/openapi/openapi.json": """\
{
  "components": {
    "schemas": {
      "EventReceived": {},
      "ExecutionEvent": {},
      "SubmitJobAccepted": {},
      "SubmitJobCommand": {}
    }
  },
  "paths": {
    "/api/runtime/jobs/{job_id}/events": {
      "post": {
        "requestBody": {
          "$ref": "#/components/schemas/ExecutionEvent"
        },
        "responses": {
          "200": {
            "$ref": "#/components/schemas/EventReceived"
          }
        }
      }
    },
    "/api/runtime/jobs:submit": {
      "post": {
        "requestBody": {
          "$ref": "#/components/schemas/SubmitJobCommand"
        },
        "responses": {
          "200": {
            "$ref": "#/components/schemas/SubmitJobAccepted"
          }
        }
      }
    }
  }
}
""",
    "packages/api-client/src/generated/schema.ts": """\
export interface EventReceived {}
export interface ExecutionEvent {}
export interface SubmitJobAccepted {}
export interface SubmitJobCommand {}
""",
    "packages/contracts/tests/test_boundaries.py": """\
import pytest


@pytest.mark.idempotency("submit-job-command")
def test_a_repeated_submit_creates_one_submission():
    assert True


@pytest.mark.tenant_boundary("submit-job-command")
def test_a_tenant_cannot_submit_for_another():
    assert True


@pytest.mark.idempotency("execution-event")
def test_a_repeated_event_is_applied_once():
    assert True


@pytest.mark.tenant_boundary("execution-event")
def test_a_node_cannot_tell_of_another_tenants_job():
    assert True
""",
}
