"""The rollout plan as data (docs/process/rollout.toml): lanes, their mode and merge step, surfaces and their places."""

import fnmatch
import tomllib
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contract_gate.rules import GateError

PLAN = "docs/process/rollout.toml"

Model = TypeVar("Model", bound=BaseModel)


class Mode(StrEnum):
    """How a pull request lands: merged on green, merged on green and then shown, or after a review."""

    SHIP = "Ship"
    SHOW = "Show"
    ASK = "Ask"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Surface(_Part):
    """One surface of the contract: its page, the modules of ``slipway_contracts`` that define it, its code and tests.

    ``paths`` and ``tests`` are globs, in which ``**`` crosses folders. ``parts`` are models without a table of their
    own: their fields are told by dotted path, where the model stands.
    """

    document: str
    modules: tuple[str, ...]
    parts: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


class Criterion(_Part):
    """What has to hold before a later lane lands; ``evidence`` names what status.py looks at."""

    says: str
    evidence: str
    of: tuple[str, ...] = ()


class Lane(_Part):
    """A lane of the rollout."""

    name: str
    mode: Mode
    step: Annotated[int, Field(ge=1)]
    what: str
    surfaces: tuple[str, ...]
    paths: tuple[str, ...]
    criteria: tuple[Criterion, ...] = ()


class Plan(_Part):
    """The whole plan."""

    adr: str
    surfaces: dict[str, Surface]
    lanes: tuple[Lane, ...]

    def lanes_of(self, files: Sequence[str]) -> list[Lane]:
        """Return the lanes that one of ``files`` lies in, by merge step."""
        return sorted((lane for lane in self.lanes if matching(files, lane.paths)), key=lambda lane: lane.step)

    def surfaces_of(self, files: Sequence[str]) -> list[str]:
        """Return the surfaces whose page, models or code one of ``files`` is."""
        return [
            name
            for name, surface in self.surfaces.items()
            if matching(files, (surface.document, *map(module_file, surface.modules), *surface.paths))
        ]

    @property
    def parts(self) -> frozenset[str]:
        """Return the models that are told where they stand."""
        return frozenset(part for surface in self.surfaces.values() for part in surface.parts)


def module_file(module: str) -> str:
    """Return where a module of ``slipway_contracts`` lies."""
    return f"packages/contracts/src/slipway_contracts/{module}.py"


def matching(files: Sequence[str], globs: Sequence[str]) -> list[str]:
    """Return the files that one of ``globs`` matches; ``*`` crosses folders, as in .gitattributes' ``**``."""
    return [file for file in files if any(fnmatch.fnmatchcase(file, glob) for glob in globs)]


def plan_in(root: Path) -> Plan:
    """Read the plan. Raises GateError where it is not there, or does not hold."""
    return read_toml(root, PLAN, Plan)


def read_toml(root: Path, file: str, model: type[Model]) -> Model:
    """Read one of the plan's files; raises GateError, in a line that says what and where."""
    try:
        text = (root / file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GateError(f"cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}", file) from error
    try:
        return model.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise GateError(f"it is no TOML: {error}", file) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        raise GateError(f"{place}: {first['msg']}", file) from error
