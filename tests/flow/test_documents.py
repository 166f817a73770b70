"""The documents' commands, run: a page's blocks in order, against a real gateway and node."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from product import Stack

ROOT = Path(__file__).parents[2]
BIN = ROOT / ".venv" / "bin"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "how-to").glob("*.md"))]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_OURS = {"slipway", "slipway-gateway", "slipway-node"}


def blocks(page: Path, *kinds: str) -> list[tuple[str, str]]:
    return [(kind, text) for kind, text in _BLOCK.findall(page.read_text()) if kind in kinds]


def shown_commands() -> list[str]:
    """Every command of ours in a transcript: what cannot be run here, since it serves or installs."""
    lines = [line for page in PAGES for _, text in blocks(page, "console", "text") for line in text.splitlines()]
    commands = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return sorted({command for command in commands if command.split()[0] in _OURS})


@pytest.mark.service("aiida")
@pytest.mark.timeout(240)
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "bash", "python")], ids=lambda page: page.name)
def test_the_pages_commands_work(stack: Stack, page: Path, tmp_path: Path) -> None:
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    path = f"{BIN}:{os.environ['PATH']}"
    environment = {
        **os.environ,
        "PATH": path,
        "HOME": str(tmp_path),
        "SLIPWAY_URL": stack.gateway.url,
        "SLIPWAY_TOKEN": stack.gateway.token(),
    }
    for kind, text in blocks(page, "bash", "python"):
        runner = [sys.executable, "-c"] if kind == "python" else ["bash", "-euo", "pipefail", "-c"]
        done = subprocess.run(
            [*runner, text], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("command", shown_commands())
def test_a_shown_command_has_the_options_it_is_shown_with(command: str) -> None:
    words = shlex.split(command)
    options = [word for word in words if word.startswith("--")]
    subcommand = []
    for word in words[1:]:
        if word.startswith("-") or not re.fullmatch(r"[a-z-]+", word):
            break
        subcommand.append(word)
    done = subprocess.run(
        [BIN / words[0], *subcommand, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    listed = set(re.findall(r"--[a-z-]+", done.stdout))
    assert set(options) <= listed, done.stdout
