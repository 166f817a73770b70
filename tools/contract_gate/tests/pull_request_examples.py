"""A pull request that brings everything, and of each rule of `contract-gate pr` examples that change it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rule_examples import Example, Examples
from small_repository import SmallRepository

from contract_gate.change import Change, change_since
from contract_gate.pull_request import GATE

CONTRACTS = "packages/contracts/src/slipway_contracts"
COMMAND, EVENT = f"{CONTRACTS}/submit_job_command.py", f"{CONTRACTS}/execution_event.py"
ERRORS, COMPATIBILITY = f"{CONTRACTS}/errors.py", f"{CONTRACTS}/compatibility.py"
MAP, PLAN = "docs/contracts/sor-map.toml", "docs/process/rollout.toml"
PAGE = "docs/contracts/submit-job-command.md"
ADR = "docs/adr/0004-runtime-contract-boundary.md"
TESTS = "packages/contracts/tests/test_boundaries.py"
HEADER = "| field | owner | writer | readers |\n| --- | --- | --- | --- |\n"
ROW = "| `SubmitJobCommand.priority` | Product SoR | product | gateway |\n"
IN_MAP = 'priority = { owner = "Product SoR", writer = "product", readers = ["gateway"] }\n'
BODY = f"""\
A job has a priority.

Surface: [submit-job-command]({PAGE}), by [ADR-0004]({ADR}).

Mode: Ask
Reviewed by: @reviewer

{HEADER}{ROW}"""


@dataclass(slots=True)
class PullRequest:
    """A pull request that adds a field, with all that it has to bring; examples change it."""

    small: SmallRepository
    base: str
    body: str = BODY
    results: Path | None = None

    def adds_a_field(self) -> None:
        self.small.replace(COMMAND, "    labels:", "    priority: int = 0\n    labels:")
        self.small.replace(MAP, "labels = ", f"{IN_MAP}labels = ")

    def undo(self) -> None:
        """Begin again with the tree of the base."""
        self.small.git("checkout", "--quiet", "--", ".")

    def says(self, old: str, new: str) -> None:
        assert old in self.body
        self.body = self.body.replace(old, new, 1)

    def ran(self, **outcomes: str) -> None:
        """Write a results file of the tests that cover the surface, by their names; ``absent`` ones are not in it."""
        tests = ("test_a_repeated_submit_creates_one_submission", "test_a_tenant_cannot_submit_for_another")
        bodies = {"passed": "", "failed": "<failure/>", "broke": "<error/>", "skipped": "<skipped/>"}
        cases = [
            f'<testcase classname="packages.contracts.tests.test_boundaries" name="{name}">{bodies[outcome]}</testcase>'
            for name in dict.fromkeys((*tests, *outcomes))
            if (outcome := outcomes.get(name, "passed")) != "absent"
        ]
        self.results = self.small.root.parent / "results.xml"
        self.results.write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>")

    def read(self) -> Change:
        return change_since(self.small.repository, self.base, self.body, self.results)

    def judged(self) -> list[tuple[str, str]]:
        return judged(self.read())


def judged(change: Change, *without: str) -> list[tuple[str, str]]:
    """Return (rule, message) of what falls short."""
    return [(each.rule, each.message) for each in GATE.judge(change, without=frozenset(without)).findings]


Edit = Callable[[PullRequest], object]


def says(old: str, new: str) -> Edit:
    return lambda pr: pr.says(old, new)


def in_tree(file: str, old: str, new: str) -> Edit:
    return lambda pr: pr.small.replace(file, old, new)


def all_of(*edits: Edit) -> Edit:
    return lambda pr: [edit(pr) for edit in edits]


def ran(**outcomes: str) -> Edit:
    return lambda pr: pr.ran(**outcomes)


def instead(*edits: Edit) -> Edit:
    """Return what does ``edits`` in the place of adding a field."""
    return all_of(PullRequest.undo, *edits)


SECOND_FIELD = all_of(
    in_tree(COMMAND, "    labels:", "    note: str | None = None\n    labels:"),
    in_tree(MAP, "labels = ", 'note = { owner = "Product SoR", writer = "product", readers = ["gateway"] }\nlabels = '),
)
VECTORS = f"{CONTRACTS}/vectors/words.json"
VALIDATOR = """
    @model_validator(mode="after")
    def _is_told(self) -> "ExecutionEvent":
        if not self.event_id:
            raise ValueError("it has no id")
        return self

"""
WITH_A_VALIDATOR = all_of(
    in_tree(EVENT, "import Field", "import Field, model_validator"),
    in_tree(EVENT, "\n\nclass EventReceived", f"{VALIDATOR}\nclass EventReceived"),
)
"""What no schema shows."""
LABELS_IN_MAP = 'labels = { owner = "Product SoR", writer = "product", readers = ["gateway"] }\n'
REMOVED_FIELD = all_of(
    in_tree(
        COMMAND, '    labels: list[Id] = Field(default_factory=list, max_length=8, description="Shown to people")\n', ""
    ),
    in_tree(MAP, LABELS_IN_MAP, ""),
)
NO_TABLE = says(HEADER + ROW, "")
IDEMPOTENT, TENANT = "test_a_repeated_submit_creates_one_submission", "test_a_tenant_cannot_submit_for_another"
ANOTHER = '\n\n@pytest.mark.idempotency("submit-job-command")\ndef test_another():\n    assert True\n'

EXAMPLES: Examples = {
    "documents-referenced": Example(
        all_of(
            says(f"({PAGE})", f"(https://example.org/slipway/blob/main/{PAGE}#purpose)"),
            in_tree(COMPATIBILITY, "WORDS = {", "# By word.\nWORDS = {"),
        ),
        {
            f"does not refer to {PAGE}": says(f"({PAGE})", "(docs/contracts/)"),
            "touches packages/contracts/src/slipway_contracts/submit_job_command.py": says(PAGE, "its page"),
            f"does not refer to {PAGE}, and": says(
                f"[submit-job-command]({PAGE})", f"<!-- {PAGE} -->\n```\n{PAGE}\n```\n"
            ),
            "does not refer to docs/contracts/README.md": in_tree(ERRORS, "is unknown", "is missing or unknown"),
            "refers to no page of docs/contracts, and the change is of a runtime lane": instead(
                lambda pr: pr.small.write("apps/node/src/slipway_node/backoff.py", "SECONDS = 1\n"),
                lambda pr: setattr(pr, "body", ADR),
            ),
            "README.md, and the change touches apps/api/src/slipway_gateway/auth.py": lambda pr: pr.small.write(
                "apps/api/src/slipway_gateway/auth.py", "OPEN = True\n"
            ),
            "execution-event.md, and the change touches apps/api": lambda pr: pr.small.write(
                "apps/api/src/slipway_gateway/events.py", "TAKEN = 1\n"
            ),
        },
    ),
    "adr-linked": Example(
        says(f"[ADR-0004]({ADR})", ADR),
        {
            "does not link docs/adr/0004-": says(f"[ADR-0004]({ADR})", "ADR-0004"),
            "which the change carries out": instead(
                lambda pr: pr.small.write("apps/node/src/slipway_node/backoff.py", "SECONDS = 1\n"),
                lambda pr: setattr(pr, "body", PAGE),
            ),
        },
    ),
    "sor-table": Example(
        says("| field | owner |", "|Field|Owner|"),
        {
            "1 field(s) change, and the description has no table": NO_TABLE,
            "has no table | field | owner | writer | readers |": says("| field |", "| what |"),
            "line 11 of the description is no row": says(ROW, f"{ROW}| labels | Product SoR | product |\n"),
        },
    ),
    "sor-rows": Example(
        all_of(SECOND_FIELD, says(ROW, ROW + ROW.replace("priority", "note"))),
        {
            "SubmitJobCommand.note is new, and the SoR mapping table has no row": SECOND_FIELD,
            "by the map: | `SubmitJobCommand.priority` | Product SoR | product | gateway |": says(ROW, "| | | | |\n"),
            "SubmitJobCommand.resource_shape.cpu is defined in another way": in_tree(
                COMMAND, "ge=1, desc", "ge=2, desc"
            ),
            "SubmitJobCommand.labels is removed": REMOVED_FIELD,
            "SubmitJobCommand.labels has another owner, writer or reader": in_tree(
                MAP, LABELS_IN_MAP, LABELS_IN_MAP.replace('["gateway"]', '["gateway", "node"]')
            ),
            "SubmitJobCommand.labels has another owner": in_tree(
                MAP,
                'labels = { owner = "Product SoR", writer = "product"',
                'labels = { owner = "Product SoR", writer = "node"',
            ),
            "ExecutionEvent.state is defined in another way": all_of(
                in_tree(EVENT, '    FAILED = "failed"', '    FAILED = "failed"\n    CANCELLED = "cancelled"'),
                says("Surface:", "Surfaces: docs/contracts/execution-event.md,"),
            ),
        },
    ),
    "sor-fields-exist": Example(
        all_of(
            REMOVED_FIELD,
            says(ROW, ROW + ROW.replace("priority", "labels")),
        ),
        {
            "no model has a field SubmitJobCommand.labls; is it SubmitJobCommand.labels?": says(
                ROW, ROW + ROW.replace("priority", "labls")
            ),
            "no model has a field cpu; is it SubmitJobCommand.resource_shape.cpu?": says(
                ROW, ROW + ROW.replace("SubmitJobCommand.priority", "cpu")
            ),
        },
    ),
    "sor-owners": Example(
        all_of(
            in_tree(
                MAP,
                'labels = { owner = "Product SoR", writer = "product"',
                'labels = { owner = "in transit", writer = "product"',
            ),
            says(ROW, f"{ROW}| SubmitJobCommand.labels | in transit | product | gateway |\n"),
        ),
        {
            "line 10 of the description, SubmitJobCommand.priority: Redis is no owner": says(
                "| Product SoR |", "| Redis |"
            ),
            "(empty) is no writer; known are product, admin, gateway, node": says("| product |", "| |"),
            "owner Execution SoR, in docs/contracts/sor-map.toml Product SoR": says(
                "| Product SoR |", "| Execution SoR |"
            ),
            "writer node, in docs/contracts/sor-map.toml product": says("| product |", "| node |"),
            "readers gateway, node, in docs/contracts/sor-map.toml gateway": says("| gateway |", "| node, gateway |"),
        },
    ),
    "one-owner": Example(
        lambda pr: pr.small.replace(MAP, 'facts = ["job_id", ', 'facts = ["job_id", "event_id", '),
        {
            "SubmitJobCommand.priority has no owner and no writer": in_tree(MAP, IN_MAP, ""),
            "SubmitJobCommand.urgency is no field of submit-job-command's models": in_tree(
                MAP, IN_MAP, IN_MAP + IN_MAP.replace("priority", "urgency")
            ),
            "submission_id is one fact": all_of(
                in_tree(
                    MAP,
                    'submission_id = { owner = "Product SoR", writer = "gateway", readers = ["gateway"]',
                    'submission_id = { owner = "Product SoR", writer = "node", readers = ["gateway"]',
                ),
                says(ROW, f"{ROW}| ExecutionEvent.submission_id | Product SoR | node | gateway |\n"),
                says("Surface:", "Surfaces: docs/contracts/execution-event.md,"),
            ),
        },
    ),
    "modules-claimed": Example(
        lambda pr: pr.small.write(f"{CONTRACTS}/rounding.py", "def rounded(number):\n    return round(number)\n"),
        {
            "rests defines models; give it to a surface of docs/process/rollout.toml": lambda pr: pr.small.write(
                f"{CONTRACTS}/rests.py",
                "from slipway_contracts.fields import Id, NodeModel\n\n\nclass Rest(NodeModel):\n    job_id: Id\n",
            ),
            "fields defines models": in_tree(PLAN, ', "fields"]', "]"),
        },
    ),
    "idempotency-tests": Example(
        all_of(
            in_tree(TESTS, '@pytest.mark.idempotency("submit-job-command")', "@once"),
            in_tree(
                TESTS, "import pytest\n", 'import pytest\n\nonce = pytest.mark.idempotency("submit-job-command")\n'
            ),
        ),
        {
            'is marked idempotency("submit-job-command")': in_tree(
                TESTS, '@pytest.mark.idempotency("submit-job-command")\n', ""
            ),
            "no test in packages/contracts/tests/*.py, apps/api/tests/*.py is marked idempotency": in_tree(
                TESTS,
                '@pytest.mark.idempotency("submit-job-command")',
                '@pytest.mark.skip\n@pytest.mark.idempotency("submit-job-command")',
            ),
        },
    ),
    "tenant-tests": Example(
        all_of(
            in_tree(TESTS, '@pytest.mark.tenant_boundary("submit-job-command")\n', ""),
            lambda pr: pr.small.write(
                "apps/api/tests/test_it.py",
                'import pytest\n\npytestmark = [pytest.mark.tenant_boundary("submit-job-command")]\n\n\n'
                "class TestIt:\n    async def test_that(self):\n        assert True\n",
            ),
        ),
        {
            'is marked tenant_boundary("submit-job-command")': in_tree(
                TESTS, 'tenant_boundary("submit-job-command")', 'tenant_boundary("reads")'
            ),
            "and no test in packages": all_of(
                in_tree(TESTS, '@pytest.mark.tenant_boundary("submit-job-command")\n', ""),
                lambda pr: pr.small.write("apps/node/tests/test_it.py", pr.small.read(TESTS)),
                lambda pr: pr.small.append(
                    "apps/node/tests/test_it.py",
                    '\n@pytest.mark.tenant_boundary("submit-job-command")\ndef test_elsewhere():\n    assert True\n',
                ),
            ),
        },
    ),
    "tests-ran": Example(
        all_of(lambda pr: pr.small.append(TESTS, ANOTHER), ran(test_another="skipped")),
        {
            'idempotency("submit-job-command"): 1 of 1 did not run': ran(**{IDEMPOTENT: "absent"}),
            'tenant_boundary("submit-job-command"): 1 of 1 failed': ran(**{TENANT: "failed"}),
            "1 of 2 failed, as packages/contracts/tests/test_boundaries.py::test_another": all_of(
                lambda pr: pr.small.append(TESTS, ANOTHER), ran(test_another="broke")
            ),
            "all 1 were skipped": ran(**{TENANT: "skipped"}),
        },
    ),
    "merge-order": Example(
        lambda pr: pr.small.replace(TESTS, 'idempotency("execution-event")', 'idempotency("reads")'),
        {
            '(step 3) waits for lane docs (step 1), whose criterion does not hold: "The decision is accepted"': in_tree(
                ADR, "Status: Accepted", "Status: Proposed"
            ),
            '"The guide is there": is not there': lambda pr: pr.small.remove("README.md"),
            '"The node\'s test is there": there is no test test_it_runs': in_tree(
                "apps/node/tests/test_node.py", "test_it_runs", "test_it_walks"
            ),
            "lane D (step 4) waits for lane B (step 3)": instead(
                NO_TABLE,
                lambda pr: pr.small.write("tools/contract_gate/x.py", ""),
                in_tree(TESTS, 'idempotency("execution-event")', 'idempotency("reads")'),
            ),
            '"Tenants are kept apart": no test in packages/contracts/tests/*.py is marked': instead(
                NO_TABLE,
                lambda pr: pr.small.write("tools/contract_gate/x.py", ""),
                in_tree(TESTS, 'tenant_boundary("submit-job-command")', 'tenant_boundary("reads")'),
            ),
        },
    ),
    "ask": Example(
        instead(
            in_tree(COMPATIBILITY, "WORDS = {", "# By word.\nWORDS = {"),
            in_tree(PAGE, "A product asks that one job be run once.", "A product wants one job to be run once."),
            in_tree(PAGE, "The job's id.", "The\njob's id."),
            in_tree(COMMAND, "vCPU", "Cores"),
            lambda pr: setattr(pr, "body", f"{PAGE} docs/contracts/execution-event.md {ADR}\n\nMode: Show\n"),
        ),
        {
            "SubmitJobCommand.priority is new; the description has no line `Mode: Ask`": says("Mode: Ask\n", ""),
            "no line `Mode: Ask`, or another mode beside it": says("Mode: Ask", "Mode: Ask\nMode: Ship"),
            "waits for a review, and for a line `Reviewed by: @<who>`": says("@reviewer", "somebody"),
            "submit-job-command.md says another thing": instead(
                in_tree(PAGE, "Repeating is safe.", "Repeating is not safe."),
                lambda pr: setattr(pr, "body", f"{PAGE} {ADR}"),
            ),
            "compatibility.py says another thing": instead(
                in_tree(
                    COMPATIBILITY, '"done": Meaning(ExecutionState.COMPLETED)', '"done": Meaning(ExecutionState.FAILED)'
                ),
                lambda pr: setattr(pr, "body", f"docs/contracts/execution-event.md {ADR}"),
            ),
            "execution_event.py says another thing": instead(
                WITH_A_VALIDATOR, lambda pr: setattr(pr, "body", f"docs/contracts/execution-event.md {ADR}")
            ),
            "__init__.py says another thing": instead(
                in_tree(f"{CONTRACTS}/__init__.py", "CONTRACT_VERSION = 1", "CONTRACT_VERSION = 2"),
                lambda pr: setattr(pr, "body", f"docs/contracts/README.md {ADR}"),
            ),
            "vectors/words.json says another thing": instead(
                lambda pr: pr.small.write(VECTORS, '{"done": "completed"}\n'),
                lambda pr: setattr(pr, "body", f"docs/contracts/README.md {ADR}"),
            ),
            "rollout.toml: submit-job-command no longer has apps/api/src/slipway_gateway/submit.py": instead(
                in_tree(PLAN, 'paths = ["apps/api/src/slipway_gateway/submit.py"]\n', ""),
                lambda pr: setattr(pr, "body", ""),
            ),
            "SubmitJobAccepted as a whole is defined in another way": instead(
                in_tree(COMMAND, "class SubmitJobAccepted(ProductModel)", "class SubmitJobAccepted(NodeModel)"),
                in_tree(COMMAND, "import Id, ProductModel", "import Id, NodeModel, ProductModel"),
                lambda pr: setattr(pr, "body", f"{PAGE} {ADR}"),
            ),
        },
    ),
}
