"""How a report is told."""

import json

import pytest

from contract_gate.output import Format, told, told_of_error
from contract_gate.rules import Evidence, Finding, Gate, GateError, Report, Rule, evidence, finding

RULE = Rule("documents-referenced", "pr", "Name the pages.")
FELL = Report((RULE,), (Finding(RULE.name, "name it: 100%\nof it", "docs/a,b.md", 3),))


def test_what_falls_short_is_told_with_its_place_and_its_rule():
    assert told("pr", FELL, Format.TEXT).splitlines()[0] == "docs/a,b.md:3: name it: 100%"
    assert told("pr", FELL, Format.TEXT).endswith("1 of 1 rule fell short, 1 finding(s)")
    assert told("pr", Report((RULE,), ()), Format.TEXT) == "contract-gate pr: 1 rule holds"


def test_what_shows_a_rule_to_hold_is_told_before_what_falls_short():
    report = Report(FELL.rules, FELL.findings, (Evidence("adr-accepted", "Status: Accepted", "docs/a.md", 3),))
    shown = "- docs/a.md:3: Status: Accepted  [adr-accepted]"
    assert told("status", report, Format.TEXT).splitlines()[0] == shown
    assert told("status", report, Format.GITHUB).splitlines()[1] == shown
    assert json.loads(told("status", report, Format.JSON))["evidence"][0]["message"] == "Status: Accepted"


def test_an_annotation_is_one_line_whose_parts_github_takes_apart_again():
    line = told("pr", FELL, Format.GITHUB).splitlines()[0]
    assert line == "::error file=docs/a%2Cb.md,line=3,title=documents-referenced::name it: 100%25%0Aof it"


def test_what_was_not_judged_is_no_part_of_what_holds():
    other = Rule("tests-ran", "pr", "Run them.")
    report = Report((RULE, other), (), (Evidence("tests-ran", "not judged: nothing was given", judged=False),))
    assert told("pr", report, Format.TEXT).endswith("contract-gate pr: 1 rule holds, 1 not judged")
    assert json.loads(told("pr", report, Format.JSON))["not_judged"] == ["tests-ran"]
    short = Report(report.rules, FELL.findings, report.evidence)
    assert told("pr", short, Format.TEXT).endswith("1 of 1 rule fell short, 1 finding(s), 1 not judged")


def test_a_program_reads_json():
    read = json.loads(told("pr", FELL, Format.JSON))
    assert (read["holds"], read["findings"][0]["rule"], read["findings"][0]["line"]) == (False, RULE.name, 3)


@pytest.mark.parametrize("form", Format)
def test_what_could_not_be_judged_is_one_line_that_says_where(form):
    said = told_of_error("pr", GateError("it is no TOML", "docs/process/rollout.toml", 4), form)
    assert "\n" not in said
    assert "docs/process/rollout.toml" in said


def test_a_gate_judges_by_every_rule_and_names_it_in_what_it_finds():
    gate: Gate[str] = Gate("pr")
    gate.rule("one", "")(lambda text: [finding("short")] if len(text) < 9 else [])
    gate.rule("two", "")(lambda _: [finding("always"), evidence("seen")])
    assert [each.rule for each in gate.judge("text").findings] == ["one", "two"]
    assert gate.judge("text").evidence == (Evidence("two", "seen"),)
    assert [each.rule for each in gate.judge("text", without=frozenset({"one"})).findings] == ["two"]
    with pytest.raises(ValueError, match="one already"):
        gate.rule("one", "")
