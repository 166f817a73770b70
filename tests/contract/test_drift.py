"""The drift checks: the plan's own commands, word for word, and each failing after a change by hand.

``pytest -s -k transcript`` prints what a developer sees of both drifts and of what mends them.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODEL = "packages/contracts/src/slipway_contracts/submit_job_command.py"
OPENAPI = "packages/api-client/openapi/openapi.json"
SCHEMA = "packages/api-client/src/generated/schema.ts"

EXPORT = "PYTHONPATH=apps/api uv run --project apps/api python apps/api/scripts/export_openapi.py"
GENERATE = "pnpm -C packages/api-client run generate"
CLIENT_DIFF = f"git diff --exit-code -- {SCHEMA}"
REVIEW = "git diff -- packages/api-client/openapi/openapi.json packages/api-client/src/generated/schema.ts"
CHANGE = f'sed -i \'s/description="vCPU"/description="Virtual processors"/\' {MODEL}'
AUTHOR = {f"GIT_{who}_{what}": "t@t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
SHOWN_LINES = 12

pytestmark = [pytest.mark.service("pnpm"), pytest.mark.timeout(180)]


def shell(command: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command], cwd=cwd, capture_output=True, text=True, check=False, env={**os.environ, **env}
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project as it stands, in a repository of its own, to change by hand."""
    listed = shell("git ls-files --cached --others --exclude-standard", ROOT).stdout.split("\n")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            target = tmp_path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target)
    for folder in ("node_modules", "packages/api-client/node_modules"):
        if (ROOT / folder).exists():
            (tmp_path / folder).symlink_to(ROOT / folder)
    made = shell("git init -q && git add -A && git -c user.name=t -c user.email=t@t commit -qm copy", tmp_path)
    assert made.returncode == 0, made.stderr
    return tmp_path


def export(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the export on the copy's own sources, in this environment."""
    sources = os.pathsep.join(str(copy / part) for part in ("packages/contracts/src", "apps/api/src"))
    argv = [sys.executable, "apps/api/scripts/export_openapi.py", *arguments]
    env = {**os.environ, "PYTHONPATH": sources}
    return subprocess.run(argv, cwd=copy, capture_output=True, text=True, check=False, env=env)


def change_the_model(copy: Path) -> None:
    path = copy / MODEL
    text = path.read_text()
    assert 'description="vCPU"' in text
    path.write_text(text.replace('description="vCPU"', 'description="Virtual processors"'))


def test_the_plans_openapi_check_holds() -> None:
    done = shell(f"{EXPORT} --check", ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_plans_client_commands_leave_no_difference() -> None:
    before = (ROOT / SCHEMA).read_bytes()
    done = shell(GENERATE, ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (ROOT / SCHEMA).read_bytes() == before


def test_the_openapi_check_writes_nothing(copy: Path) -> None:
    change_the_model(copy)
    export(copy, "--check")
    assert shell(f"git status --porcelain -- {OPENAPI}", copy).stdout == ""


@dataclass
class Transcript:
    """A developer's terminal in the copy: each command is printed with the beginning of what it says and its status."""

    folder: Path

    def type(self, command: str) -> tuple[int, str]:
        """Run a command; return its exit status and all that it says."""
        done = shell(command, self.folder, **AUTHOR)
        said = done.stdout + done.stderr
        shown = said.splitlines()
        rest = ["…"] if len(shown) > SHOWN_LINES else []
        print("\n".join([f"\n$ {command}", *shown[:SHOWN_LINES], *rest, f"[exit status {done.returncode}]"]))
        return done.returncode, said

    def status(self, command: str) -> int:
        """Run a command; return its exit status."""
        return self.type(command)[0]


def test_the_transcript_of_both_drifts_and_of_what_mends_them(copy: Path) -> None:
    terminal = Transcript(copy)
    assert terminal.status(f"{EXPORT} --check") == 0
    assert terminal.status(CHANGE) == 0
    drifted, remedy = terminal.type(f"{EXPORT} --check")
    assert (drifted, EXPORT in remedy, GENERATE in remedy) == (1, True, True)
    assert terminal.status(EXPORT) == 0
    assert terminal.status(f"{EXPORT} --check") == 0

    assert terminal.status(GENERATE) == 0
    assert terminal.status(CLIENT_DIFF) == 1
    _, difference = terminal.type(REVIEW)
    assert {f"+++ b/{OPENAPI}", f"+++ b/{SCHEMA}"} <= set(difference.splitlines())
    assert terminal.status("git commit --quiet --all --message 'Call processors virtual'") == 0
    assert terminal.status(GENERATE) == 0
    assert terminal.status(CLIENT_DIFF) == 0


def test_a_client_changed_by_hand_fails_the_client_check(copy: Path) -> None:
    path = copy / SCHEMA
    path.write_text(path.read_text() + "export type ByHand = 1;\n")
    shell("git -c user.name=t -c user.email=t@t commit -qam 'by hand'", copy)
    assert shell(GENERATE, copy).returncode == 0
    assert shell(CLIENT_DIFF, copy).returncode == 1


def test_both_artefacts_are_byte_stable(copy: Path) -> None:
    for _ in range(2):
        assert export(copy).returncode == 0
        assert shell(GENERATE, copy).returncode == 0
        assert shell("git status --porcelain", copy).stdout == ""
