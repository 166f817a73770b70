"""What a small repository needs beside its pages and models to judge pull requests by: a whole plan."""

from collections.abc import Mapping

PLAN = """\
adr = "docs/adr/0004-runtime-contract-boundary.md"
meaning = [
  "packages/contracts/src/slipway_contracts/*.py",
  "packages/contracts/src/slipway_contracts/vectors/*.json",
]

[common]
document = "docs/contracts/README.md"
modules = ["__init__", "errors", "problem", "fields"]
paths = ["packages/contracts/src/slipway_contracts/vectors/*.json", "apps/api/src/slipway_gateway/auth.py"]

[surfaces.submit-job-command]
document = "docs/contracts/submit-job-command.md"
modules = ["submit_job_command"]
parts = ["ResourceShape"]
paths = ["apps/api/src/slipway_gateway/submit.py"]
tests = ["packages/contracts/tests/*.py", "apps/api/tests/*.py"]

[surfaces.execution-event]
document = "docs/contracts/execution-event.md"
modules = ["execution_event"]
paths = ["packages/contracts/src/slipway_contracts/compatibility.py", "apps/api/src/slipway_gateway/events.py"]
tests = ["packages/contracts/tests/*.py"]

[[lanes]]
name = "docs"
mode = "Show"
step = 1
what = "the documents"
surfaces = ["submit-job-command", "execution-event"]
paths = ["docs/*"]

[[lanes.criteria]]
says = "The decision is accepted"
evidence = "accepted"
of = ["docs/adr/0004-runtime-contract-boundary.md"]

[[lanes]]
name = "C"
mode = "Show"
step = 2
runtime = true
what = "the node"
surfaces = ["execution-event"]
paths = ["apps/node/*", "!apps/node/README.md"]

[[lanes.criteria]]
says = "The guide is there"
evidence = "present"
of = ["README.md"]

[[lanes.criteria]]
says = "The node's test is there"
evidence = "tested"
of = ["apps/node/tests/test_node.py::test_it_runs"]

[[lanes]]
name = "B"
mode = "Show"
step = 3
runtime = true
what = "the gateway"
surfaces = ["submit-job-command", "execution-event"]
paths = ["apps/api/*", "packages/contracts/*"]

[[lanes.criteria]]
says = "Events are taken once"
evidence = "idempotency"
of = ["execution-event"]
within = ["packages/contracts/tests/*.py"]

[[lanes.criteria]]
says = "Tenants are kept apart"
evidence = "tenant_boundary"
of = ["submit-job-command"]
within = ["packages/contracts/tests/*.py"]

[[lanes]]
name = "D"
mode = "Ship"
step = 4
what = "the retirement"
surfaces = []
paths = ["tools/contract_gate/*"]
"""

NODE_TEST = "def test_it_runs():\n    assert True\n"

ROLLOUT: Mapping[str, str] = {
    "docs/process/rollout.toml": PLAN,
    "apps/node/tests/test_node.py": NODE_TEST,
}
