"""Reads which packages a lock file, or a list of requirements, resolves. Pure.

A lock file is known by its name. One that nobody here can read is told, and never taken for one that has nothing.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from contract_gate.retired import mapping, parsed_yaml
from contract_gate.rules import GateError

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^\]]*\])?")
_ADDRESS = re.compile(r"\s*(?:(?:-e|--editable)[\s=]*)?([^\s#-][^\s#]*://\S+)")
_TRAILING_COMMA = re.compile(r",(?=\s*[}\]])")
_YARN_ENTRY = re.compile(r"^(\S.*):\s*$")


def is_lock_file(file: str) -> bool:
    """Tell whether a file says by its name what was resolved."""
    return _reader(file) is not None or any(fnmatchcase(_base(file), pattern) for pattern in _LOCKS)


def packages_in(text: str, file: str) -> list[str] | None:
    """Return what ``file`` resolves, None where it is no lock file; raises GateError where it is broken."""
    read = _reader(file)
    return None if read is None else sorted(set(read(text, file)))


def check_readable(file: str) -> None:
    """Raise GateError where ``file`` is a lock file that cannot be read here."""
    if is_lock_file(file) and _reader(file) is None:
        raise GateError(
            "it is a lock file that no reader knows: give contract_gate.lock_files one, or take it out", file
        )


def required(text: str) -> Iterator[str]:
    """Yield what a requirement of Python's names; with its extras too where it has some, which may be the reason."""
    if address := _ADDRESS.match(text):
        yield address[1]
    elif match := _REQUIREMENT.match(text):
        yield match[1]
        if match[2]:
            yield match[1] + match[2]


def _base(file: str) -> str:
    return file.rpartition("/")[2]


def _reader(file: str) -> "Callable[[str, str], Iterable[str]] | None":
    name = _base(file)
    for pattern, read in _READERS.items():
        if fnmatchcase(file if "/" in pattern else name, pattern):
            return read
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
    except RecursionError as error:
        raise GateError("it is no JSON that can be read: it is nested too deeply", file) from error


def _yarn(text: str, _: str) -> Iterator[str]:
    """Yield both names of an alias, as in ``cache@npm:redis@^4``."""
    for line in text.splitlines():
        if (match := _YARN_ENTRY.match(line)) and not line.startswith("#"):
            for entry in match[1].replace('"', "").split(", "):
                yield from (part.rpartition("@")[0] or part for part in entry.split("@npm:"))


def _bun(text: str, file: str) -> Iterator[str]:
    for key, spec in mapping(_json(_TRAILING_COMMA.sub("", text), file).get("packages")).items():
        told = str(spec[0]) if isinstance(spec, list) and spec else str(key)
        yield told.rpartition("@")[0] or told


def _pipenv(text: str, file: str) -> Iterator[str]:
    for section, packages in _json(text, file).items():
        if section != "_meta":
            yield from map(str, mapping(packages))


def _conda(text: str, file: str) -> Iterator[str]:
    """Yield the packages of conda-lock, by name, and of pixi, by name or by the address of what is fetched."""
    lock = parsed_yaml(text, file)
    for listed in ("package", "packages"):
        packages = lock.get(listed)
        for package in map(mapping, packages if isinstance(packages, list) else ()):
            fetched = str(package.get("conda") or package.get("pypi") or "").rpartition("/")[2]
            yield str(package.get("name") or fetched.partition("-")[0])
            yield fetched


def _requirements(text: str, _: str) -> Iterator[str]:
    for line in text.splitlines():
        yield from required(line)


_READERS: Mapping[str, Callable[[str, str], Iterable[str]]] = {
    "uv.lock": _toml,
    "*.py.lock": _toml,
    "poetry.lock": _toml,
    "pdm.lock": _toml,
    "Cargo.lock": _toml,
    "pylock*.toml": _toml,
    "Pipfile.lock": _pipenv,
    "*conda-lock.yml": _conda,
    "*conda-lock.yaml": _conda,
    "pixi.lock": _conda,
    "pnpm-lock.yaml": _pnpm,
    "package-lock.json": _npm,
    "npm-shrinkwrap.json": _npm,
    "yarn.lock": _yarn,
    "bun.lock": _bun,
    "*requirements*.txt": _requirements,
    "*requirements*.in": _requirements,
    "*constraints*.txt": _requirements,
    "*constraints*.in": _requirements,
    "*requirements*/*.txt": _requirements,
    "*requirements*/*.in": _requirements,
}
"""The name of a file, or with a slash its path, as a glob → who reads it."""
_LOCKS = (
    "*.lock",
    "*.lockb",
    "*.lockfile",
    *(f"*{mark}lock.{kind}" for mark in ".-" for kind in ("json", "yaml", "yml", "toml", "txt", "hcl")),
)
"""What else is a lock file by its name; ``block/clock.png`` and ``async-lock.ts`` are none."""
