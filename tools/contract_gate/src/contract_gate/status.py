"""`contract-gate status`: the rollout's exit criteria, each with what shows it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from contract_gate.coverage import marked_in
from contract_gate.criteria import Tree, accepted, shown
from contract_gate.description import CONTRACTS
from contract_gate.fields import fields_of
from contract_gate.models import contract_in
from contract_gate.open_pull_requests import OpenPullRequest, ambiguities, open_pull_requests_in
from contract_gate.plan import Plan, plan_in
from contract_gate.repository import Repository
from contract_gate.rules import Evidence, Finding, Gate, Report, evidence, finding, not_judged
from contract_gate.sor_map import MAP, Fault, SorMap, faults, line_of, map_of

EXPORTED_FILES = 100
"""So many of a pull request's files `gh pr list` exports at the most."""
NOT_GIVEN = "no list of open pull requests was given (--prs FILE)"


@dataclass(frozen=True, slots=True)
class State:
    """Where the rollout stands: the tree, its map's faults, and the open pull requests if they were given."""

    plan: Plan
    tree: Tree
    sor_map: SorMap
    map_text: str
    map_faults: tuple[Fault, ...]
    open: tuple[OpenPullRequest, ...] | None

    @property
    def carrying(self) -> list[OpenPullRequest]:
        """Return the open pull requests that carry the contract out."""
        return [each for each in self.open or () if each.carries_out(self.plan)]


GATE: Gate[State] = Gate("status")


def judge(repository: Repository, prs: Path | None = None) -> Report:
    """Judge where the rollout stands; ``prs`` is an export of the open pull requests. Raises GateError."""
    return GATE.judge(state_of(repository, prs))


def state_of(repository: Repository, prs: Path | None = None) -> State:
    """Read where the rollout stands. Raises GateError where something cannot be read."""
    plan, tracked = plan_in(repository.root), tuple(repository.tracked())
    text = repository.text(MAP)
    sor_map = map_of(text)
    fields = fields_of(contract_in(repository.root, plan.modules), plan.parts)
    return State(
        plan=plan,
        tree=Tree(repository.root, tracked, tuple(marked_in(repository.root, tracked))),
        sor_map=sor_map,
        map_text=text,
        map_faults=tuple(faults(sor_map, fields)),
        open=open_pull_requests_in(prs) if prs else None,
    )


@GATE.rule("adr-accepted", "ADR-0004 is accepted.")
def _adr_accepted(state: State) -> Iterator[Finding | Evidence]:
    it = accepted(state.plan.adr, state.tree)
    yield (evidence if it.holds else finding)(it.message, it.file, it.line)


@GATE.rule("adr-linked-by-prs", "Every open pull request that carries the contract out links ADR-0004.")
def _adr_linked_by_prs(state: State) -> Iterator[Finding | Evidence]:
    return _each_refers_to(state, [state.plan.adr])


@GATE.rule("contracts-referenced-by-prs", "Every open pull request of a lane references the pages of what it touches.")
def _contracts_referenced_by_prs(state: State) -> Iterator[Finding | Evidence]:
    return _each_refers_to(state, None)


def _each_refers_to(state: State, files: list[str] | None) -> Iterator[Finding | Evidence]:
    """Yield whether each pull request that carries the contract out refers to ``files``, or to the pages it touches.

    One that touches none, and is a runtime lane's by its files or by its label, refers to any page of the contract.
    """
    if state.open is None:
        yield not_judged(NOT_GIVEN)
        return
    for each in state.carrying:
        due = files or state.plan.documents_of(each.paths)
        missing = [file for file in due if not each.description.refers_to(file)]
        if not due:
            due = [f"a page of {CONTRACTS}"]
            missing = due if not each.description.refers_to_a_contract else []
        yield from (finding(f"{each} ({each.title}) does not refer to {file}") for file in missing)
        if not missing:
            yield evidence(f"{each} ({each.title}) refers to {', '.join(due)}")
    for each in state.open:
        if len(each.files) >= EXPORTED_FILES:
            yield not_judged(f"{each} ({each.title}): what it changes beyond the {EXPORTED_FILES} files of the export")
    yield evidence(f"{len(state.carrying)} of {len(state.open)} open pull requests carry the contract out")


@GATE.rule("no-ambiguous-owner", "Each field has one owner and one writer, in the map and in every open pull request.")
def _no_ambiguous_owner(state: State) -> Iterator[Finding | Evidence]:
    for field, message in state.map_faults:
        yield finding(message, MAP, line_of(state.map_text, field))
    if not state.map_faults:
        yield evidence(f"{len(state.sor_map.entries())} fields, each with one owner and one writer", MAP)
    if state.open is None:
        yield not_judged(NOT_GIVEN)
        return
    found = list(ambiguities(state.open, state.sor_map))
    yield from map(finding, found)
    if not found:
        rows = sum(len(each.description.rows) for each in state.open)
        yield evidence(f"{rows} rows in {len(state.open)} open pull requests, none against another or the map")


@GATE.rule("lanes-hold", "The criteria of each lane hold.")
def _lanes_hold(state: State) -> Iterable[Finding | Evidence]:
    for lane in state.plan.in_order:
        for criterion in lane.criteria:
            for it in shown(criterion, state.tree):
                message = f"lane {lane.name}: {criterion.says}: {it.message}"
                yield (evidence if it.holds else finding)(message, it.file, it.line)
