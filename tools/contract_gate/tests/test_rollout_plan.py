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
from contract_gate.plan import matching, module_files, plan_in
from contract_gate.repository import Repository
from contract_gate.rules import Gate

ROOT = Path(__file__).parents[3]
PLAN = plan_in(ROOT)
PAGE = page((ROOT / "docs/process/runtime-contract-rollout.md").read_text(encoding="utf-8"))
WITHOUT_MODELS = frozenset({"lifecycle", "compatibility", "enrichment"})
SOURCES = ("apps/*.py", "packages/*.py", "packages/*.ts", "convex/*.ts", "!*/tests/*", "!*/test_*")
ENFORCING = ("apps/api/src/*.py", "packages/contracts/src/*", "convex/functions/*.ts")
OF_NO_SURFACE = (
    # How a gateway is started, watched and told of.
    "apps/api/src/slipway_gateway/__init__.py",
    "apps/api/src/slipway_gateway/cli.py",
    "apps/api/src/slipway_gateway/logs.py",
    "apps/api/src/slipway_gateway/metrics.py",
    "apps/api/src/slipway_gateway/server.py",
    "apps/api/src/slipway_gateway/settings.py",
    "apps/api/src/slipway_gateway/tracing.py",
    "apps/api/src/slipway_gateway/version.py",
    "apps/api/src/slipway_gateway/*/__init__.py",
    # A store's schema, its statements as they are compiled, and moving it to another.
    "apps/api/src/slipway_gateway/migrations/*",
    "apps/api/src/slipway_gateway/moving.py",
    "apps/api/src/slipway_gateway/stores/moving.py",
    "apps/api/src/slipway_gateway/stores/archive/*",
    "convex/functions/deployment.ts",
    "convex/functions/imports.ts",
    "convex/functions/model/importing.ts",
    "convex/functions/model/tallying.ts",
    "convex/functions/_generated/*",
    "packages/contracts/src/slipway_contracts/py.typed",
)
"""Of what enforces the contract, the files that no surface and no page of what all share has."""
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
    globs = [glob for surface in PLAN.documented for glob in (surface.document, *surface.paths)]
    globs += [glob for surface in PLAN.surfaces.values() for glob in surface.tests]
    globs += [glob for criterion in criteria() for glob in criterion.within]
    globs += [module_files(module)[0] for surface in PLAN.documented for module in surface.modules]
    globs += PLAN.meaning
    assert [glob for glob in globs if not matching(files, [glob.removeprefix("!")])] == []


def criteria():
    return [criterion for lane in PLAN.lanes for criterion in lane.criteria]


def test_every_module_of_the_contract_has_one_surface_or_is_shared():
    defined = [module for surface in PLAN.documented for module in surface.modules]
    there = {file.stem for file in (ROOT / SOURCE / "slipway_contracts").glob("*.py")}
    assert sorted(defined) == sorted(there - WITHOUT_MODELS)


def test_every_source_of_the_runtime_is_a_runtime_lanes(files):
    assert [file for file in matching(files, SOURCES) if not PLAN.runtime_lanes_of([file])] == []


def test_all_that_enforces_the_contract_is_of_a_surface_or_is_shared_but_for_what_is_told_here(files):
    enforcing = [file for file in matching(files, ENFORCING) if not PLAN.documents_of([file])]
    assert [file for file in enforcing if not matching([file], OF_NO_SURFACE)] == []
    assert [glob for glob in OF_NO_SURFACE if not matching(files, [glob])] == []


def test_every_module_and_vector_of_the_contract_carries_its_meaning(files):
    contract = matching(files, [f"{SOURCE}/*.py", f"{SOURCE}/*.json"])
    assert len(contract) > 10
    assert matching(contract, PLAN.meaning) == contract


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
