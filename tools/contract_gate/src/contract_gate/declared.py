"""Reads which packages a project, a package or a script declares that it needs, locked or not. Pure."""

import configparser
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from contract_gate.lock_files import required
from contract_gate.retired import parsed_yaml
from contract_gate.rules import GateError

DECLARING = (
    *("*pyproject.toml", "*pixi.toml", "*Pipfile", "*setup.cfg", "*.py"),
    *("*environment*.yml", "*environment*.yaml", "*package.json", "*pnpm-workspace.yaml"),
)
"""The files that declare, as globs of paths."""

_KEYS = re.compile(
    r"dependenc|_requires?$|^requires$|extras_require$|^(?:dev-)?packages$|overrides$|^resolutions$|^catalogs?$|^sources$",
    re.IGNORECASE,
)
"""Tables and lists of what is needed: of PEP 621, 735 and 518, uv, Poetry, PDM, Hatch, setuptools, Pipenv, pixi, conda,
npm, pnpm and yarn.
"""
_SCRIPT = re.compile(r"^# /// script[ \t]*\n((?:#(?: .*)?\n)+?)# ///[ \t]*$", re.MULTILINE)
"""The metadata of a script that needs packages (PEP 723)."""


def declared_in(text: str, file: str) -> list[str]:
    """Return what ``file`` declares. Raises GateError where it cannot be read."""
    if file.endswith(".py"):
        parts: list[object] = [
            _toml(re.sub(r"^# ?", "", block, flags=re.MULTILINE), file) for block in _SCRIPT.findall(text)
        ]
    elif file.endswith((".toml", "Pipfile")):
        parts = [_toml(text, file)]
    elif file.endswith(".cfg"):
        parts = [_ini(text, file)]
    elif file.endswith(".json"):
        parts = [_json(text, file)]
    else:
        parts = [parsed_yaml(text, file)]
    return sorted({name for part in parts for name in _needed(part, within=False)})


def _needed(part: Any, *, within: bool) -> Iterator[str]:
    """Yield the keys and the requirements of all that is ``within`` a table or list of what is needed."""
    if isinstance(part, Mapping):
        for key, value in part.items():
            if within:
                yield str(key)
            yield from _needed(value, within=within or _KEYS.search(str(key)) is not None)
    elif isinstance(part, list):
        for value in part:
            yield from _needed(value, within=within)
    elif within and isinstance(part, str):
        yield from [part] if part.startswith("npm:") else required(part)


def _toml(text: str, file: str) -> Mapping[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise GateError(f"it is no TOML: {error}", file) from error


def _ini(text: str, file: str) -> Mapping[str, Any]:
    """Return setuptools' sections, each value as the list of its lines."""
    read = configparser.ConfigParser(interpolation=None)
    try:
        read.read_string(text)
    except configparser.Error as error:
        raise GateError(f"it is no INI file: {error.message.splitlines()[0]}", file) from error
    return {name: {key: value.split("\n") for key, value in section.items()} for name, section in read.items()}


def _json(text: str, file: str) -> object:
    try:
        parsed: object = json.loads(text)
    except json.JSONDecodeError as error:
        raise GateError(f"it is no JSON: {error.msg}", file, error.lineno) from error
    except RecursionError as error:
        raise GateError("it is no JSON that can be read: it is nested too deeply", file) from error
    return parsed
