"""What cannot be judged is one line that says what and where, and exit status 2; never a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from rule_examples import appended, before, removed, replaced, written
from small_repository import SmallRepository
from tools_on_path import with_stand_ins

from contract_gate import cli

PLAN = "docs/process/rollout.toml"
INDEX = "docs/contracts/README.md"
MAP = "docs/contracts/sor-map.toml"
EVENT = "docs/contracts/execution-event.md"
MODEL = "packages/contracts/src/slipway_contracts/execution_event.py"
OPENAPI = "packages/api-client/openapi/openapi.json"
BOUNDARY = "docs/contracts/redis-rq-retirement-boundary.md"
DECISION = "docs/adr/0004-runtime-contract-boundary.md"


def not_utf8(file):
    return lambda small: (small.root / file).write_bytes(b"# Caf\xe9\n")


BROKEN = {
    "docs": {
        f"{PLAN}: it is no TOML: ": appended(PLAN, "[[lanes\n"),
        f"{PLAN}: cannot be read: No such file": removed(PLAN),
        f"{PLAN}: lanes.0.mode: Input should be": replaced(PLAN, 'mode = "Show"', 'mode = "Tell"'),
        f"{MAP}: cannot be read: No such file": removed(MAP),
        f"{MAP}: surfaces.execution-event.ExecutionEvent.state.owner: Input": replaced(
            MAP, 'state = { owner = "Ex', 'state = { owner = "x'
        ),
        f"{EVENT}: it is not there, and {PLAN} needs it": removed(EVENT),
        f"{INDEX}: it is not there, and {PLAN} needs it": removed(INDEX),
        f"{DECISION}: cannot be read: it is not UTF-8": not_utf8(DECISION),
        "packages/contracts/src: the models cannot be imported: SyntaxError": appended(MODEL, "class\n"),
        f"{EVENT}:17: a row of 2 cells in a table of 3 columns": replaced(
            EVENT, "| `event_id` | id | Derived from submission and state |", "| `event_id` | id |"
        ),
        f"{OPENAPI}:1: it is no JSON: ": before(OPENAPI, "{", "openapi: "),
        f"{OPENAPI}: it is no OpenAPI document": written(OPENAPI, "[]\n"),
        f"{OPENAPI}: it is no OpenAPI doc": written(
            OPENAPI, '{"paths": {"/x": {"get": {"responses": {"$ref": "a"}}}}, "components": {"schemas": 3}}\n'
        ),
        f"{OPENAPI}: it is no JSON that can be read": written(OPENAPI, "[" * 100_000),
    },
    "retirement": {
        f"{BOUNDARY}: it is not there, and the retirement": removed(BOUNDARY),
        "pyproject.toml: it is not there, and the retirement": removed("pyproject.toml"),
        "pyproject.toml: it is no TOML: ": appended("pyproject.toml", "[tool\n"),
        "uv.lock: it is no TOML: ": appended("uv.lock", 'name = "redis\n'),
        "pnpm-lock.yaml:6: it is no YAML: ": appended("pnpm-lock.yaml", "  redis: [\n"),
        "package-lock.json:1: it is no JSON: ": written("package-lock.json", "redis\n"),
        "gems/Gemfile.lock: it is a lock file that no reader knows": written("gems/Gemfile.lock", "redis\n"),
        "packages.lock.json: it is a lock file that no reader knows": written("packages.lock.json", "{}\n"),
        "bun.lockb: it is a lock file that no reader knows": not_utf8("bun.lockb"),
        "compose.yaml:5: it is no YAML: ": appended("compose.yaml", "  redis: {\n"),
        ".github/workflows/ci.yml:13: it is no YAML: ": appended(".github/workflows/ci.yml", "redis: {\n"),
        "compose.yaml: it is no YAML: month must be in": appended("compose.yaml", "x-redis: 2026-13-01\n"),
        "a.py:1: it is no Python: ": written("a.py", "import redis as\n"),
        "a.py: cannot be read: it is not UTF-8": not_utf8("a.py"),
        f"{BOUNDARY}:9: a row of 1 cells in a table of 5 columns": appended(BOUNDARY, "| redis |\n"),
    },
    "openapi": {
        f"{OPENAPI}: the export could not be checked: ": written(
            "apps/api/scripts/export_openapi.py", "import nowhere\n"
        ),
    },
    "client": {
        "the client could not be generated: ": removed("packages/api-client/generate.py"),
    },
}


@pytest.mark.parametrize(
    ("command", "told", "change"),
    [
        pytest.param(command, told, change, id=f"{command}: {told}")
        for command, cases in BROKEN.items()
        for told, change in cases.items()
    ],
)
def test_what_cannot_be_read_is_told_in_a_line(tmp_path, monkeypatch, capsys, command, told, change):
    monkeypatch.setenv("PATH", with_stand_ins(tmp_path))
    small = SmallRepository.made_in(tmp_path)
    change(small)
    status = cli.run([command, "--tree", str(small.root)])
    out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    assert err.startswith(f"contract-gate {command}: ")
    assert told in err
    assert err.count("\n") == 1


def test_what_a_path_says_of_all_of_its_calls_is_none(tmp_path, capsys):
    small = SmallRepository.made_in(tmp_path)
    replaced(OPENAPI, '"paths": {', '"paths": {"/x": {"parameters": 3, "summary": "responses"},')(small)
    assert cli.run(["docs", "--tree", str(small.root)]) != 2, capsys.readouterr().err


@pytest.mark.parametrize("command", BROKEN)
def test_a_folder_that_is_no_repository_is_told(tmp_path, capsys, command):
    assert cli.run([command, "--tree", str(tmp_path)]) == 2
    assert "not a git repository" in capsys.readouterr().err


def test_a_tool_that_is_not_there_is_told(tmp_path, capsys, monkeypatch):
    small = SmallRepository.made_in(tmp_path)
    only_git = tmp_path / "tools"
    only_git.mkdir()
    for folder in os.environ["PATH"].split(os.pathsep):
        for tool in ("git", "bash"):
            if os.access(f"{folder}/{tool}", os.X_OK) and not (only_git / tool).exists():
                (only_git / tool).symlink_to(f"{folder}/{tool}")
    monkeypatch.setenv("PATH", str(only_git))
    assert cli.run(["openapi", "--tree", str(small.root)]) == 2
    assert cli.run(["client", "--tree", str(small.root)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert ["uv is not there" in said[0], "pnpm is not there" in said[1], len(said)] == [True, True, 2]


def test_a_tree_that_holds_is_exit_status_0_and_one_that_falls_short_1(tmp_path, capsys):
    small = SmallRepository.made_in(tmp_path)
    assert cli.run(["docs", "--tree", str(small.root)]) == 0
    small.append("README.md", "[a](gone.md)\n")
    assert cli.run(["docs", "--tree", str(small.root)]) == 1
    assert "README.md:4: the link gone.md leads to no file of the repository  [links]" in capsys.readouterr().out


def test_what_is_no_text_of_a_terminal_is_told_all_the_same(tmp_path):
    small = SmallRepository.made_in(tmp_path)
    small.write("x/package.json", '{"dependencies": {"redis\\ud800": "4"}}\n')
    (small.root / os.fsdecode(b"caf\xe9.py")).write_text("import redis\n")
    command = [Path(sys.executable).with_name("contract-gate"), "retirement", "--tree", small.root]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert "redis\\ud800" in done.stdout
    assert "caf\\udce9.py" in done.stdout


def test_a_fault_of_the_gates_own_is_one_line(tmp_path, monkeypatch, capsys):
    def broken(_):
        raise RuntimeError("it is\nbroken")

    monkeypatch.setattr("contract_gate.documents.judge", broken)
    small = SmallRepository.made_in(tmp_path)
    assert cli.run(["docs", "--tree", str(small.root)]) == 2
    said = capsys.readouterr().err
    assert said == "contract-gate docs: a fault of the gate's own: RuntimeError: it is broken\n"


def test_without_a_command_help_is_printed_and_nothing_was_judged(capsys):
    assert cli.run([]) == 2
    told = capsys.readouterr().out
    assert [command for command in ("docs", "pr", "status") if command not in told] == []
