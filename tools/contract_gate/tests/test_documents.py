"""The gate `docs`: each rule by a change that it lets pass and by changes of which it alone falls short."""

import page_examples
import pytest
import surface_examples
from rule_examples import failing, passing, rules_of
from small_repository import SmallRepository

from contract_gate import documents, pages

EXAMPLES = {**surface_examples.EXAMPLES, **page_examples.EXAMPLES}


@pytest.fixture
def small(tmp_path):
    return SmallRepository.made_in(tmp_path)


def test_the_small_repository_holds(small):
    assert documents.judge(small.repository).findings == ()


def test_every_rule_has_its_examples():
    assert list(EXAMPLES) == [rule.name for rule in documents.GATE.rules]


@pytest.mark.parametrize("change", passing(EXAMPLES))
def test_a_change_that_brings_what_the_rule_asks_passes(small, change):
    change(small)
    assert documents.judge(small.repository).findings == ()


@pytest.mark.parametrize(("rule", "found", "change"), failing(EXAMPLES))
def test_a_change_falls_short_of_this_rule_alone(small, rule, found, change):
    change(small)
    read = pages.read(small.repository)
    findings = documents.GATE.judge(read).findings
    assert rules_of(findings) == {rule}, findings
    assert any(found in each.message for each in findings), findings
    assert all(each.file for each in findings)
    assert documents.GATE.judge(read, without=frozenset({rule})).holds
