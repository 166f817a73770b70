"""This repository's plan beside its tree, and its page beside the rules."""

import importlib
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from contract_gate.cli import app
from contract_gate.coverage import IDEMPOTENCY, TENANT_BOUNDARY, marked_in
from contract_gate.markdown import page
from contract_gate.models import SOURCE
from contract_gate.plan import matching, module_file, plan_in
from contract_gate.repository import Repository
from contract_gate.rules import Gate

ROOT = Path(__file__).parents[3]
PLAN = plan_in(ROOT)
PAGE = page((ROOT / "docs/process/runtime-contract-rollout.md").read_text(encoding="utf-8"))
WITHOUT_MODELS = frozenset({"__init__", "lifecycle", "compatibility", "enrichment"})
MODULES = ("documents", "drift", "breaking", "retirement", "pull_request", "status")


@pytest.fixture(scope="module")
def files():
    return Repository(ROOT).tracked()


def gates():
    """Return command → its gate, of those that are there."""
    modules = [
        importlib.import_module(f"contract_gate.{name}") for name in MODULES if find_spec(f"contract_gate.{name}")
    ]
    found = [value for module in modules for value in vars(module).values() if isinstance(value, Gate)]
    return {gate.command: gate for gate in found}


def named():
    """Return (command, rule or nothing) of each rule that the page's table names."""
    (table,) = PAGE.sections(2)["Which rule checks what"].tables()
    cells = [cell for row in table.rows for cell in re.findall(r"`([^`]+)`", row["rule"])]
    return [(command, rule) for command, _, rule in (cell.partition(" ") for cell in cells)]


def test_every_place_that_the_plan_names_is_there(files):
    globs = [glob for surface in PLAN.surfaces.values() for glob in (surface.document, *surface.paths, *surface.tests)]
    globs += [glob for criterion in criteria() for glob in criterion.within]
    globs += [module_file(module) for surface in PLAN.documented for module in surface.modules]
    globs += [module_file(module) for module in PLAN.meaning]
    assert [glob for glob in globs if not matching(files, [glob.removeprefix("!")])] == []


def criteria():
    return [criterion for lane in PLAN.lanes for criterion in lane.criteria]


def test_every_module_of_the_contract_has_one_surface_or_is_shared():
    defined = [module for surface in PLAN.documented for module in surface.modules]
    there = {file.stem for file in (ROOT / SOURCE / "slipway_contracts").glob("*.py")}
    assert sorted(defined) == sorted(there - WITHOUT_MODELS)


def test_every_lane_has_criteria():
    assert [lane.name for lane in PLAN.lanes if not lane.criteria] == []


def test_every_surface_has_tests_of_both_kinds_and_every_marked_test_counts_for_its_surface(files):
    tests = marked_in(ROOT, files)
    for name, surface in PLAN.surfaces.items():
        for kind in (IDEMPOTENCY, TENANT_BOUNDARY):
            marked = {test.file for test in tests if test.covers(kind, name)}
            assert marked, (kind, name)
            assert marked == set(matching(marked, surface.tests)), (kind, name)


def test_every_mark_names_a_surface(files):
    marked = {mark.surface for test in marked_in(ROOT, files) for mark in test.marks}
    assert marked == set(PLAN.surfaces)


def test_every_rule_of_pr_and_status_stands_in_the_pages_table():
    table = named()
    for command in ("pr", "status"):
        assert {rule for each, rule in table if each == command} == {rule.name for rule in gates()[command].rules}


def test_every_gate_stands_in_the_pages_table_and_every_rule_of_it_exists():
    commands = {name for name in app if not name.startswith("-")}
    assert {command for command, _ in named()} == commands
    for command, rule in named():
        if rule and command in gates():
            assert rule in {each.name for each in gates()[command].rules}
