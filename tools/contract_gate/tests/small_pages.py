"""What people read in a small repository: the contract's pages, decisions, the rollout."""

from collections.abc import Mapping

_README = """\
# The runtime contract

| surface | page |
| --- | --- |
| 1 SubmitJobCommand | [submit-job-command.md](submit-job-command.md) |
| 2 ExecutionEvent | [execution-event.md](execution-event.md) |
| (none) | [redis-rq-retirement-boundary.md](redis-rq-retirement-boundary.md) |

## Errors

### Problem

| field | type | default | meaning |
| --- | --- | --- | --- |
| `code` | text |  | One of the table |
| `errors` | list of text | empty | The fields that did not hold |

### The error table

| code | status | retryable | meaning | answered by |
| --- | --- | --- | --- | --- |
| `unauthorized` | 401 | no | The credential is unknown | gateway |
| `invalid_request` | 400 | no | A field is missing or malformed | gateway |
| `job_active` | 409 | no | The job has an open submission | gateway |
| `invalid_event` | 400 | no | The event is malformed | gateway |

Any endpoint may answer `unauthorized`.
"""

_SUBMIT_JOB_COMMAND = """\
# Surface 1: SubmitJobCommand

## Purpose

A product asks that one job be run once.

## Producer and consumer

A product backend; the gateway.

## Required fields

### SubmitJobCommand

| field | type | meaning |
| --- | --- | --- |
| `job_id` | id | The product's id of the job |
| `resource_shape.cpu` | integer ≥ 1 | vCPU |

## Optional fields

### SubmitJobCommand

| field | type | default | meaning |
| --- | --- | --- | --- |
| `resource_shape.memory_mib` | integer ≥ 1 | unset | MiB |
| `labels` | list of id ≤ 8 | empty | Shown to people |

## Idempotency key

The job's id.

## Retry policy

Repeating is safe.

## Success response

### SubmitJobAccepted

| field | type | default | meaning |
| --- | --- | --- | --- |
| `job_id` | id |  | The product's id of the job |
| `submission_id` | id |  | Opaque and immutable |

## Error semantics

| code | status | retryable | meaning | here |
| --- | --- | --- | --- | --- |
| `invalid_request` | 400 | no | A field is missing or malformed | an unknown field too |
| `job_active` | 409 | no | The job has an open submission | it has not ended |

## Tenant and security boundary

The credential's tenant.

## Observability fields

`job_id`, `submission_id`.

## SoR mapping

### SubmitJobCommand

| field | owner | writer | kept in |
| --- | --- | --- | --- |
| `job_id` | Product SoR | product | submission record |
| `resource_shape.cpu` | Product SoR | product | submission record |
| `resource_shape.memory_mib` | Product SoR | product | submission record |
| `labels` | Product SoR | product | submission record |

### SubmitJobAccepted

| field | owner | writer | kept in |
| --- | --- | --- | --- |
| `job_id` | Product SoR | product | submission record |
| `submission_id` | Product SoR | gateway | submission record |

## Compatibility

New optional fields.
"""

_EXECUTION_EVENT = """\
# Surface 2: ExecutionEvent

## Purpose

A node tells the state that an execution has reached.

## Producer and consumer

A management node; the gateway.

## Required fields

### ExecutionEvent

| field | type | meaning |
| --- | --- | --- |
| `event_id` | id | Derived from submission and state |
| `submission_id` | id | The submission this is about |
| `state` | `running` · `completed` · `failed` | The execution's state |

## Optional fields

### ExecutionEvent

| field | type | default | meaning |
| --- | --- | --- | --- |
| `status_detail` | text ≤ 2000 | unset | A line for people |

## Idempotency key

The event's id.

## Retry policy

For ever.

## Success response

### EventReceived

| field | type | default | meaning |
| --- | --- | --- | --- |
| `idempotent` | boolean | `false` | True where it had been applied before |

## Error semantics

| code | status | retryable | meaning | here |
| --- | --- | --- | --- | --- |
| `invalid_event` | 400 | no | The event is malformed | an unknown word too |

## Tenant and security boundary

The node's own submissions.

## Observability fields

`event_id`, `submission_id`.

## SoR mapping

### ExecutionEvent

| field | owner | writer | kept in |
| --- | --- | --- | --- |
| `event_id` | Execution SoR | node | outbox |
| `submission_id` | Product SoR | gateway | submission record |
| `state` | Execution SoR | node | AiiDA process |
| `status_detail` | Execution SoR | node | AiiDA process |

### EventReceived

| field | owner | writer | kept in |
| --- | --- | --- | --- |
| `idempotent` | in transit | gateway | told in the answer only |

## Compatibility

| word | state | error code | retryable |
| --- | --- | --- | --- |
| `started` | `running` |  |  |
| `done` | `completed` |  |  |
| `node_fail` | `failed` | `node_failure` | yes |
"""

_BOUNDARY = """\
# The Redis/RQ retirement boundary

There is none of it.

## Exceptions

| what | owner | reason | expiry | removal issue |
| --- | --- | --- | --- | --- |
"""

_DECISIONS = {
    "0001-owners": "Which system owns which fact",
    "0002-lifecycle": "The lifecycle is a state machine",
    "0003-single-write": "One write is the commit point",
    "0004-runtime-contract-boundary": "The runtime contract",
}


def _decision(number: str, title: str) -> str:
    sections = "".join(f"\n## {name}\n\nSaid.\n" for name in ("Context", "Decision", "Rejected ideas", "Consequences"))
    return f"# ADR-{number}: {title}\n\nStatus: Accepted\n{sections}"


_ROLLOUT = """\
# How the runtime contract is rolled out

[ADR-0004](../adr/0004-runtime-contract-boundary.md) and [the contract](../contracts/README.md) are carried out
in lanes.

## Lanes and merge order

| step | lane | mode | what lands | surfaces |
| --- | --- | --- | --- | --- |
| 1 | docs | Show | the documents | all |
| 2 | C | Show | the node | `execution-event` |
| 3 | B | Show | the gateway | all |
| 4 | D | Ship | the retirement | none |
"""

_PLAN = """\
adr = "docs/adr/0004-runtime-contract-boundary.md"

[surfaces.submit-job-command]
document = "docs/contracts/submit-job-command.md"
modules = ["submit_job_command"]
parts = ["ResourceShape"]
paths = ["apps/api/src/slipway_gateway/submit.py"]

[surfaces.execution-event]
document = "docs/contracts/execution-event.md"
modules = ["execution_event", "compatibility"]
paths = ["apps/api/src/slipway_gateway/events.py"]

[[lanes]]
name = "docs"
mode = "Show"
step = 1
what = "the documents"
surfaces = ["submit-job-command", "execution-event"]
paths = ["docs/adr/*", "docs/contracts/*"]

[[lanes]]
name = "C"
mode = "Show"
step = 2
what = "the node"
surfaces = ["execution-event"]
paths = ["apps/node/*"]

[[lanes]]
name = "B"
mode = "Show"
step = 3
what = "the gateway"
surfaces = ["submit-job-command", "execution-event"]
paths = ["apps/api/*", "packages/contracts/*"]

[[lanes]]
name = "D"
mode = "Ship"
step = 4
what = "the retirement"
surfaces = []
paths = ["tools/contract_gate/*"]
"""

_MAP = """\
facts = ["job_id", "submission_id"]

[surfaces.submit-job-command.SubmitJobCommand]
job_id = { owner = "Product SoR", writer = "product", readers = ["gateway"] }
"resource_shape.cpu" = { owner = "Product SoR", writer = "product", readers = ["gateway"] }
"resource_shape.memory_mib" = { owner = "Product SoR", writer = "product", readers = ["gateway"] }
labels = { owner = "Product SoR", writer = "product", readers = ["gateway"] }

[surfaces.submit-job-command.SubmitJobAccepted]
job_id = { owner = "Product SoR", writer = "product", readers = ["product"] }
submission_id = { owner = "Product SoR", writer = "gateway", readers = ["product"] }

[surfaces.execution-event.ExecutionEvent]
event_id = { owner = "Execution SoR", writer = "node", readers = ["gateway"] }
submission_id = { owner = "Product SoR", writer = "gateway", readers = ["gateway"] }
state = { owner = "Execution SoR", writer = "node", readers = ["gateway"] }
status_detail = { owner = "Execution SoR", writer = "node", readers = ["gateway"] }

[surfaces.execution-event.EventReceived]
idempotent = { owner = "in transit", writer = "gateway", readers = ["node"] }
"""

PAGES: Mapping[str, str] = {
    "README.md": "# Small\n\n[The contract](docs/contracts/README.md).\n",
    "docs/contracts/README.md": _README,
    "docs/contracts/submit-job-command.md": _SUBMIT_JOB_COMMAND,
    "docs/contracts/execution-event.md": _EXECUTION_EVENT,
    "docs/contracts/redis-rq-retirement-boundary.md": _BOUNDARY,
    "docs/contracts/sor-map.toml": _MAP,
    "docs/process/runtime-contract-rollout.md": _ROLLOUT,
    "docs/process/rollout.toml": _PLAN,
    "docs/adr/README.md": "# Decisions\n\n| page | decision | status |\n| --- | --- | --- |\n"
    + "".join(f"| [{page[:4]}]({page}.md) | {title} | Accepted |\n" for page, title in _DECISIONS.items()),
    **{f"docs/adr/{page}.md": _decision(page[:4], title) for page, title in _DECISIONS.items()},
}
