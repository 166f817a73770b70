"""Where Redis and task queues could come in: for each rule, the files to look at and how."""

import ast
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase

from contract_gate import markdown, retired
from contract_gate.declared import DECLARING, declared_in
from contract_gate.exceptions import BOUNDARY, Trace
from contract_gate.lock_files import check_readable, is_lock_file, packages_in
from contract_gate.repository import Repository
from contract_gate.rules import GateError

Found = Iterator[tuple[int, str]]
Find = Callable[[str, str], Found]
"""(a file's text, the file) → the lines and names that are found."""

_JAVASCRIPT = ("*.ts", "*.tsx", "*.mts", "*.cts", "*.js", "*.jsx", "*.mjs", "*.cjs")
_COMPOSE = ("*compose*.yml", "*compose*.yaml")
_YAML = ("*.yml", "*.yaml")
_WORKFLOWS = (
    ".github/workflows/*.yml",
    ".github/workflows/*.yaml",
    "action.yml",
    "action.yaml",
    "*/action.yml",
    "*/action.yaml",
)
_ENVIRONMENTS = ("*.env", "*.env.*", "*env.example")
_COMMANDS = ("*.sh", "*Makefile", "*.mk", "*Dockerfile*", "*Containerfile*", "*.service", ".ci/*")
_CONFIGURATION = (*_COMMANDS, *_YAML, *_ENVIRONMENTS, "*.toml", "*.json", "*.ini", "*.cfg", "*.conf")
_NOW = ("README.md", "docs/contracts/*.md", "docs/how-to/*.md")
"""Pages that tell how things are now. What has been retired is told on the boundary's page, in decisions and plans."""


def traces_in(repository: Repository, files: Iterable[str]) -> dict[str, tuple[Trace, ...]]:
    """Return what each rule finds in the files of a tree. Raises GateError where one of them cannot be read."""
    found: dict[str, dict[Trace, None]] = {rule: {} for rule, _, _ in _FINDERS}
    for file in files:
        check_readable(file)
        finders = [(rule, find) for rule, looks_at, find in _FINDERS if looks_at(file)]
        text = repository.text(file) if finders else ""
        for rule, find in finders if retired.mentioned(text) else ():
            found[rule].update(dict.fromkeys(Trace(file, line, name) for line, name in find(text, file)))
    return {rule: tuple(traces) for rule, traces in found.items()}


def _is_one_of(file: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(file, glob) for glob in globs)


def _one_of(*globs: str) -> Callable[[str], bool]:
    return lambda file: _is_one_of(file, globs)


def _has_packages(file: str) -> bool:
    return is_lock_file(file) or _is_one_of(file, DECLARING)


def _in_packages(text: str, file: str) -> Found:
    resolved = packages_in(text, file)
    for name in declared_in(text, file) if resolved is None else resolved:
        if retired.is_retired_package(name):
            yield retired.line_of(text, name), name


def _in_imports(text: str, file: str) -> Found:
    if file.endswith(".py"):
        return retired.in_python_imports(_python(text, file))
    return retired.in_javascript_imports(text)


def _in_settings(text: str, file: str) -> Found:
    if "tests" in file.split("/") or is_lock_file(file):
        return iter(())  # a test may say what it shows the refusal of, and a lock file has no settings
    if file.endswith(".py"):
        return retired.in_python_settings(_python(text, file))
    if _is_one_of(file, _JAVASCRIPT):
        return retired.in_javascript_settings(text)
    return retired.in_environment_file(text) if _is_one_of(file, _ENVIRONMENTS) else retired.in_configuration(text)


def _in_compose_file(text: str, file: str) -> Found:
    return retired.in_compose_file(text, file) if _is_one_of(file, _COMPOSE) else retired.in_images(text)


def _is_deployed(file: str) -> bool:
    return _is_one_of(file, (*_COMPOSE, *_YAML)) and not _is_one_of(file, _WORKFLOWS) and not is_lock_file(file)


def _in_commands(text: str, file: str) -> Found:
    return retired.in_workflow(text, file) if _is_one_of(file, _WORKFLOWS) else retired.in_commands(text)


def _in_owners(text: str, file: str) -> Found:
    if file.endswith(".toml"):
        yield from ((retired.line_of(text, name), name) for name in retired.in_values(_toml(text, file)))
        return
    page = markdown.page(text, file)
    yield from retired.in_owners(page)
    if _is_one_of(file, _NOW) and file != BOUNDARY:
        yield from retired.in_what_is_told(page)


def _python(text: str, file: str) -> ast.AST:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError) as error:  # ValueError: a null byte
        said = getattr(error, "msg", None) or str(error)
        raise GateError(f"it is no Python: {said}", file, getattr(error, "lineno", None)) from error


def _toml(text: str, file: str) -> Mapping[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise GateError(f"it is no TOML: {error}", file) from error


_FINDERS: tuple[tuple[str, Callable[[str], bool], Find], ...] = (
    ("retired-in-lock-files", _has_packages, _in_packages),
    ("retired-in-imports", _one_of("*.py", *_JAVASCRIPT), _in_imports),
    ("retired-in-settings", _one_of("*.py", *_JAVASCRIPT, *_CONFIGURATION), _in_settings),
    ("retired-in-compose-files", _is_deployed, _in_compose_file),
    ("retired-in-workflows", _one_of(*_WORKFLOWS, *_COMMANDS), _in_commands),
    ("retired-as-owner", _one_of("*.md", "docs/contracts/*.toml"), _in_owners),
)
"""Rule, the files that it looks at (in a glob ``*`` crosses folders), and what it finds in each."""
