"""The rules of `contract-gate pr`, and what of a pull request cannot be judged."""

import shutil
from pathlib import Path

import pytest
from pull_request_examples import (
    ADR,
    COMMAND,
    COMPATIBILITY,
    EVENT,
    EXAMPLES,
    IN_MAP,
    MAP,
    PAGE,
    PLAN,
    PullRequest,
    in_tree,
    judged,
)
from rule_examples import failing, passing
from small_repository import FILES, SmallRepository
from small_rollout import ROLLOUT

from contract_gate import cli
from contract_gate.plan import Plan, parsed
from contract_gate.plans import weakened
from contract_gate.pull_request import GATE
from contract_gate.rules import GateError


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return SmallRepository.made_in(tmp_path_factory.mktemp("template"), {**FILES, **ROLLOUT})


@pytest.fixture
def pr(template, tmp_path):
    root = Path(shutil.copytree(template.root, tmp_path / "small"))
    small = SmallRepository(root)
    pull_request = PullRequest(small, small.git("rev-parse", "HEAD").strip())
    pull_request.adds_a_field()
    return pull_request


def test_every_rule_has_an_example():
    assert list(EXAMPLES) == [rule.name for rule in GATE.rules]


def test_a_pull_request_that_brings_everything_passes(pr):
    assert pr.judged() == []


@pytest.mark.parametrize("edit", passing(EXAMPLES))
def test_a_rule_lets_pass(pr, edit):
    edit(pr)
    assert pr.judged() == []


@pytest.mark.parametrize(("rule", "said", "edit"), failing(EXAMPLES))
def test_a_pull_request_falls_short_by_one_rule_alone_and_passes_without_it(pr, rule, said, edit):
    edit(pr)
    change = pr.read()
    found = judged(change)
    assert {name for name, _ in found} == {rule}
    assert said in "\n".join(message for _, message in found)
    assert judged(change, rule) == []


def test_a_change_that_touches_no_surface_needs_no_table_and_no_link(pr):
    pr.undo()
    pr.small.append("README.md", "More.\n")
    pr.body = "Say more."
    assert pr.judged() == []


def test_a_runtime_lanes_pull_request_that_touches_no_surface_refers_to_any_page_and_links_the_decision(pr):
    pr.undo()
    pr.small.write("apps/node/src/slipway_node/backoff.py", "SECONDS = 1\n")
    pr.body = "Wait less."
    assert {rule for rule, _ in pr.judged()} == {"documents-referenced", "adr-linked"}
    pr.body = f"Wait less, by docs/contracts/README.md and {ADR}."
    assert pr.judged() == []


SUBMIT_CODE = "apps/api/src/slipway_gateway/submit.py"


def test_a_pull_request_is_judged_by_the_plan_that_was_there_before_it_too(pr):
    pr.undo()
    pr.small.replace(PLAN, 'paths = ["apps/api/src/slipway_gateway/submit.py"]\n', "")
    pr.small.replace(PLAN, 'paths = ["apps/api/*", "packages/contracts/*"]', 'paths = ["packages/contracts/*"]')
    pr.small.write(SUBMIT_CODE, "TAKEN = 1\n")
    pr.small.replace(ADR, "Status: Accepted", "Status: Proposed")
    pr.body = ""
    found = dict(pr.judged())
    assert f"refer to {PAGE}, and the change touches {SUBMIT_CODE}" in found["documents-referenced"]
    assert {"adr-linked", "ask", "merge-order"} <= found.keys()


def test_a_module_that_leaves_its_surface_is_judged_as_the_surfaces(pr):
    pr.undo()
    pr.small.replace(PLAN, 'modules = ["submit_job_command"]', "modules = []")
    pr.small.replace(COMMAND, "    labels:", "    priority: int = 0\n    labels:")
    pr.body = ""
    found = pr.judged()
    assert "1 field(s) change" in dict(found)["sor-table"]
    assert any(rule == "one-owner" and "priority has no owner" in message for rule, message in found)


def test_the_meaning_is_that_of_the_plan_before_it_too(pr):
    pr.undo()
    pr.small.replace(PLAN, '  "packages/contracts/src/slipway_contracts/*.py",\n', "")
    pr.small.replace(COMPATIBILITY, "retryable=True", "retryable=False")
    assert f"{COMPATIBILITY} says another thing" in pr.read().meaning


def test_what_a_plan_takes_out_of_the_meaning_is_of_it_by_the_plan_before(pr):
    pr.undo()
    pr.small.replace(PLAN, 'slipway_contracts/*.py",\n', 'slipway_contracts/*.py",\n  "!*/compatibility.py",\n')
    pr.small.replace(COMPATIBILITY, "retryable=True", "retryable=False")
    assert f"{COMPATIBILITY} says another thing" in pr.read().meaning


def test_fields_that_have_no_table_any_more_are_removed(pr):
    pr.undo()
    pr.small.replace(PLAN, 'parts = ["ResourceShape"]', 'parts = ["ResourceShape", "SubmitJobCommand"]')
    pr.body = ""
    assert "SubmitJobCommand.job_id is removed" in pr.read().meaning
    assert "sor-table" in dict(pr.judged())


def test_a_module_that_goes_to_what_all_share_takes_no_field_along(pr):
    pr.undo()
    pr.small.replace(PLAN, 'modules = ["submit_job_command"]', "modules = []")
    pr.small.replace(PLAN, 'modules = ["__init__"', 'modules = ["submit_job_command", "__init__"')
    pr.small.replace(COMMAND, "    labels:", "    priority: int = 0\n    labels:")
    pr.body = ""
    assert "1 field(s) change" in dict(pr.judged())["sor-table"]


def test_a_plan_that_cannot_be_read_as_it_was_is_another_meaning(pr):
    pr.undo()
    plan = pr.small.read(PLAN)
    pr.small.write(PLAN, "[lanes\n")
    pr.small.commit("Break")
    pr.small.write(PLAN, plan)
    pr.base = "HEAD"
    assert f"{PLAN} cannot be read as it was before" in pr.read().meaning


@pytest.mark.parametrize("file", [PLAN, MAP, COMMAND])
def test_a_link_in_the_place_of_a_file_is_refused(pr, file):
    place = pr.small.root / file
    place.rename(place.with_suffix(".moved"))
    place.symlink_to(place.with_suffix(".moved").name)
    with pytest.raises(GateError, match="it is a symbolic link"):
        pr.read()


@pytest.mark.parametrize("module", ["extras/__init__", "_rests"])
def test_a_module_of_models_may_be_a_folder_or_private(pr, module):
    pr.small.write(
        f"{COMMAND.rpartition('/')[0]}/{module}.py",
        "from pydantic import BaseModel\n\n\nclass New(BaseModel):\n    a: int\n",
    )
    assert pr.read().unclaimed == (module.partition("/")[0],)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            '  "packages/contracts/src/slipway_contracts/*.py",\n',
            "",
            "meaning no longer has packages/contracts/src/slip",
        ),
        ('slipway_contracts/*.py",\n', 'slipway_contracts/*.py", "!*s.py",\n', "meaning takes *s.py out of its globs"),
        (
            'modules = ["execution_event"]',
            'modules = ["execution_event"]\nparts = ["Who"]',
            "fields of Who have no table",
        ),
        ('modules = ["execution_event"]', "modules = []", "no longer has execution_event among its modules"),
        (', "apps/api/src/slipway_gateway/events.py"]', "]", "events.py among its paths"),
        ('gateway/submit.py"]', 'gateway/submit.py", "!*submit.py"]', "takes *submit.py out of its paths"),
        ('paths = ["apps/api/*", ', "paths = [", "lane B no longer has apps/api/* among its paths"),
        ('of = ["execution-event"]', 'of = ["submit-job-command"]', 'criterion "Events are taken once" as it was'),
        ("step = 4", "step = 9", "lane D has another step"),
        ("runtime = true\n", "", "lane C has another runtime"),
        ('mode = "Ship"', 'mode = "Show"', "lane D has another mode"),
        ("0004-runtime-contract-boundary.md", "0003-single-write.md", "no longer has the decision docs/adr/0004"),
        ('name = "D"', 'name = "E"', "no longer has lane D"),
    ],
)
def test_what_is_taken_out_of_the_plan_is_told(pr, old, new, told):
    plan = pr.small.read(PLAN)
    assert old in plan
    former, now = (parsed(text, PLAN, Plan) for text in (plan, plan.replace(old, new, 1)))
    (said,) = weakened(former, now)
    assert told in said


def test_a_change_is_judged_whether_it_is_committed_or_not_and_against_where_it_parted(pr):
    pr.small.git("checkout", "--quiet", "-b", "change")
    pr.small.commit("Add a priority")
    pr.small.git("checkout", "--quiet", "main")
    pr.small.replace(EVENT, "    status_detail:", "    meanwhile: int = 0\n    status_detail:")
    pr.small.commit("Meanwhile")
    pr.small.git("checkout", "--quiet", "change")
    pr.base = "main"
    assert pr.judged() == []
    pr.body = ""
    assert {"documents-referenced", "adr-linked", "sor-table", "ask"} == {rule for rule, _ in pr.judged()}


def test_the_command_that_the_rollouts_page_gives_judges(pr, monkeypatch, capsys):
    command = "contract-gate pr --base main --body description.md --results results.xml"
    monkeypatch.chdir(pr.small.root)
    pr.small.write("description.md", pr.body)
    pr.ran()
    pr.small.write("results.xml", pr.results.read_text())
    assert cli.run(command.split()[1:]) == 0
    assert capsys.readouterr().out == "contract-gate pr: 13 rules hold\n"
    assert run(pr) == 0
    assert capsys.readouterr().out == (
        "- not judged: no results of the tests were given (--results FILE)  [tests-ran]\n"
        "contract-gate pr: 12 rules hold, 1 not judged\n"
    )


def test_another_wording_of_a_description_is_no_other_field(pr):
    pr.undo()
    pr.small.replace(COMMAND, "vCPU", "Cores")
    pr.body = f"{PAGE} {ADR}"
    assert pr.judged() == []


def test_a_surface_that_is_taken_away_is_a_change_of_all_its_fields(pr):
    pr.undo()
    plan, sor_map = pr.small.read(PLAN), pr.small.read(MAP)
    start, end = plan.index("[surfaces.execution-event]"), plan.index("[[lanes]]")
    gone = plan[:start] + plan[end:]
    gone = gone.replace('surfaces = ["submit-job-command", "execution-event"]', 'surfaces = ["submit-job-command"]')
    gone = gone.replace('surfaces = ["execution-event"]', "surfaces = []").replace(
        'of = ["execution-event"]', 'of = ["submit-job-command"]'
    )
    pr.small.write(PLAN, gone)
    pr.small.write(MAP, sor_map[: sor_map.index("[surfaces.execution-event")])
    pr.small.remove(EVENT)
    pr.small.remove(COMPATIBILITY)
    found = pr.judged()
    assert any("ExecutionEvent.state is removed" in message for _, message in found)


def run(pr, *arguments, base=None, body=None, results=None):
    said = pr.small.root.parent / "body.md"
    said.write_text(pr.body)
    extra = ("--results", str(results)) if results else ()
    given = ("--base", base or pr.base, "--body", str(body or said), "--tree", str(pr.small.root))
    return cli.run(["pr", *given, *extra, *arguments])


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda pr: setattr(pr, "base", "no-such-branch"), "there is no revision no-such-branch"),
        (lambda pr: setattr(pr, "base", "no\nsuch"), "there is no revision no such"),
        (in_tree(PLAN, "adr = ", "adr : "), "docs/process/rollout.toml: it is no TOML: "),
        (
            in_tree(PLAN, 'mode = "Show"', 'mode = "Later"'),
            "docs/process/rollout.toml: lanes.0.mode: Input should be 'Ship'",
        ),
        (in_tree(PLAN, "step = 3", "step = 2"), "docs/process/rollout.toml: the whole: two lanes have the same step"),
        (in_tree(PLAN, "within = ", "# "), "lanes.2.criteria.0: evidence idempotency needs within"),
        (
            in_tree(PLAN, 'surfaces = ["execution-event"]', 'surfaces = ["reads"]'),
            "lane C names reads, which is no surface",
        ),
        (lambda pr: pr.small.remove(PLAN), "docs/process/rollout.toml: cannot be read: No such file"),
        (
            in_tree(MAP, "labels = {", "job_id = {"),
            "docs/contracts/sor-map.toml: it is no TOML: Cannot overwrite a value",
        ),
        (
            in_tree(MAP, 'owner = "Product SoR"', 'owner = "Redis"'),
            "SubmitJobCommand.job_id.owner: Input should be 'Product SoR'",
        ),
        (
            in_tree(MAP, 'owner = "Product SoR"', 'owner = ["Product SoR", "Execution SoR"]'),
            "docs/contracts/sor-map.toml: surfaces.submit-job-command.SubmitJobCommand.job_id.owner: Input should be",
        ),
        (lambda pr: pr.small.remove(MAP), "docs/contracts/sor-map.toml: cannot be read: No such file"),
        (in_tree(COMMAND, "class SubmitJobCommand(", "class SubmitJobCommand("), None),
        (
            in_tree(COMMAND, "import Id,", "import Nothing,"),
            "packages/contracts/src: the models cannot be imported: ImportError",
        ),
    ],
)
def test_what_cannot_be_judged_is_one_line_that_says_where(pr, capsys, edit, told):
    edit(pr)
    status = run(pr)
    out, err = capsys.readouterr()
    if told is None:
        assert (status, err) == (0, "")
        return
    assert status == 2
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("contract-gate pr: ")
    assert told in err


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"not XML", "it is no XML: syntax error: line 1, column 0"),
        (b"<html></html>", "it is no JUnit file: it begins with <html>"),
        (b'<?xml version="1.0" encoding="foo"?><testsuites/>', "encoding that cannot be read: unknown encoding: foo"),
        (b'<?xml version="1.0" encoding="utf-7"?><testsuites/>', "it is in an encoding that cannot be read: "),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_results_file_that_is_none_is_one_line(pr, capsys, content, told):
    file = pr.small.root.parent / "results.xml"
    if content is not None:
        file.write_bytes(content)
    assert run(pr, results=file) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert f"{file}" in err
    assert told in err


def test_a_description_that_is_missing_is_one_line_and_an_empty_one_falls_short(pr, capsys):
    assert run(pr, body="/no/such/file") == 2
    assert capsys.readouterr().err == "contract-gate pr: /no/such/file: cannot be read: No such file or directory\n"
    pr.body = ""
    assert run(pr) == 1
    assert "has no table | field | owner | writer | readers |  [sor-table]" in capsys.readouterr().out


def test_a_folder_that_is_no_repository_is_one_line(tmp_path, capsys):
    assert cli.run(["pr", "--base", "main", "--body", "/dev/null", "--tree", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_finding_in_the_map_has_its_line(pr, capsys):
    pr.small.replace(MAP, IN_MAP, IN_MAP + IN_MAP.replace("priority", "urgency"))
    assert run(pr, "--format", "github") == 1
    line = pr.small.read(MAP).splitlines().index(IN_MAP.replace("priority", "urgency").strip()) + 1
    assert f"::error file={MAP},line={line},title=one-owner::" in capsys.readouterr().out
