"""The rollout plan as data (docs/process/rollout.toml): lanes, their mode and merge step, surfaces and their places."""

import fnmatch
import tomllib
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from contract_gate.models import SOURCE
from contract_gate.rules import GateError

PLAN = "docs/process/rollout.toml"

Model = TypeVar("Model", bound=BaseModel)


class Mode(StrEnum):
    """How a pull request lands: merged on green, merged on green and then shown, or after a review."""

    SHIP = "Ship"
    SHOW = "Show"
    ASK = "Ask"


class EvidenceKind(StrEnum):
    """What shows that a criterion holds (criteria.py)."""

    ACCEPTED = "accepted"
    """Each page of ``of`` is a decision with the status Accepted."""
    PRESENT = "present"
    """Each file of ``of`` is in the tree."""
    TESTED = "tested"
    """Each test of ``of``, as ``file.py::name``, is in the tree and is not skipped or expected to fail."""
    IDEMPOTENCY = "idempotency"
    """Each surface of ``of`` has a test of repetition in a file of ``within``."""
    TENANT_BOUNDARY = "tenant_boundary"
    """Each surface of ``of`` has a test of tenants in a file of ``within``."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Common(_Part):
    """What all surfaces share: the page that tells it, the modules that define it, and the code that carries it."""

    document: str
    modules: tuple[str, ...]
    paths: tuple[str, ...] = ()

    def touched_by(self, files: Sequence[str]) -> list[str]:
        """Return those of ``files`` that are its page, its models or its code."""
        models = [file for module in self.modules for file in module_files(module)]
        own = {*matching(files, (self.document, *models)), *matching(files, self.paths)}
        return [file for file in files if file in own]


class Surface(Common):
    """One surface of the contract: its page, the modules of ``slipway_contracts`` that define it, its code and tests.

    ``paths`` is the code that enforces it, ``tests`` where its marked tests lie: globs, in which ``*`` crosses folders
    and a leading ``!`` takes files out again. ``parts`` are models without a table of their own: their fields are told
    by dotted path, where the model stands.
    """

    parts: tuple[str, ...] = ()
    tests: tuple[str, ...] = ("*test_*.py",)


class Criterion(_Part):
    """What has to hold before a later lane lands, and what shows that it does."""

    says: str
    evidence: EvidenceKind
    of: Annotated[tuple[str, ...], Field(min_length=1)]
    within: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        marked = self.evidence in {EvidenceKind.IDEMPOTENCY, EvidenceKind.TENANT_BOUNDARY}
        if marked != bool(self.within):
            raise ValueError(f"evidence {self.evidence} {'needs' if marked else 'has no'} within")
        return self


class Lane(_Part):
    """A lane of the rollout; a ``runtime`` one carries the contract out, whatever of its files is changed."""

    name: str
    mode: Mode
    step: Annotated[int, Field(ge=1)]
    runtime: bool = False
    what: str
    surfaces: tuple[str, ...]
    paths: tuple[str, ...]
    criteria: tuple[Criterion, ...] = ()


class Plan(_Part):
    """The whole plan. ``meaning``: globs of files, any change of what they do changes what the contract means."""

    adr: str
    meaning: tuple[str, ...] = ()
    common: Common | None = None
    surfaces: dict[str, Surface]
    lanes: tuple[Lane, ...]

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        for lane in self.lanes:
            marked = [each for c in lane.criteria if c.within for each in c.of]
            unknown = [name for name in (*lane.surfaces, *marked) if name not in self.surfaces]
            if unknown:
                raise ValueError(f"lane {lane.name} names {unknown[0]}, which is no surface")
        for what, values in (("name", [lane.name for lane in self.lanes]), ("step", [x.step for x in self.lanes])):
            if len(set(values)) < len(values):
                raise ValueError(f"two lanes have the same {what}")
        return self

    @property
    def documented(self) -> list[Common]:
        """Return what has a page: the surfaces, and what they share."""
        return [*self.surfaces.values(), *([self.common] if self.common else [])]

    @property
    def in_order(self) -> list[Lane]:
        """Return the lanes by merge step."""
        return sorted(self.lanes, key=lambda lane: lane.step)

    def lanes_of(self, files: Sequence[str]) -> list[Lane]:
        """Return the lanes that one of ``files`` lies in, by merge step."""
        return [lane for lane in self.in_order if matching(files, lane.paths)]

    def runtime_lanes_of(self, files: Sequence[str]) -> list[Lane]:
        """Return the runtime lanes that one of ``files`` lies in, by merge step."""
        return [lane for lane in self.lanes_of(files) if lane.runtime]

    def surfaces_of(self, files: Sequence[str]) -> list[str]:
        """Return the surfaces whose page, models or code one of ``files`` is."""
        return [name for name, surface in self.surfaces.items() if surface.touched_by(files)]

    def documents_of(self, files: Sequence[str]) -> list[str]:
        """Return the pages of the surfaces, and of what they share, of which one of ``files`` is a part."""
        return [each.document for each in self.documented if each.touched_by(files)]

    def lanes_before(self, lanes: Iterable[Lane]) -> list[Lane]:
        """Return the lanes that land before the last of ``lanes``, by merge step."""
        last = max((lane.step for lane in lanes), default=0)
        return [lane for lane in self.in_order if lane.step < last]

    @property
    def modules(self) -> dict[str, tuple[str, ...]]:
        """Return surface → the modules of ``slipway_contracts`` that define it."""
        return {name: surface.modules for name, surface in self.surfaces.items()}

    @property
    def parts(self) -> frozenset[str]:
        """Return the models that are told where they stand."""
        return frozenset(part for surface in self.surfaces.values() for part in surface.parts)


def module_files(module: str) -> tuple[str, str]:
    """Return where a module of ``slipway_contracts`` lies, as globs: in a file, or in a folder."""
    return f"{SOURCE}/slipway_contracts/{module}.py", f"{SOURCE}/slipway_contracts/{module}/*.py"


def matching(files: Iterable[str], globs: Sequence[str]) -> list[str]:
    """Return the files that one of ``globs`` matches and none that begins with ``!``; ``*`` crosses folders."""
    wanted = [glob for glob in globs if not glob.startswith("!")]
    unwanted = [glob[1:] for glob in globs if glob.startswith("!")]
    return [file for file in files if _any(file, wanted) and not _any(file, unwanted)]


def _any(file: str, globs: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(file, glob) for glob in globs)


def plan_in(root: Path) -> Plan:
    """Read the plan. Raises GateError where it is not there, or does not hold."""
    return read_toml(root, PLAN, Plan)


def read_toml(root: Path, file: str, model: type[Model]) -> Model:
    """Read one of the plan's files; raises GateError, in a line that says what and where."""
    try:
        text = (root / file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GateError(f"cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}", file) from error
    return parsed(text, file, model)


def parsed(text: str, file: str, model: type[Model]) -> Model:
    """Return what ``text`` says, which stands in ``file``; raises GateError as read_toml does."""
    try:
        return model.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise GateError(f"it is no TOML: {error}", file) from error
    except ValidationError as error:
        raise GateError(told(error), file) from error


def told(error: ValidationError) -> str:
    """Return in a line what the first thing is that does not hold, and at which place."""
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"])) or "the whole"
    return f"{place}: {first['msg'].removeprefix('Value error, ')}"
