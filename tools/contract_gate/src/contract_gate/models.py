"""The contract's models as a tree defines them, told in JSON Schema by a Python of that tree's own.

Two revisions of one package cannot be imported side by side, so each is asked in a process of its own.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contract_gate.rules import GateError

SOURCE = "packages/contracts/src"
PACKAGE = f"{SOURCE}/slipway_contracts"
OPENAPI = "packages/api-client/openapi/openapi.json"
"""The routes, and what is sent and answered there."""
ASK_SECONDS = 60

_TELL = """
import importlib, json, sys
from pydantic import BaseModel, TypeAdapter
from pydantic_core import to_jsonable_python

def models(module):
    found = importlib.import_module("slipway_contracts." + module)
    own = [v for v in vars(found).values() if isinstance(v, type) and issubclass(v, BaseModel)]
    return [v for v in own if v.__module__ == found.__name__ or v.__module__.startswith(found.__name__ + ".")]

def defaults(model):
    # JSON Schema has none of those that a factory makes.
    found = {}
    for name, field in model.model_fields.items():
        if not field.is_required():
            value = field.get_default(call_default_factory=True)
            value = value.model_dump(mode="json", exclude_defaults=True) if isinstance(value, BaseModel) else value
            found[field.alias or name] = to_jsonable_python(value)
    return found

def words():
    try:
        from slipway_contracts.compatibility import WORDS
    except ImportError:
        return {}
    return {
        word: {name: getattr(meaning, name) for name in ("state", "error_code", "retryable")}
        for word, meaning in WORDS.items()
    }

def kinds():
    # How the documents call text of a certain pattern, and what the type itself says, which is no note on a field.
    try:
        from slipway_contracts import fields
    except ImportError:
        return {}
    named = {"id": getattr(fields, "Id", None), "URI": getattr(fields, "Uri", None)}
    schemas = {kind: TypeAdapter(form).json_schema() for kind, form in named.items() if form}
    return {each["pattern"]: {"kind": kind, "says": each.get("description", "")} for kind, each in schemas.items()}

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
found = {surface: [model for module in modules for model in models(module)] for surface, modules in surfaces.items()}
told = json.dumps({
    "models": {surface: {m.__name__: m.model_json_schema() for m in those} for surface, those in found.items()},
    "errors": errors(),
    "version": getattr(importlib.import_module("slipway_contracts"), "CONTRACT_VERSION", 1),
    "defaults": {m.__name__: defaults(m) for those in found.values() for m in those},
    "words": words(),
    "kinds": kinds(),
})
with open(sys.argv[2], "w", encoding="utf-8") as answer:  # what a module prints is no answer
    answer.write(told)
"""


@dataclass(frozen=True, slots=True)
class Contract:
    """What one tree's models say.

    ``models``: surface → model → JSON Schema. ``errors``: code → its row of the table. ``version``: the contract's.
    ``defaults``: model → optional field → its default, in JSON. ``words``: an older emitter's word → what it means.
    ``kinds``: the pattern of a text → ``kind``, what the documents call it, and what the type itself ``says``.
    """

    models: Mapping[str, Mapping[str, Mapping[str, Any]]]
    errors: Mapping[str, Mapping[str, Any]]
    version: int
    defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    words: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    kinds: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def modules_in(root: Path, *, private: bool = False) -> list[str]:
    """Return the modules of the contract in the tree at ``root``, a file or a folder each; ``private`` ones if asked.

    The package itself is none of the latter.
    """
    package = root / PACKAGE
    found = [path.stem for path in package.glob("*.py")] + [path.parent.name for path in package.glob("*/__init__.py")]
    return sorted({name for name in found if not name.startswith("_") or (private and not name.startswith("__"))})


def file_of(root: Path, module: str) -> str:
    """Return the file of one of the modules in the tree at ``root``."""
    file = f"{PACKAGE}/{module}.py"
    return file if (root / file).is_file() else f"{PACKAGE}/{module}/__init__.py"


def contract_in(root: Path, modules: Mapping[str, Sequence[str]]) -> Contract:
    """Return what the models in the tree at ``root`` say, of each surface's ``modules``.

    A module that the tree does not have yet has no models. Raises GateError where the models cannot be imported.
    """
    source, known = root / SOURCE, set(modules_in(root, private=True))
    there = {surface: [name for name in names if name in known] for surface, names in modules.items()}
    if not (root / PACKAGE).is_dir():
        return Contract({surface: {} for surface in modules}, {}, 1)
    with tempfile.TemporaryDirectory(prefix="contract-gate-") as place:
        answer = Path(place) / "contract.json"
        command = [
            sys.executable,
            "-IB",
            "-c",
            f"import sys; sys.path.insert(0, {str(source)!r})\n{_TELL}",
            json.dumps(there),
            str(answer),
        ]
        try:
            done = subprocess.run(command, capture_output=True, check=False, timeout=ASK_SECONDS)  # noqa: S603
        except subprocess.TimeoutExpired as error:
            raise GateError(f"the models cannot be imported within {ASK_SECONDS} s", SOURCE) from error
        if done.returncode != 0 or not answer.is_file():  # a module may also end the process, and call that success
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise GateError(f"the models cannot be imported: {said[-1] if said else 'no word of why'}", SOURCE)
        return Contract(**json.loads(answer.read_text(encoding="utf-8")))
