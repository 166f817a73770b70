"""The gate `breaking`: of each rule a pull request that passes, and one that falls short by this rule alone."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from breaking_examples import EXAMPLES, LABELS, amended, errors, openapi, raised, submit, without_labels
from rule_examples import failing, passing, removed, rules_of, together, written
from small_repository import Change, SmallRepository
from small_wire import FILES, OPENAPI, SUBMIT

from contract_gate import breaking, cli
from contract_gate.breaking import GATE

Propose = Callable[[Change], SmallRepository]


@pytest.fixture
def proposed(tmp_path: Path) -> Propose:
    """Give a repository with the wire on main, and one commit with the change on a branch."""

    def propose(change: Change) -> SmallRepository:
        small = SmallRepository.made_in(tmp_path, FILES)
        small.git("switch", "--quiet", "--create", "change")
        change(small)
        small.commit()
        return small

    return propose


noted = written("README.md", "A note.\n")


def test_every_rule_has_its_examples():
    assert list(EXAMPLES) == [rule.name for rule in GATE.rules]


@pytest.mark.parametrize("change", passing(EXAMPLES))
def test_a_change_that_keeps_to_the_rule_passes(proposed, change):
    assert breaking.judge(proposed(change).repository, "main").findings == ()


@pytest.mark.parametrize(("rule", "found", "change"), failing(EXAMPLES))
def test_a_change_falls_short_of_this_rule_alone_and_passes_without_it(proposed, rule, found, change):
    judged = breaking.change_since(proposed(change).repository, "main")
    findings = GATE.judge(judged).findings
    assert rules_of(findings) == {rule}, findings
    assert any(found in each.message for each in findings), findings
    assert all(each.file for each in findings)
    assert GATE.judge(judged, without=frozenset({rule})).holds


def test_a_decision_may_be_amended_for_a_new_version(proposed):
    small = proposed(together(raised, amended, without_labels))
    assert breaking.judge(small.repository, "main").findings == ()


def test_a_decision_of_before_decides_nothing(proposed):
    small = proposed(amended)
    small.git("branch", "--force", "main", "HEAD")
    raised(small)
    assert rules_of(breaking.judge(small.repository, "main").findings) == {"version-and-decision"}


def test_a_finding_says_where_and_what_mends_it(proposed):
    small = proposed(submit("max_length=8", "max_length=4"))
    (finding,) = breaking.judge(small.repository, "main").findings
    line = LABELS.strip("\n").replace("8", "4")
    assert (finding.file, finding.line) == (SUBMIT, small.read(SUBMIT).splitlines().index(line) + 1)
    assert finding.message.startswith("SubmitJobCommand.labels: its maxItems is 8, where 4 is read")
    assert "CONTRACT_VERSION" in finding.message


def test_what_main_has_gained_meanwhile_is_no_break(proposed):
    small = proposed(submit("max_length=8", "max_length=9"))
    small.git("switch", "--quiet", "main")
    small.replace(SUBMIT, LABELS, f"{LABELS}    note: str | None = None\n")
    small.commit()
    small.git("switch", "--quiet", "change")
    assert breaking.judge(small.repository, "main").holds


def test_what_is_not_committed_yet_is_judged_too(proposed):
    small = proposed(noted)
    small.replace(SUBMIT, "max_length=8", "max_length=4")
    assert not breaking.judge(small.repository, "main").holds


def test_a_contract_that_was_not_there_breaks_nobody(tmp_path):
    small = SmallRepository.made_in(tmp_path, {"README.md": "Soon.\n"})
    for file, text in FILES.items():
        small.write(file, text)
    assert breaking.judge(small.repository, "main").holds


def test_a_base_that_keeps_the_contract_out_of_archives_is_compared_with_all_the_same(proposed):
    small = proposed(written(".gitattributes", "packages/** export-ignore\n"))
    small.git("branch", "--force", "main", "HEAD")
    without_labels(small)
    assert rules_of(breaking.judge(small.repository, "main").findings) == {"field-removed"}


def test_what_a_module_prints_is_no_answer(proposed):
    small = proposed(together(errors("class Code", "print('hello')\nclass Code"), without_labels))
    assert rules_of(breaking.judge(small.repository, "main").findings) == {"field-removed"}


def test_a_module_that_has_become_a_package_is_the_same(proposed):
    folder = SUBMIT.removesuffix(".py")
    moved = written(f"{folder}/__init__.py", FILES[SUBMIT].replace("max_length=8", "max_length=4"))
    small = proposed(together(moved, removed(SUBMIT)))
    (found,) = breaking.judge(small.repository, "main").findings
    assert (found.rule, found.file) == ("field-narrowed", f"{folder}/__init__.py")
    assert found.line


def test_a_package_may_have_its_models_in_modules_of_its_own(proposed):
    folder = SUBMIT.removesuffix(".py")
    moved = written(f"{folder}/_models.py", FILES[SUBMIT])
    small = proposed(
        together(
            moved,
            written(f"{folder}/__init__.py", "from slipway_contracts.submit_job_command._models import *\n"),
            removed(SUBMIT),
        )
    )
    assert breaking.judge(small.repository, "main").findings == ()


CANNOT_BE_READ: Sequence[tuple[str, Change, str]] = (
    ("models that are not there", submit("import Field", "import Feild"), "the models cannot be imported"),
    ("a module that is no Python", errors("class Code", "class"), "the models cannot be imported"),
    ("no JSON", openapi('"openapi": "3.1.0",', '"openapi":,'), f"{OPENAPI}:2: it is no JSON"),
    ("JSON of another kind", written(OPENAPI, "[]\n"), "it is no OpenAPI document"),
    ("no paths", written(OPENAPI, "{}\n"), "it is no OpenAPI document"),
    ("paths in a list", openapi('"paths": {', '"paths": [], "others": {'), "it is no OpenAPI document"),
    ("another encoding", lambda small: (small.root / OPENAPI).write_bytes(b"\xff"), "it is not UTF-8"),
    ("nested too deeply", written(OPENAPI, "[" * 100_000), f"{OPENAPI}: it is no JSON that can be read"),
    ("a parameter that its path has not", openapi('"name": "job_id"', '"name": "id"'), "it is no OpenAPI document"),
    ("no schema", openapi('"maximum": 200', '"anyOf": 3'), "it has a schema that cannot be compared"),
    ("a module that ends all", errors("class Code", "import os\nos._exit(0)\nclass Code"), "no word of why"),
    ("nothing", removed(OPENAPI), "no OpenAPI document any more"),
)


@pytest.mark.parametrize(("change", "says"), [it[1:] for it in CANNOT_BE_READ], ids=[it[0] for it in CANNOT_BE_READ])
def test_what_cannot_be_read_is_told_in_a_line(proposed, capsys, change, says):
    small = proposed(change)
    assert cli.run(["breaking", "--base", "main", "--tree", str(small.root)]) == cli.COULD_NOT_RUN
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1), told
    assert says in told.err


def test_a_base_that_cannot_be_read_is_told_as_that(proposed, capsys):
    small = proposed(submit("import Field", "import Feild"))
    small.replace(SUBMIT, "import Feild", "import Field")
    small.commit()
    assert cli.run(["breaking", "--base", "HEAD~1", "--tree", str(small.root)]) == cli.COULD_NOT_RUN
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "where this left HEAD~1: the models cannot be imported" in told


@pytest.mark.parametrize("revision", ["no-such-branch", "--help", "0" * 40, ""])
def test_a_base_that_is_not_there_is_told_in_a_line(proposed, capsys, revision):
    small = proposed(noted)
    assert cli.run(["breaking", f"--base={revision}", "--tree", str(small.root)]) == cli.COULD_NOT_RUN
    assert capsys.readouterr().err == f"contract-gate breaking: there is no revision {revision}\n"
