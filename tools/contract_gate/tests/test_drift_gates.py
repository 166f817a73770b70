"""The gates `openapi` and `client`, with stand-ins for uv and pnpm that run the small repository's own scripts.

tests/contract/test_drift.py runs the plan's commands on the project itself.
"""

import subprocess
from pathlib import Path

import pytest
from rule_examples import Example, Examples, failing, passing, replaced, rules_of, together, unchanged
from small_repository import SmallRepository
from tools_on_path import with_stand_ins

from contract_gate import drift
from contract_gate.rules import GateError, Report

EXPORT = "apps/api/scripts/export_openapi.py"
ROLLOUT = Path(__file__).parents[3] / "docs" / "process" / "runtime-contract-rollout.md"

RENAMED = replaced(EXPORT, '"SubmitJobAccepted"', '"JobAccepted"')
EXPORTED = together(
    RENAMED,
    *[replaced(drift.DOCUMENT, f'{before}SubmitJobAccepted"', f'{before}JobAccepted"') for before in ('"', "/")],
)


def committed(small: SmallRepository) -> None:
    small.commit()


OPENAPI: Examples = {
    "openapi-drift": Example(
        replaced(EXPORT, "Write what the code says", "Say what the code does"),
        {
            f"regenerate it first: `{drift.EXPORT}`; then the client: `{drift.GENERATE}`; and commit both": RENAMED,
        },
    )
}


def forgotten(small: SmallRepository) -> None:
    small.git("rm", "--quiet", "--cached", drift.CLIENT)
    small.append(".gitignore", f"{drift.CLIENT}\n")


CLIENT: Examples = {
    "client-drift": Example(
        unchanged,
        {
            f"it is not what {drift.DOCUMENT} generates; generate it: `{drift.GENERATE}`; and commit it": EXPORTED,
            "it is not checked in": forgotten,
            "commit it": together(
                replaced(drift.CLIENT, "export interface EventReceived {}\n", "export type ByHand = 1\n"), committed
            ),
        },
    )
}


@pytest.fixture
def small(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", with_stand_ins(tmp_path))
    return SmallRepository.made_in(tmp_path)


def judged(small: SmallRepository, rule: str, without: frozenset[str] = frozenset()) -> Report:
    judge = drift.judge_openapi if rule == "openapi-drift" else drift.judge_client
    before = small.git("status", "--porcelain"), small.read(drift.DOCUMENT), small.read(drift.CLIENT)
    report = judge(small.repository, without=without)
    after = small.git("status", "--porcelain"), small.read(drift.DOCUMENT), small.read(drift.CLIENT)
    assert before == after, "judging changed the working tree"
    return report


def test_every_rule_has_its_examples():
    assert list(OPENAPI) == [rule.name for rule in drift.OPENAPI_GATE.rules]
    assert list(CLIENT) == [rule.name for rule in drift.CLIENT_GATE.rules]


@pytest.mark.parametrize("change", passing(OPENAPI))
def test_a_document_that_the_code_says_passes(small, change):
    change(small)
    assert judged(small, "openapi-drift").holds


@pytest.mark.parametrize("change", passing(CLIENT))
def test_a_client_that_the_document_generates_passes(small, change):
    change(small)
    assert judged(small, "client-drift").holds


@pytest.mark.parametrize(("rule", "found", "change"), failing({**OPENAPI, **CLIENT}))
def test_a_change_falls_short_of_this_rule_alone(small, rule, found, change):
    change(small)
    both = [each for name in (*OPENAPI, *CLIENT) for each in judged(small, name).findings]
    assert rules_of(both) == {rule}
    assert found in both[0].message
    assert judged(small, rule, frozenset({rule})).holds


def test_the_two_checks_do_not_depend_on_each_other(small):
    RENAMED(small)
    assert not judged(small, "openapi-drift").holds
    assert judged(small, "client-drift").holds, "the client is still what the document generates"


def test_following_the_remedy_in_its_order_mends_both(small):
    RENAMED(small)
    for command in (drift.EXPORT, drift.GENERATE):
        subprocess.run(["bash", "-c", command], cwd=small.root, check=True, capture_output=True)
    assert judged(small, "openapi-drift").holds
    assert not judged(small, "client-drift").holds, "the generated client is to be committed"
    small.commit()
    assert judged(small, "client-drift").holds


@pytest.mark.parametrize(("tool", "rule"), [("uv", "openapi-drift"), ("pnpm", "client-drift")])
def test_a_missing_tool_is_told_with_the_command_that_needs_it(small, monkeypatch, tool, rule):
    monkeypatch.setattr(drift.shutil, "which", lambda name: None if name == tool else name)
    with pytest.raises(GateError, match=rf"{tool} is not there, and the check needs it: `.*{tool} "):
        judged(small, rule)


def test_code_that_cannot_be_exported_is_no_drift(small):
    small.write(EXPORT, "import nowhere\n")
    with pytest.raises(GateError, match="could not be checked: ModuleNotFoundError"):
        judged(small, "openapi-drift")


def test_a_generator_that_fails_leaves_the_client_as_it_was(small):
    small.append("packages/api-client/generate.py", "raise SystemExit('no room')\n")
    small.replace("packages/api-client/generate.py", "export interface", "export type")
    before = small.read(drift.CLIENT)
    with pytest.raises(GateError, match="could not be generated: no room"):
        drift.judge_client(small.repository)
    assert small.read(drift.CLIENT) == before


def test_the_commands_are_the_plans_word_for_word():
    page = ROLLOUT.read_text(encoding="utf-8")
    for command in (drift.EXPORT_CHECK, drift.GENERATE, drift.CLIENT_DIFF):
        assert f"`{command}`" in page
    assert drift.EXPORT in page.splitlines()
