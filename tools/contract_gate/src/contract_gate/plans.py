"""The plan before a change and after it: a change is judged by both, and takes nothing out unseen. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from contract_gate.plan import PLAN, Common, Lane, Plan, Surface, matching

_OF_A_PAGE = ("modules", "paths", "tests")


def surfaces_of(former: Plan | None, plan: Plan) -> dict[str, Surface]:
    """Return the surfaces of both; a module that a surface had and none has any more is still that surface's.

    What all share has no fields of its own: a module that goes there takes none of them along.
    """
    claimed = {module for each in plan.surfaces.values() for module in each.modules}
    before = former.surfaces if former else {}
    return {
        name: surface.model_copy(update={"modules": tuple(_modules(surface, before.get(name), plan, claimed, name))})
        for name, surface in {**before, **plan.surfaces}.items()
    }


def _modules(surface: Surface, before: Surface | None, plan: Plan, claimed: set[str], name: str) -> Iterator[str]:
    if name in plan.surfaces:
        yield from surface.modules
    yield from (module for module in (before.modules if before else ()) if module not in claimed)


def touched_by(former: Plan | None, plan: Plan, files: Sequence[str]) -> dict[str, list[str]]:
    """Return surface, or the page of what all share → those of ``files`` that belong to it by either plan."""
    found: dict[str, set[str]] = {}
    for each in _both(former, plan):
        for name, surface in each.surfaces.items():
            found.setdefault(name, set()).update(surface.touched_by(files))
        if each.common:
            found.setdefault((plan.common or each.common).document, set()).update(each.common.touched_by(files))
    return {name: [file for file in files if file in those] for name, those in found.items() if those}


def lanes_of(former: Plan | None, plan: Plan, files: Sequence[str]) -> list[Lane]:
    """Return the lanes of the plan that one of ``files`` lies in by either plan, by merge step."""
    before = {lane.name for lane in former.lanes_of(files)} if former else set()
    return [lane for lane in plan.in_order if lane.name in before or matching(files, lane.paths)]


def is_of_a_runtime_lane(former: Plan | None, plan: Plan, files: Sequence[str]) -> bool:
    """Tell whether one of ``files`` lies in a runtime lane by either plan."""
    return any(each.runtime_lanes_of(files) for each in _both(former, plan))


def meaning_in(former: Plan | None, plan: Plan, files: Sequence[str]) -> set[str]:
    """Return those of ``files`` that carry the contract's meaning by either plan."""
    return {file for each in _both(former, plan) for file in matching(files, each.meaning)}


def pages_of(former: Plan | None, plan: Plan) -> set[str]:
    """Return the pages of both."""
    return {each.document for one in _both(former, plan) for each in one.documented}


def weakened(former: Plan, plan: Plan) -> Iterator[str]:
    """Yield what the former plan judges by and the plan does not: taking it out is as much as another contract."""
    if former.adr != plan.adr:
        yield f"{PLAN} no longer has the decision {former.adr}"
    yield from (f"{PLAN}: the contract's meaning {how}" for how in _taken("globs", former.meaning, plan.meaning))
    yield from (f"{PLAN}: the fields of {part} have no table any more" for part in sorted(plan.parts - former.parts))
    yield from _weakened_pages(_documented(former), _documented(plan))
    after = {lane.name: lane for lane in plan.lanes}
    for lane in former.lanes:
        if lane.name not in after:
            yield f"{PLAN} no longer has lane {lane.name}"
        else:
            yield from (f"{PLAN}: lane {lane.name} {how}" for how in _weakened_lane(lane, after[lane.name]))


def _weakened_pages(former: Mapping[str, Common], now: Mapping[str, Common]) -> Iterator[str]:
    for name, before in former.items():
        after = now.get(name)
        if after is None:
            yield f"{PLAN} no longer has {name}"
            continue
        if before.document != after.document:
            yield f"{PLAN}: {name} no longer has the page {before.document}"
        for what in _OF_A_PAGE:
            taken = _taken(what, getattr(before, what, ()), getattr(after, what, ()))
            yield from (f"{PLAN}: {name} {how}" for how in taken)


def _weakened_lane(before: Lane, after: Lane) -> Iterator[str]:
    for what in ("mode", "step", "runtime"):
        if getattr(before, what) != getattr(after, what):
            yield f"has another {what}"
    yield from _taken("paths", before.paths, after.paths)
    for criterion in before.criteria:
        if criterion not in after.criteria:
            yield f'no longer has its criterion "{criterion.says}" as it was'


def _taken(what: str, before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    """Yield what is no longer in ``after``, or is taken out of it by a glob with a ``!`` that is new."""
    for each in _gone([x for x in before if not x.startswith("!")], after):
        yield f"no longer has {each} among its {what}"
    for each in _gone([x for x in after if x.startswith("!")], before):
        yield f"takes {each[1:]} out of its {what}"


def _gone(before: Iterable[str], after: Iterable[str]) -> list[str]:
    kept = set(after)
    return [each for each in before if each not in kept]


def _documented(plan: Plan) -> dict[str, Common]:
    return {**plan.surfaces, **({"common": plan.common} if plan.common else {})}


def _both(former: Plan | None, plan: Plan) -> tuple[Plan, ...]:
    return (plan, former) if former else (plan,)
