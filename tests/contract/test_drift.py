"""The drift checks: the plan's own commands, word for word, and each failing after a change by hand."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODEL = "packages/contracts/src/slipway_contracts/submit_job_command.py"
OPENAPI = "packages/api-client/openapi/openapi.json"
SCHEMA = "packages/api-client/src/generated/schema.ts"

EXPORT = "PYTHONPATH=apps/api uv run --project apps/api python apps/api/scripts/export_openapi.py"
GENERATE = "pnpm -C packages/api-client run generate"
CLIENT_DIFF = f"git diff --exit-code -- {SCHEMA}"

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


def test_a_changed_model_fails_the_openapi_check_with_the_remedy(copy: Path) -> None:
    change_the_model(copy)
    done = export(copy, "--check")
    assert done.returncode == 1
    assert "export_openapi.py" in done.stdout + done.stderr


def test_a_changed_model_then_exported_fails_the_client_check_until_it_is_generated(copy: Path) -> None:
    change_the_model(copy)
    assert export(copy).returncode == 0
    assert export(copy, "--check").returncode == 0
    assert shell(GENERATE, copy).returncode == 0
    assert shell(CLIENT_DIFF, copy).returncode == 1


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
