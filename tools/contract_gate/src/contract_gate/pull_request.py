"""`contract-gate pr`: what a pull request has to bring (docs/process/runtime-contract-rollout.md)."""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from contract_gate.change import Change, change_since
from contract_gate.coverage import IDEMPOTENCY, TENANT_BOUNDARY, MarkedTest
from contract_gate.criteria import shown
from contract_gate.description import CONTRACTS, HEADER, Row, row_told
from contract_gate.models import file_of
from contract_gate.plan import PLAN, Mode, matching
from contract_gate.repository import Repository
from contract_gate.results import Outcome, Results, outcome_of
from contract_gate.rules import Evidence, Finding, Gate, Report, finding, not_judged
from contract_gate.sor_map import MAP, Owner, Reader, Writer, faults, line_of

GATE: Gate[Change] = Gate("pr")


def judge(repository: Repository, base: str, body: str, results: Path | None = None) -> Report:
    """Judge the change since ``base`` that ``body`` describes; ``results`` is a JUnit file. Raises GateError."""
    return GATE.judge(change_since(repository, base, body, results))


@GATE.rule(
    "documents-referenced",
    "The description refers to the page of each surface that is touched, in a runtime lane to one at least.",
)
def _documents_referenced(change: Change) -> Iterator[Finding]:
    for document, what in change.documents():
        if not change.description.refers_to(document):
            yield finding(f"the description does not refer to {document}, and the change touches {what}")
    if change.is_of_a_runtime_lane and not change.touched and not change.description.refers_to_a_contract:
        yield finding(f"the description refers to no page of {CONTRACTS}, and the change is of a runtime lane")


@GATE.rule("adr-linked", "The description links ADR-0004 where a surface is touched, and in every runtime lane.")
def _adr_linked(change: Change) -> Iterator[Finding]:
    if (change.touched or change.is_of_a_runtime_lane) and not change.description.refers_to(change.plan.adr):
        yield finding(f"the description does not link {change.plan.adr}, which the change carries out")


@GATE.rule("sor-table", "Where fields change, the description has the SoR mapping table.")
def _sor_table(change: Change) -> Iterator[Finding]:
    if change.changed and not change.description.has_table:
        yield finding(f"{len(change.changed)} field(s) change, and the description has no table {HEADER}")
    for line in change.description.malformed:
        yield finding(f"line {line} of the description is no row of the table {HEADER}")


@GATE.rule("sor-rows", "The SoR mapping table has a row for each field that changes.")
def _sor_rows(change: Change) -> Iterator[Finding]:
    told = {row.field for row in change.description.rows}
    for field, how in change.changed if change.description.has_table else ():
        if field.name not in told:
            entry = change.entries.get(field)
            row = row_told(field.name, entry.owner, entry.writer, entry.readers) if entry else f"| `{field.name}` | …"
            yield finding(f"{field.name} {how}, and the SoR mapping table has no row for it; by the map: {row}")


@GATE.rule("sor-fields-exist", "The SoR mapping table names no field that exists neither before nor after the change.")
def _sor_fields_exist(change: Change) -> Iterator[Finding]:
    names = {field.name for field in (*change.fields, *change.former_fields)}
    for row in change.description.rows:
        if row.field not in names:
            like = get_close_matches(row.field, names, 1) or [name for name in names if name.endswith(f".{row.field}")]
            hint = f"; is it {like[0]}?" if like else ""
            yield finding(f"line {row.line} of the description: no model has a field {row.field or '(empty)'}{hint}")


@GATE.rule("sor-owners", "The SoR mapping table names the owner, the writer and the readers that the SoR map does.")
def _sor_owners(change: Change) -> Iterator[Finding]:
    for row in change.description.rows:
        unknown = list(_unknown(row))
        yield from (finding(f"line {row.line} of the description, {row.field}: {each}") for each in unknown)
        if unknown:
            continue
        for field, entry in change.entries.items():
            if field.name == row.field:
                for what, said, due in (
                    ("owner", row.owner, str(entry.owner)),
                    ("writer", row.writer, str(entry.writer)),
                    ("readers", ", ".join(row.readers), ", ".join(sorted(entry.readers))),
                ):
                    if said != due:
                        yield finding(f"line {row.line} of the description, {row.field}: {what} {said}, in {MAP} {due}")


def _unknown(row: Row) -> Iterator[str]:
    """Yield what in a row is no owner, writer or reader."""
    for what, said, known in (
        ("owner", (row.owner,), list(Owner)),
        ("writer", (row.writer,), list(Writer)),
        ("reader", row.readers or ("",), list(Reader)),
    ):
        for each in said:
            if each not in set(known):
                yield f"{each or '(empty)'} is no {what}; known are {', '.join(known)}"


@GATE.rule("one-owner", "The SoR map has one owner and one writer for each field of the models, and for no other.")
def _one_owner(change: Change) -> Iterator[Finding]:
    for field, message in faults(change.sor_map, change.fields):
        yield finding(message, MAP, line_of(change.map_text, field))


@GATE.rule("modules-claimed", "Each module that defines models of the contract has a surface, or is what all share.")
def _modules_claimed(change: Change) -> Iterator[Finding]:
    for module in change.unclaimed:
        yield finding(
            f"{module} defines models; give it to a surface of {PLAN}, or to what all share",
            file_of(change.tree.root, module),
        )


@GATE.rule("idempotency-tests", 'Each surface that is touched has a test marked idempotency("surface").')
def _idempotency_tests(change: Change) -> Iterator[Finding]:
    return _not_covered(change, IDEMPOTENCY)


@GATE.rule("tenant-tests", 'Each surface that is touched has a test marked tenant_boundary("surface").')
def _tenant_tests(change: Change) -> Iterator[Finding]:
    return _not_covered(change, TENANT_BOUNDARY)


def _not_covered(change: Change, kind: str) -> Iterator[Finding]:
    for name, what in change.touched.items():
        if name in change.plan.surfaces and not _covering(change, kind, name):
            where = ", ".join(change.plan.surfaces[name].tests)
            yield finding(f'the change touches {what}, and no test in {where} is marked {kind}("{name}")')


def _covering(change: Change, kind: str, surface: str) -> list[MarkedTest]:
    globs = change.plan.surfaces[surface].tests
    return [test for test in change.tree.tests if test.covers(kind, surface) and matching([test.file], globs)]


@GATE.rule(
    "tests-ran", "With a results file: the tests that cover what is touched ran and passed, and not all were skipped."
)
def _tests_ran(change: Change) -> Iterator[Finding | Evidence]:
    if change.results is None:
        yield not_judged("no results of the tests were given (--results FILE)")
        return
    for name in change.touched:
        for kind in (IDEMPOTENCY, TENANT_BOUNDARY) if name in change.plan.surfaces else ():
            for message in _did_not_run(_covering(change, kind, name), change.results):
                yield finding(f'{kind}("{name}"): {message}', change.results_file)


def _did_not_run(tests: list[MarkedTest], results: Results) -> Iterator[str]:
    by_outcome: dict[Outcome | None, list[str]] = {}
    for test in tests:
        by_outcome.setdefault(outcome_of(results, test.file, test.name), []).append(test.node_id)
    for outcome, what in ((None, "did not run"), (Outcome.FAILED, "failed")):
        if those := by_outcome.get(outcome):
            yield f"{len(those)} of {len(tests)} {what}, as {those[0]}"
    if by_outcome.keys() == {Outcome.SKIPPED}:
        yield f"all {len(tests)} were skipped, as {tests[0].node_id}"


@GATE.rule("merge-order", "A lane lands when the criteria of the lanes before it hold on the tree that it makes.")
def _merge_order(change: Change) -> Iterator[Finding]:
    for lane in change.plan.lanes_before(change.lanes):
        last = change.lanes[-1]
        for criterion in lane.criteria:
            for each in shown(criterion, change.tree):
                if not each.holds:
                    yield finding(
                        f"lane {last.name} (step {last.step}) waits for lane {lane.name} (step {lane.step}), whose "
                        f'criterion does not hold: "{criterion.says}": {each.message}',
                        each.file,
                        each.line,
                    )


@GATE.rule("ask", "A change of what the contract means says `Mode: Ask`, and `Reviewed by:` whoever reviewed it.")
def _ask(change: Change) -> Iterator[Finding]:
    if not change.meaning:
        return
    more = f" (and {len(change.meaning) - 1} more)" if len(change.meaning) > 1 else ""
    why = f"the contract comes to mean another thing: {change.meaning[0]}{more}"
    if change.description.modes != {Mode.ASK}:
        yield finding(f"{why}; the description has no line `Mode: Ask`, or another mode beside it")
    elif not change.description.reviewers:
        yield finding(f"{why}; it waits for a review, and for a line `Reviewed by: @<who>` in the description")
