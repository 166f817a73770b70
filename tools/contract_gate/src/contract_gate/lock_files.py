"""Reads which packages a lock file, or a list of requirements, resolves. Pure."""

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from contract_gate.retired import mapping, parsed_yaml
from contract_gate.rules import GateError

_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_YARN_ENTRY = re.compile(r"^(\S.*):\s*$")


def packages_in(text: str, file: str) -> list[str] | None:
    """Return what ``file`` resolves, None where it is no lock file; raises GateError where it is broken."""
    name = file.rpartition("/")[2]
    for pattern, read in _READERS.items():
        if fnmatchcase(name, pattern):
            return sorted(set(read(text, file)))
    return None


def _toml(text: str, file: str) -> Iterator[str]:
    try:
        lock = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise GateError(f"it is no TOML: {error}", file) from error
    for listed in ("package", "packages"):
        packages = lock.get(listed)
        for package in packages if isinstance(packages, list) else ():
            yield str(mapping(package).get("name", ""))


def _pnpm(text: str, file: str) -> Iterator[str]:
    for key in mapping(parsed_yaml(text, file).get("packages")):
        name = str(key).lstrip("/")
        yield name.partition("(")[0].rpartition("@")[0] or name


def _npm(text: str, file: str) -> Iterator[str]:
    lock = _json(text, file)
    for key, spec in mapping(lock.get("packages")).items():
        yield str(mapping(spec).get("name") or key.rpartition("node_modules/")[2])
    yield from _nested(lock.get("dependencies"))


def _nested(dependencies: object) -> Iterator[str]:
    for name, spec in mapping(dependencies).items():
        yield name
        yield from _nested(mapping(spec).get("dependencies"))


def _json(text: str, file: str) -> Mapping[Any, Any]:
    try:
        return mapping(json.loads(text))
    except json.JSONDecodeError as error:
        raise GateError(f"it is no JSON: {error.msg}", file, error.lineno) from error


def _yarn(text: str, _: str) -> Iterator[str]:
    """Yield both names of an alias, as in ``cache@npm:redis@^4``."""
    for line in text.splitlines():
        if (match := _YARN_ENTRY.match(line)) and not line.startswith("#"):
            for entry in match[1].replace('"', "").split(", "):
                yield from (part.rpartition("@")[0] or part for part in entry.split("@npm:"))


def _requirements(text: str, _: str) -> Iterator[str]:
    for line in text.splitlines():
        if match := _REQUIREMENT.match(line):
            yield match[1]


_READERS: Mapping[str, Callable[[str, str], Iterable[str]]] = {
    "uv.lock": _toml,
    "poetry.lock": _toml,
    "pdm.lock": _toml,
    "pylock*.toml": _toml,
    "pnpm-lock.yaml": _pnpm,
    "package-lock.json": _npm,
    "npm-shrinkwrap.json": _npm,
    "yarn.lock": _yarn,
    "requirements*.txt": _requirements,
    "constraints*.txt": _requirements,
}
"""The name of a file, as a glob → who reads it."""
