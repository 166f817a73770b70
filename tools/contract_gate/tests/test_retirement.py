"""The gate `retirement`: each rule by a change that it lets pass and by changes of which it alone falls short."""

from datetime import timedelta

import pytest
from retirement_examples import EXAMPLES, TODAY, excused, locked
from rule_examples import failing, passing, rules_of
from small_repository import SmallRepository

from contract_gate import retirement


@pytest.fixture
def small(tmp_path):
    return SmallRepository.made_in(tmp_path)


def test_the_small_repository_holds(small):
    assert retirement.judge(small.repository, TODAY).findings == ()


def test_every_rule_has_its_examples():
    assert list(EXAMPLES) == [rule.name for rule in retirement.GATE.rules]


@pytest.mark.parametrize("change", passing(EXAMPLES))
def test_a_change_that_keeps_to_the_rule_passes(small, change):
    change(small)
    assert retirement.judge(small.repository, TODAY).findings == ()


@pytest.mark.parametrize(("rule", "found", "change"), failing(EXAMPLES))
def test_a_change_falls_short_of_this_rule_alone(small, rule, found, change):
    change(small)
    tree = retirement.read(small.repository, TODAY)
    findings = retirement.GATE.judge(tree).findings
    assert rules_of(findings) == {rule}, findings
    assert any(found in each.message for each in findings), findings
    assert all(each.file for each in findings)
    assert retirement.GATE.judge(tree, without=frozenset({rule})).holds


def test_an_exception_that_has_expired_excuses_nothing(small):
    locked("redis")(small)
    excused("`uv.lock: redis`")(small)
    assert retirement.judge(small.repository, TODAY).holds
    late = retirement.judge(small.repository, TODAY + timedelta(days=1)).findings
    assert rules_of(late) == {"retired-in-lock-files", "retirement-exceptions"}


@pytest.mark.parametrize("what", ["`uv.lock: rq`", "`pnpm-lock.yaml: redis`"])
def test_an_exception_excuses_nothing_but_what_it_names(small, what):
    locked("redis")(small)
    excused(what)(small)
    assert "retired-in-lock-files" in rules_of(retirement.judge(small.repository, TODAY).findings)


def test_what_is_found_is_told_with_its_line(small):
    small.write("apps/api/src/slipway_gateway/a.py", "\n\nimport redis\n")
    small.write("apps/web/a.ts", "/* a\n comment */\n\nimport 'redis'\n")
    findings = retirement.judge(small.repository, TODAY).findings
    assert [(each.file, each.line) for each in findings] == [
        ("apps/api/src/slipway_gateway/a.py", 3),
        ("apps/web/a.ts", 4),
    ]


def test_a_byte_order_mark_is_no_part_of_what_is_read(small):
    small.write("apps/api/src/slipway_gateway/a.py", "\ufeffimport redis\n")
    small.write("requirements.txt", "\ufeffredis\n")
    assert len(retirement.judge(small.repository, TODAY).findings) == 2
