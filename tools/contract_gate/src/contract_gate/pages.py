"""What the gate `docs` judges: a tree's Markdown pages, the rollout's plan, and what the models say."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contract_gate import command_blocks, markdown
from contract_gate.field_tables import FieldRow, field_rows
from contract_gate.markdown import Part
from contract_gate.models import OPENAPI, Contract, contract_in, modules_in
from contract_gate.plan import PLAN, Plan, plan_in
from contract_gate.repository import Repository
from contract_gate.rules import GateError
from contract_gate.sor_map import SorMap, map_in

CONTRACTS = "docs/contracts"
INDEX = f"{CONTRACTS}/README.md"
SHARED = "shared"
"""In place of a surface's name: the modules that no surface claims."""


@dataclass(frozen=True, slots=True)
class Documents:
    """A tree as its documents and its models tell it; ``files`` are those of the tree, ``pages`` its Markdown."""

    files: frozenset[str]
    pages: Mapping[str, Part]
    plan: Plan
    sor_map: SorMap
    contract: Contract
    asked: frozenset[str]
    answered: frozenset[str]
    """Models that requests, and that answers, have in the OpenAPI document."""
    scripts: Mapping[str, str]
    """The files that command blocks are said to be run by, and their texts."""

    def surface(self, name: str) -> Part:
        """Return a surface's page."""
        return self.pages[self.plan.surfaces[name].document]

    def section(self, surface: str, section: str) -> Part:
        """Return a section of a surface's page; an empty one where it is missing."""
        page = self.surface(surface)
        return page.sections(2).get(section, Part(page.file, section, 1, ()))

    def rows(self, surface: str, model: str) -> list[FieldRow]:
        """Return what a table of a surface's model has to say."""
        return field_rows(self.contract, model, self.contract.models[surface][model], self.plan.parts)

    def tabled(self, surface: str) -> list[str]:
        """Return the models of a surface that have tables of their own."""
        return [name for name in self.contract.models[surface] if name not in self.plan.parts]

    @property
    def index(self) -> Part:
        """Return the page of what all surfaces share."""
        return self.pages[INDEX]


def read(repository: Repository) -> Documents:
    """Read what the gate judges. Raises GateError where a part of it is not there or says nothing."""
    files = frozenset(repository.tracked())
    plan = plan_in(repository.root)
    pages = {file: markdown.page(repository.text(file), file) for file in sorted(files) if file.endswith(".md")}
    for file in (INDEX, *(surface.document for surface in plan.surfaces.values())):
        if file not in pages:
            raise GateError(f"it is not there, and {PLAN} needs it", file)
    modules = {name: surface.modules for name, surface in plan.surfaces.items()}
    modules[SHARED] = tuple(_unclaimed(repository.root, modules))
    asked, answered = _directions(repository.text(OPENAPI)) if OPENAPI in files else (frozenset(), frozenset())
    contract = contract_in(repository.root, modules)
    named = {file for page in pages.values() for file in command_blocks.named(page.text)} & files
    scripts = {file: repository.text(file) for file in sorted(named)}
    return Documents(files, pages, plan, map_in(repository.root), contract, asked, answered, scripts)


def _unclaimed(root: Path, modules: Mapping[str, Iterable[str]]) -> list[str]:
    claimed = {name for names in modules.values() for name in names}
    return [name for name in modules_in(root) if name not in claimed]


def _directions(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the models that requests have and those that answers have, also within others."""
    try:
        document = json.loads(text)
        schemas = document.get("components", {}).get("schemas", {})
        calls = [call for path in document.get("paths", {}).values() for call in path.values() if _is_call(call)]
        asked = [call.get("requestBody") for call in calls]
        answered = [call.get("responses") for call in calls]
        return _within(asked, schemas), _within(answered, schemas)
    except json.JSONDecodeError as error:
        raise GateError(f"it is no JSON: {error.msg}", OPENAPI, error.lineno) from error
    except RecursionError as error:
        raise GateError("it is no JSON that can be read: it is nested too deeply", OPENAPI) from error
    except (AttributeError, TypeError) as error:
        raise GateError("it is no OpenAPI document", OPENAPI) from error


def _is_call(part: object) -> bool:
    return isinstance(part, dict) and "responses" in part


def _within(parts: Iterable[Any], schemas: Mapping[str, Any]) -> frozenset[str]:
    found: set[str] = set()
    waiting = list(parts)
    while waiting:
        for name in _references(waiting.pop()):
            if name not in found:
                found.add(name)
                waiting.append(schemas.get(name))
    return frozenset(found)


def _references(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        reference = part.get("$ref")
        if isinstance(reference, str):
            yield reference.rpartition("/")[2]
        part = list(part.values())
    if isinstance(part, list):
        for value in part:
            yield from _references(value)
