"""What a pull request changes, as the rules of `contract-gate pr` judge it: read from git, the models and the plan."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from contract_gate.coverage import marked_in
from contract_gate.criteria import Tree
from contract_gate.description import Description, description_of
from contract_gate.fields import Field, Schema, fields_of, models_of
from contract_gate.meaning import code_differs, page_differs, vector_differs, without_fields_differs
from contract_gate.models import OPENAPI, SOURCE, Contract, contract_in, file_of, modules_in
from contract_gate.plan import PLAN, Lane, Plan, Surface, module_files, parsed, plan_in
from contract_gate.plans import is_of_a_runtime_lane, lanes_of, meaning_in, pages_of, surfaces_of, touched_by, weakened
from contract_gate.repository import Repository
from contract_gate.results import Results, results_in
from contract_gate.rules import GateError
from contract_gate.sor_map import MAP, Entry, SorMap, map_of

NOBODYS = "of no surface: "
"""What stands before the module's name in place of a surface's."""


class Changed(NamedTuple):
    """A field that the change adds, removes, defines in another way or gives to another owner, writer or reader."""

    field: Field
    how: str


@dataclass(frozen=True, slots=True)
class Change:
    """A pull request, and the tree that it makes."""

    plan: Plan
    tree: Tree
    lanes: tuple[Lane, ...]
    is_of_a_runtime_lane: bool
    touched: Mapping[str, str]
    """Surface, or the page of what all share → what of it is touched."""
    surfaces: Mapping[str, Surface]
    """Those of the plan, and those that it had before."""
    fields: Mapping[Field, Schema]
    former_fields: Mapping[Field, Schema]
    changed: tuple[Changed, ...]
    sor_map: SorMap
    map_text: str
    entries: Mapping[Field, Entry]
    """The map's, and for a field that is removed the map's before the change."""
    meaning: tuple[str, ...]
    """What of the change is another meaning of the contract."""
    unclaimed: tuple[str, ...]
    """Modules of ``slipway_contracts`` that define models, and that neither a surface nor what all share has."""
    description: Description
    results: Results | None
    results_file: str | None

    def documents(self) -> Iterator[tuple[str, str]]:
        """Yield the page of each surface that is touched, or of what all share, and what of it is touched."""
        for name, what in self.touched.items():
            yield self.surfaces[name].document if name in self.surfaces else name, what


def change_since(repository: Repository, base: str, body: str, results: Path | None) -> Change:
    """Read the change from where the tree and ``base`` part. Raises GateError where something cannot be read."""
    commit = repository.merge_base(base)
    models = [file_of(repository.root, name) for name in modules_in(repository.root, private=True)]
    for file in (PLAN, MAP, OPENAPI, *models):
        repository.is_no_link(file)
    plan, former_plan = plan_in(repository.root), _former_plan(repository, commit)
    surfaces = surfaces_of(former_plan, plan)
    files = repository.changed_since(commit)
    doing = [file for file in files if not _does_the_same(repository, commit, file)]
    before, whole = _contracts(repository, commit, surfaces, files, _unclaimed(repository, plan))
    after = _without_nobodys(whole)
    former_parts = former_plan.parts if former_plan else plan.parts
    former, fields = fields_of(before, former_parts), fields_of(after, plan.parts)
    map_text = repository.text(MAP)
    sor_map, former_map = map_of(map_text), _former_map(repository, commit)
    former_entries = former_map.entries() if former_map else {}
    changed = tuple(_changed(former, fields, former_entries, sor_map.entries()))
    tracked = tuple(repository.tracked())
    return Change(
        plan=plan,
        tree=Tree(repository.root, tracked, tuple(marked_in(repository.root, tracked))),
        lanes=tuple(lanes_of(former_plan, plan, files)),
        is_of_a_runtime_lane=is_of_a_runtime_lane(former_plan, plan, files),
        touched=_touched(former_plan, plan, doing, changed),
        surfaces=surfaces,
        fields=fields,
        former_fields=former,
        changed=changed,
        sor_map=sor_map,
        map_text=map_text,
        entries={**former_entries, **sor_map.entries()},
        meaning=(
            *_models_mean(changed, models_of(before, former_parts), models_of(after, plan.parts)),
            *_unreadable_before(repository, commit, former_plan, former_map),
            *_files_mean(repository, commit, (former_plan, plan), surfaces, files),
        ),
        unclaimed=tuple(
            name.removeprefix(NOBODYS) for name, models in whole.models.items() if models and name not in after.models
        ),
        description=description_of(body),
        results=results_in(results) if results else None,
        results_file=str(results) if results else None,
    )


def _contracts(
    repository: Repository,
    commit: str,
    surfaces: Mapping[str, Surface],
    files: Sequence[str],
    unclaimed: Mapping[str, tuple[str, ...]],
) -> tuple[Contract, Contract]:
    """Return what the models say before and after the change, those of ``unclaimed`` modules after it alone."""
    modules = {name: surface.modules for name, surface in surfaces.items()}
    after = contract_in(repository.root, {**modules, **unclaimed})
    if not any(file.startswith(f"{SOURCE}/") for file in files):
        return _without_nobodys(after), after
    with repository.laid_out(commit, SOURCE) as place:
        try:
            return contract_in(place, modules), after
        except GateError as error:
            raise GateError(f"at {commit[:12]}, {error.message}", error.file, error.line) from error


def _without_nobodys(contract: Contract) -> Contract:
    models = {name: each for name, each in contract.models.items() if not name.startswith(NOBODYS)}
    return replace(contract, models=models)


def _unclaimed(repository: Repository, plan: Plan) -> dict[str, tuple[str, ...]]:
    """Return the modules that neither a surface nor what all share has, each by a name that no surface has."""
    claimed = {module for each in plan.documented for module in each.modules}
    modules = modules_in(repository.root, private=True)
    return {f"{NOBODYS}{name}": (name,) for name in modules if name not in claimed}


def _changed(
    former: Mapping[Field, Schema],
    fields: Mapping[Field, Schema],
    former_entries: Mapping[Field, Entry],
    entries: Mapping[Field, Entry],
) -> Iterator[Changed]:
    for field in sorted(former.keys() | fields.keys()):
        before, after = former_entries.get(field), entries.get(field)
        if field not in former:
            yield Changed(field, "is new")
        elif field not in fields:
            yield Changed(field, "is removed")
        elif former[field] != fields[field]:
            yield Changed(field, "is defined in another way")
        elif before and after and _entry(before) != _entry(after):
            yield Changed(field, "has another owner, writer or reader")


def _entry(entry: Entry) -> tuple[str, str, frozenset[str]]:
    return entry.owner, entry.writer, frozenset(entry.readers)


def _touched(former: Plan | None, plan: Plan, files: Sequence[str], changed: Sequence[Changed]) -> dict[str, str]:
    touched = {name: _and_more(those) for name, those in touched_by(former, plan, files).items()}
    for each in changed:
        touched.setdefault(each.field.surface, f"{each.field.name}, which {each.how}")
    return touched


def _does_the_same(repository: Repository, commit: str, file: str) -> bool:
    """Tell whether a file is Python of which comments, docstrings or layout alone are changed."""
    return file.endswith(".py") and not code_differs(repository.text_at(commit, file), _text_now(repository, file))


def _text_now(repository: Repository, file: str) -> str | None:
    return repository.text(file) if (repository.root / file).is_file() else None


def _models_mean(
    changed: Sequence[Changed], former: Mapping[tuple[str, str], Schema], models: Mapping[tuple[str, str], Schema]
) -> Iterator[str]:
    """Yield what of the models is another meaning of the contract."""
    for each in changed:
        yield f"{each.field.name} {each.how}"
    for key in sorted(former.keys() & models.keys()):
        if former[key] != models[key]:
            yield f"{key[1]} as a whole is defined in another way"


def _unreadable_before(
    repository: Repository, commit: str, former_plan: Plan | None, former_map: SorMap | None
) -> Iterator[str]:
    """Yield what was there before and cannot be read today: what it asked for is not known to be asked for still."""
    for file, former in ((PLAN, former_plan), (MAP, former_map)):
        if former is None and repository.text_at(commit, file) is not None:
            yield f"{file} cannot be read as it was before"


def _files_mean(
    repository: Repository,
    commit: str,
    plans: tuple[Plan | None, Plan],
    surfaces: Mapping[str, Surface],
    files: Sequence[str],
) -> Iterator[str]:
    """Yield what of the files, and of what the plan judges by, is another meaning of the contract."""
    former_plan, plan = plans
    yield from weakened(former_plan, plan) if former_plan else ()
    pages = pages_of(former_plan, plan)
    by_fields = {file for surface in surfaces.values() for module in surface.modules for file in module_files(module)}
    for file in sorted({*meaning_in(former_plan, plan, files), *(pages & set(files))}):
        if _differs_of(file, pages, by_fields)(repository.text_at(commit, file), _text_now(repository, file)):
            yield f"{file} says another thing"


def _differs_of(
    file: str, pages: Collection[str], by_fields: Collection[str]
) -> Callable[[str | None, str | None], bool]:
    """Return what tells whether a file says another thing; fields of models in ``by_fields`` are compared anyway."""
    if file in pages:
        return page_differs
    if file.endswith(".json"):
        return vector_differs
    return without_fields_differs if file in by_fields else code_differs


def _former_plan(repository: Repository, commit: str) -> Plan | None:
    """Return the plan before the change; None where there was none that can be read today."""
    text = repository.text_at(commit, PLAN)
    try:
        return None if text is None else parsed(text, PLAN, Plan)
    except GateError:
        return None


def _former_map(repository: Repository, commit: str) -> SorMap | None:
    """Return the map before the change; None where there was none that can be read today."""
    text = repository.text_at(commit, MAP)
    try:
        return None if text is None else map_of(text)
    except GateError:
        return None


def _and_more(files: Sequence[str]) -> str:
    return files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
