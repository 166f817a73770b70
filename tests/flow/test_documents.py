"""The documents' commands, run: a page's blocks in order, in a clean folder, against a real gateway and node."""

import os
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from local_stack import BIN
from page_reader import ROOT, given_by, reader
from product import Stack

from contract_gate.command_blocks import Kind, blocks, transcript
from contract_gate.repository import Repository

PAGES = {name: blocks((ROOT / name).read_text()) for name in Repository(ROOT).tracked() if name.endswith(".md")}
_OURS = {"slipway", "slipway-gateway", "slipway-node"}


def pages_to_run() -> list[str]:
    return [name for name, found in PAGES.items() if any(is_runnable(block) for block in found)]


def is_runnable(block) -> bool:
    return block.mark is not None and block.mark.kind is Kind.RUNNABLE


@pytest.fixture(scope="module")
def given(stack: Stack) -> dict[str, str]:
    return given_by(stack.gateway)


def carried_out(page: str, folder: Path, given: dict[str, str], is_here: Callable[[str], bool]) -> list[str]:
    """Carry out a page's runnable blocks; return what had to be left out."""
    with reader(folder, given, is_here) as who:
        for block in filter(is_runnable, blocks(page)):
            who.carry_out(block)
    return who.left_out


def shown_commands() -> list[str]:
    """Every command of ours in a transcript that is not run: it has to be one that there is."""
    shown = [block for found in PAGES.values() for block in found if block.is_commands and not is_runnable(block)]
    commands = {command for block in shown for command, _ in transcript(block.text)}
    return sorted(command for command in commands if command.split()[0] in _OURS)


@pytest.mark.service("aiida")
@pytest.mark.timeout(240)
@pytest.mark.parametrize("page", pages_to_run())
def test_the_runnable_blocks_of_a_page_work(
    given: dict[str, str], page: str, tmp_path: Path, is_here: Callable[[str], bool]
) -> None:
    left_out = carried_out((ROOT / page).read_text(), tmp_path, given, is_here)
    if left_out:
        pytest.skip(f"all of {page} but {'; '.join(left_out)}")


@pytest.mark.service("aiida")
class TestAReader:
    def test_has_in_a_block_what_an_earlier_one_exported(self, given, tmp_path, is_here) -> None:
        page = "<!-- runnable -->\n```console\n$ export A=1 B=2\n```\n<!-- runnable -->\n```bash\ntest $A$B = 12\n```\n"
        assert carried_out(page, tmp_path, given, is_here) == []

    @pytest.mark.parametrize(
        ("page", "told"),
        [
            ("<!-- runnable -->\n```bash\ntrue\nls none | cat\n```\n", "ls: cannot access"),
            ("<!-- runnable -->\n```python\nprint(nothing)\n```\n", "NameError"),
            ("<!-- runnable -->\n```console\n$ echo one\ntwo\n```\n", "is shown with"),
            ("<!-- runnable -->\n```console\n$ slipway-gateway serve --port many\n```\n", "many"),
            ("<!-- runnable: at full moon -->\n```bash\ntrue\n```\n", "at full moon"),
            ("<!-- runnable -->\n```haskell\nmain\n```\n", "haskell"),
        ],
    )
    def test_finds_what_does_not_go_as_the_page_says(self, given, tmp_path, is_here, page, told) -> None:
        with pytest.raises(AssertionError, match=told):
            carried_out(page, tmp_path, given, is_here)

    def test_leaves_out_what_this_machine_cannot_do_and_says_so(self, given, tmp_path) -> None:
        page = "<!-- runnable: with pw.x -->\n```bash\nfalse\n```\n"
        assert carried_out(page, tmp_path, given, lambda _: False) == ["line 2: pw.x is not here"]


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
