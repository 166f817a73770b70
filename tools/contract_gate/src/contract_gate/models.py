"""The contract's models as a tree defines them, told in JSON Schema by a Python of that tree's own.

Two revisions of one package cannot be imported side by side, so each is asked in a process of its own.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contract_gate.rules import GateError

SOURCE = "packages/contracts/src"
ASK_SECONDS = 60

_TELL = """
import importlib, json, sys
from pydantic import BaseModel

def models(module):
    found = importlib.import_module("slipway_contracts." + module)
    own = [v for v in vars(found).values() if isinstance(v, type) and issubclass(v, BaseModel)]
    return {v.__name__: v.model_json_schema() for v in own if v.__module__ == found.__name__}

def errors():
    try:
        from slipway_contracts.errors import ERRORS
    except ImportError:
        return {}
    return {
        str(code): {name: getattr(spec, name) for name in ("status", "retryable", "meaning", "answered_by")}
        for code, spec in ERRORS.items()
    }

surfaces = json.loads(sys.argv[1])
told = {surface: {n: s for m in modules for n, s in models(m).items()} for surface, modules in surfaces.items()}
version = getattr(importlib.import_module("slipway_contracts"), "CONTRACT_VERSION", 1)
print(json.dumps({"models": told, "errors": errors(), "version": version}))
"""


@dataclass(frozen=True, slots=True)
class Contract:
    """What one tree's models say: surface → model → JSON Schema; code → its row; the contract's version."""

    models: Mapping[str, Mapping[str, Mapping[str, Any]]]
    errors: Mapping[str, Mapping[str, Any]]
    version: int


def contract_in(root: Path, modules: Mapping[str, Sequence[str]]) -> Contract:
    """Return what the models in the tree at ``root`` say, of each surface's ``modules``.

    A module that the tree does not have yet has no models. Raises GateError where the models cannot be imported.
    """
    source = root / SOURCE
    package = source / "slipway_contracts"
    there = {
        surface: [name for name in names if (package / f"{name}.py").is_file()] for surface, names in modules.items()
    }
    if not package.is_dir():
        return Contract({surface: {} for surface in modules}, {}, 1)
    command = [
        sys.executable,
        "-I",
        "-c",
        f"import sys; sys.path.insert(0, {str(source)!r})\n{_TELL}",
        json.dumps(there),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=ASK_SECONDS)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise GateError(f"the models cannot be imported within {ASK_SECONDS} s", SOURCE) from error
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise GateError(f"the models cannot be imported: {said[-1] if said else 'no word of why'}", SOURCE)
    return Contract(**json.loads(done.stdout))
