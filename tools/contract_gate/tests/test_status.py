"""The rules of `contract-gate status`: of each a state that holds, and some that fall short by it alone."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rule_examples import Example, Examples, failing, passing
from small_repository import FILES, SmallRepository
from small_rollout import PLAN, ROLLOUT

from contract_gate import cli
from contract_gate.repository import Repository
from contract_gate.status import EXPORTED_FILES, GATE, State, judge, state_of

MAP = "docs/contracts/sor-map.toml"
PAGE = "docs/contracts/submit-job-command.md"
ADR = "docs/adr/0004-runtime-contract-boundary.md"
MODELS = "packages/contracts/src/slipway_contracts/submit_job_command.py"
HEADER = "\n\n| field | owner | writer | readers |\n| --- | --- | --- | --- |\n"
ROW = "| SubmitJobCommand.priority | Product SoR | product | gateway |\n"
# Without the decision among the criteria, so that it is told by its own rule alone.
OTHER_PLAN = PLAN.replace('evidence = "accepted"', 'evidence = "present"')


@dataclass(slots=True)
class Rollout:
    """A repository, and the open pull requests of it."""

    small: SmallRepository
    open: list[dict[str, Any]] = field(default_factory=list)

    def opens(
        self, rows: str = "", *, body: str = f"{PAGE} {ADR}", files: tuple[str, ...] = (MODELS, MAP), labels=()
    ) -> None:
        """Open a pull request as the export tells it."""
        self.open.append(
            {
                "number": len(self.open) + 1,
                "title": "Change it",
                "body": body + (HEADER + rows if rows else ""),
                "files": [{"path": file, "additions": 1, "deletions": 0} for file in files],
                "labels": [{"id": "x", "name": name, "color": "ffffff"} for name in labels],
            }
        )

    def exported(self) -> Path:
        file = self.small.root.parent / "prs.json"
        file.write_text(json.dumps(self.open))
        return file


def judged(state: State, *without: str) -> list[tuple[str, str]]:
    return [(each.rule, each.message) for each in GATE.judge(state, without=frozenset(without)).findings]


Edit = Callable[[Rollout], object]


def opens(*rows: str, **others: Any) -> Edit:
    """Return what opens a pull request for each of ``rows``."""
    return lambda rollout: [rollout.opens(each, **others) for each in rows or ("",)]


EXAMPLES: Examples = {
    "adr-accepted": Example(
        lambda rollout: rollout.small.append(ADR, "\nStatus: it was Proposed once.\n"),
        {
            "Status: Proposed": lambda rollout: rollout.small.replace(ADR, "Accepted", "Proposed"),
            "it has no status": lambda rollout: rollout.small.replace(ADR, "Status: ", "It is "),
        },
    ),
    "adr-linked-by-prs": Example(
        opens(body="Say more.", files=("README.md",)),
        {
            f"#1 (Change it) does not refer to {ADR}": opens(body=PAGE),
            "does not refer to docs/adr": opens(body=PAGE, files=("apps/node/x.py",)),
            "#1 (Change it) does not": opens(
                body="docs/contracts/README.md", files=("README.md",), labels=("lane: C",)
            ),
        },
    ),
    "contracts-referenced-by-prs": Example(
        opens(body=f"docs/contracts/README.md {ADR}", files=("apps/node/x.py",), labels=("lane C", "bug")),
        {
            f"#1 (Change it) does not refer to {PAGE}": opens(body=ADR),
            "does not refer to a page of docs/contracts": opens(body=ADR, files=("apps/node/x.py",)),
            "#1 (Change it) does not refer to a page of docs/contracts": opens(
                body=f"docs/contracts/ {ADR}", files=("README.md",), labels=("Lane/C",)
            ),
        },
    ),
    "no-ambiguous-owner": Example(
        opens(ROW, ROW.replace("priority", "labels"), "| ExecutionEvent.state | Execution SoR | node | gateway |\n"),
        {
            "#1: SubmitJobCommand.labels is Product SoR's, written by node; in docs/contracts/sor-map.toml": opens(
                "| SubmitJobCommand.labels | Product SoR | node | gateway |\n", files=(MODELS,)
            ),
            "#1: SubmitJobCommand.priority is not in docs/contracts/sor-map.toml": opens(ROW, files=(MODELS,)),
            "#1: SubmitJobCommand.priority is given to Redis, which is no owner": opens(
                ROW.replace("Product SoR", "Redis")
            ),
            "#1: SubmitJobCommand.priority is written by (nobody)": opens(ROW.replace("| product |", "| |")),
            "#1 has two rows for SubmitJobCommand.priority": opens(ROW + ROW.replace("| product |", "| node |")),
            "#1 and #2: SubmitJobCommand.priority is Product SoR's, written by product, and in transit's": opens(
                ROW, ROW.replace("Product SoR", "in transit")
            ),
            "#1 and #2 both change who owns or writes SubmitJobCommand.priority": opens(ROW, ROW),
            "SubmitJobCommand.urgency is no field of submit-job-command's models": lambda rollout: (
                rollout.small.replace(
                    MAP, "labels =", 'urgency = { owner = "in transit", writer = "node", readers = ["node"] }\nlabels ='
                )
            ),
        },
    ),
    "lanes-hold": Example(
        lambda rollout: rollout.small.write("apps/node/tests/test_more.py", "def test_more():\n    assert True\n"),
        {
            "lane C: The node's test is there: there is no test test_it_runs": lambda rollout: rollout.small.remove(
                "apps/node/tests/test_node.py"
            ),
            "lane C: The node's test is there: test_it_runs is skipped or expected to fail": lambda rollout: (
                rollout.small.replace(
                    "apps/node/tests/test_node.py", "def ", "import pytest\n\n@pytest.mark.xfail\ndef "
                )
            ),
        },
    ),
}


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    files = {**FILES, **ROLLOUT, "docs/process/rollout.toml": OTHER_PLAN}
    return SmallRepository.made_in(tmp_path_factory.mktemp("template"), files)


@pytest.fixture
def rollout(template, tmp_path):
    return Rollout(SmallRepository(Path(shutil.copytree(template.root, tmp_path / "small"))))


def read(rollout: Rollout) -> State:
    return state_of(rollout.small.repository, rollout.exported())


def test_every_rule_has_an_example():
    assert list(EXAMPLES) == [rule.name for rule in GATE.rules]


@pytest.mark.parametrize("edit", passing(EXAMPLES))
def test_a_rule_lets_pass(rollout, edit):
    edit(rollout)
    assert judged(read(rollout)) == []


@pytest.mark.parametrize(("rule", "said", "edit"), failing(EXAMPLES))
def test_a_state_falls_short_by_one_rule_alone_and_holds_without_it(rollout, rule, said, edit):
    edit(rollout)
    state = read(rollout)
    found = judged(state)
    assert {name for name, _ in found} == {rule}
    assert said in "\n".join(message for _, message in found)
    assert judged(state, rule) == []


def test_what_holds_is_told_with_what_shows_it(rollout, capsys):
    rollout.opens(ROW)
    arguments = ("status", "--tree", str(rollout.small.root))
    assert cli.run([*arguments, "--prs", str(rollout.exported())]) == 0
    told = capsys.readouterr().out
    assert f"- {ADR}:3: Status: Accepted  [adr-accepted]" in told
    assert f"- #1 (Change it) refers to {ADR}  [adr-linked-by-prs]" in told
    assert f"- {MAP}: 11 fields, each with one owner and one writer  [no-ambiguous-owner]" in told
    assert '1 test marked tenant_boundary("submit-job-command"), as test_a_tenant_cannot_submit_for_another' in told
    assert told.endswith("contract-gate status: 5 rules hold\n")
    assert cli.run(arguments) == 0
    told = capsys.readouterr().out
    assert "not judged: no list of open pull requests was given (--prs FILE)" in told
    assert told.endswith("contract-gate status: 2 rules hold, 3 not judged\n")
    assert cli.run([*arguments, "--format", "json"]) == 0
    read = json.loads(capsys.readouterr().out)
    assert len(read["evidence"]) > 5
    assert read["not_judged"] == ["adr-linked-by-prs", "contracts-referenced-by-prs", "no-ambiguous-owner"]


def test_a_rule_that_falls_short_is_judged_though_a_part_of_it_was_not_given(rollout, capsys):
    rollout.small.replace(
        MAP, "labels =", 'urgency = { owner = "in transit", writer = "node", readers = ["node"] }\nlabels ='
    )
    assert cli.run(["status", "--tree", str(rollout.small.root)]) == 1
    assert capsys.readouterr().out.endswith("1 of 3 rules fell short, 1 finding(s), 2 not judged\n")


def test_what_an_export_leaves_out_is_not_judged(rollout, capsys):
    rollout.opens(files=tuple(f"apps/{number}.py" for number in range(EXPORTED_FILES)))
    cli.run(["status", "--tree", str(rollout.small.root), "--prs", str(rollout.exported())])
    assert "not judged: #1 (Change it): what it changes beyond the 100 files" in capsys.readouterr().out


def test_the_exit_criteria_hold_on_this_repository():
    report = judge(Repository(Path(__file__).parents[3]))
    assert report.findings == ()
    assert {rule.name for rule in report.rules} - set(report.not_judged) == {"adr-accepted", "lanes-hold"}


def test_the_command_that_the_rollouts_page_gives_judges(rollout, monkeypatch, capsys):
    command = "contract-gate status --prs prs.json"
    monkeypatch.chdir(rollout.small.root)
    shutil.copy(rollout.exported(), "prs.json")
    assert cli.run(command.split()[1:]) == 0
    assert "0 of 0 open pull requests carry the contract out" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "it is no list of pull requests: the whole: Invalid JSON: EOF while parsing"),
        ('{"number": 1}', "it is no list of pull requests: the whole: Input should be a valid array"),
        ('[{"number": 1, "files": []}]', "it is no list of pull requests: 0.title: Field required"),
        ('[{"number": 1, "title": "x", "files": [{"name": "x"}]}]', "0.files.0.path: Field required"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_an_export_that_is_none_is_one_line(rollout, capsys, content, told):
    file = rollout.small.root.parent / "prs.json"
    if content is not None:
        file.write_text(content)
    assert cli.run(["status", "--prs", str(file), "--tree", str(rollout.small.root)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert f"contract-gate status: {file}: " in err
    assert told in err


def test_a_description_that_was_never_written_is_empty(rollout):
    rollout.opens()
    rollout.open[0]["body"] = None
    assert {rule for rule, _ in judged(read(rollout))} == {"adr-linked-by-prs", "contracts-referenced-by-prs"}
