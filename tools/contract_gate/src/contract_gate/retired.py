"""Finds Redis and task queues in sources, settings, compose files, workflows and documents. Pure.

Each finder yields line and name of what it finds (docs/contracts/redis-rq-retirement-boundary.md).
"""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import yaml

from contract_gate.markdown import Line, Part, Table
from contract_gate.rules import GateError

Found = Iterator[tuple[int, str]]

RETIRED = frozenset({"redis", "rq", "celery", "dramatiq", "arq"})
KIN = frozenset({"hiredis", "aioredis", "fakeredis", "ioredis", "valkey", "keydb", "bullmq"})
"""The same things under another name, in Python, in JavaScript and among images."""
_KIN_PACKAGES = frozenset({"bull", "bee-queue"})
"""Names that say it of a package alone; elsewhere they are words."""

_MENTION = re.compile("|".join(sorted(RETIRED | KIN | _KIN_PACKAGES)), re.IGNORECASE)
_NAMED_AFTER = re.compile(r"\bredis(?!tribut|patch|cover|play|till)\w*")
"""What is made for Redis, among packages and images: redisvl, redislabs/redismod, but not redistribute."""
_WORD = re.compile(r"[a-z]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def mentioned(text: str) -> bool:
    """Tell whether a text can have anything to find at all; most have not, and need not be taken apart."""
    return _MENTION.search(text) is not None


def names_a_retired(text: str) -> bool:
    """Tell whether one of the words of ``text`` is a retired thing: ``REDIS_URL``, ``rqQueue``, but not ``parquet``."""
    return any(word in RETIRED | KIN for word in _WORD.findall(_CAMEL.sub(" ", text).lower()))


def is_retired_package(name: str) -> bool:
    """Tell whether a package of either registry is a retired one: ``redis``, ``@redis/client``, ``types-redis``."""
    folded = name.lower().replace("_", "-")
    if folded.startswith("."):
        return False  # a file beside the source
    return folded in _KIN_PACKAGES or names_a_retired(folded) or _NAMED_AFTER.search(folded) is not None


_DYNAMIC_IMPORTS = frozenset({"import_module", "__import__", "importorskip", "find_spec"})
_NAMING = frozenset({"name", "modname", "package"})
"""The arguments of those that name a module."""


def in_python_imports(tree: ast.AST) -> Found:
    """Yield the retired modules that a Python source imports, by a statement or by a literal name."""
    importers = _DYNAMIC_IMPORTS | {alias for node in ast.walk(tree) for alias in _aliases(node)}
    for node in ast.walk(tree):
        for name in _imported(node, importers):
            if is_retired_package(name.partition(".")[0]):
                yield getattr(node, "lineno", 1), name


def _aliases(node: ast.AST) -> list[str]:
    """Return what else a node calls a function that imports."""
    if isinstance(node, ast.ImportFrom):
        return [alias.asname for alias in node.names if alias.name in _DYNAMIC_IMPORTS and alias.asname]
    if isinstance(node, ast.Assign) and _called(node.value) in _DYNAMIC_IMPORTS:
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return []


def _called(function: ast.expr) -> str | None:
    return getattr(function, "id", None) or getattr(function, "attr", None)


def _imported(node: ast.AST, importers: frozenset[str]) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module] if node.module and not node.level else []
    if isinstance(node, ast.Call) and _called(node.func) in importers:
        named = [*node.args[:1], *(each.value for each in node.keywords if each.arg in _NAMING)]
        return [each.value for each in named if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    return []


_ENVIRONMENT_NAME = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
_ADDRESS = re.compile(r"\b(?:rediss?|valkeys?|keydb)(?:[+-]\w+)?://", re.IGNORECASE)
"""Where one listens; no more than the scheme is told, as the rest may hold a password."""
_COMMENT = re.compile(r"(^|\s)#.*")
_ASSIGNED = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][\w.-]*)\s*=")


def in_python_settings(tree: ast.AST) -> Found:
    """Yield the names in a Python source that a setting could have: fields, arguments, environment names."""
    prose = {id(text) for node in ast.walk(tree) for text in _docstring(node)}
    for node in ast.walk(tree):
        for name in _settable(node) if id(node) not in prose else ():
            if _tells_of_one(name):
                yield getattr(node, "lineno", 1), name


def _docstring(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        yield node.value


def _settable(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return [node.id]
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        return [node.attr]
    if isinstance(node, ast.arg | ast.keyword):
        return [node.arg] if node.arg else []
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        named = [node.value] if node.value.isupper() and node.value.isidentifier() else environment_names(node.value)
        return named + addresses(node.value)
    return []


def environment_names(text: str) -> list[str]:
    """Return what looks like the name of an environment variable."""
    return _ENVIRONMENT_NAME.findall(text)


def _tells_of_one(setting: str) -> bool:
    return names_a_retired(setting) or _ADDRESS.fullmatch(setting) is not None


def addresses(text: str) -> list[str]:
    """Return the schemes of the addresses at which a retired thing listens."""
    return _ADDRESS.findall(text)


def in_configuration(text: str) -> Found:
    """Yield the retired names among the environment variables, the keys and the addresses of a configuration."""
    for number, line in enumerate(text.splitlines(), 1):
        assigned = _ASSIGNED.match(line)
        names = environment_names(line) + ([assigned[1]] if assigned else []) + addresses(_COMMENT.sub("", line))
        yield from ((number, name) for name in dict.fromkeys(names) if _tells_of_one(name))


def in_environment_file(text: str) -> Found:
    """Yield also what the values name: an image there becomes one of a compose file, by whatever variable."""
    yield from in_configuration(text)
    for number, line in enumerate(text.splitlines(), 1):
        key, _, value = _COMMENT.sub("", line).partition("=")
        if not names_a_retired(key):
            yield from ((number, word) for word in _COMMAND_WORD.findall(value) if names_an_image(word))


_JS_TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|[\w$]+|[^\s]""", re.DOTALL
)
_JS_REGEX = re.compile(r"/(?![*/>])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\[\n])+/[a-z]*")
_JS_BEFORE_REGEX = frozenset("(,=:[!&|?{};+-*%~^>") | {
    "return",
    "typeof",
    "case",
    "in",
    "of",
    "do",
    "else",
    "void",
    "await",
}
"""After what a slash begins a regular expression and divides nothing; after `<` it ends an element."""
_JS_IMPORTS = frozenset({"from", "import", "require"})


def _js_tokens(source: str) -> list[tuple[int, str]]:
    """Return line and text of the tokens of TypeScript or JavaScript, without comments; a string is one token."""
    found: list[tuple[int, str]] = []
    line, at = 1, 0
    match = _JS_TOKEN.search(source)
    while match is not None:
        if match[0] == "/" and (not found or found[-1][1] in _JS_BEFORE_REGEX):
            match = _JS_REGEX.match(source, match.start()) or match
        line, at = line + source.count("\n", at, match.start()), match.start()
        if not match[0].startswith(("//", "/*")):
            found.append((line, match[0]))
        match = _JS_TOKEN.search(source, match.end())
    return found


def in_javascript_imports(source: str) -> Found:
    """Yield the retired packages that a TypeScript or JavaScript source imports."""
    tokens = _js_tokens(source)
    for at, (line, token) in enumerate(tokens):
        before = [text for _, text in tokens[max(at - 2, 0) : at]]
        told = before[-1:] if before[-1:] != ["("] else before[:1]
        if token[0] in "\"'`" and told and told[0] in _JS_IMPORTS and is_retired_package(token[1:-1]):
            yield line, token[1:-1]
        if token[0] == "`" and len(token) > 1:  # code may stand there, and it may be code if a slash was misunderstood
            yield from ((line + at - 1, name) for at, name in in_javascript_imports(token[1:-1]))


def in_javascript_settings(source: str) -> Found:
    """Yield the names in a TypeScript or JavaScript source that a setting could have."""
    tokens = _js_tokens(source)
    following = [text for _, text in tokens[1:]] + [""]
    for (line, token), after in zip(tokens, following, strict=True):
        names = environment_names(token) if token[0] in "\"'`" or token.isupper() else []
        names += addresses(token) if token[0] in "\"'`" else []
        if after in {":", "=", "?"} and token.isidentifier():
            names.append(token)
        yield from ((line, name) for name in dict.fromkeys(names) if _tells_of_one(name))


_IMAGE = re.compile(r"^\s*(?:-\s+)?[\"']?(?:image|repository)[\"']?\s*:\s*[\"']?([^\s\"'#]+)")


def names_an_image(text: str) -> bool:
    """Tell whether an image is, or is made from, a retired thing: `redis:7`, `docker.io/redislabs/redismod`."""
    return names_a_retired(text) or _NAMED_AFTER.search(text.lower()) is not None


def in_images(text: str) -> Found:
    """Yield the images that a YAML file names, whatever reads it; it need not be YAML before a template is filled."""
    for number, line in enumerate(text.splitlines(), 1):
        if (image := _IMAGE.match(line)) and names_an_image(image[1]):
            yield number, image[1]


def in_compose_file(text: str, file: str) -> Found:
    """Yield the services of a compose file that are, run or build a retired thing; without services it is none."""
    parsed = parsed_yaml(text, file)
    return _services(parsed, text) if "services" in parsed else in_images(text)


def _services(part: object, text: str) -> Found:
    for name, spec in mapping(mapping(part).get("services")).items():
        if names_an_image(f"{name} {_what_runs(spec)}"):
            yield line_of(text, f"{name}:"), str(name)


_RUNNING = ("image", "build", "command", "entrypoint")


def _what_runs(spec: object) -> str:
    """Return what a container is and does, of all that is said of it; that may be its image alone."""
    return spec if isinstance(spec, str) else " ".join(str(mapping(spec).get(key, "")) for key in _RUNNING)


_PASSED = ("image", "images", "packages", "script", "run", "args", "entrypoint", "services")
"""What a step hands to its action that the action may run or install."""


def in_workflow(text: str, file: str) -> Found:
    """Yield what of a workflow's jobs is a retired thing: services, containers, images, and the words of the steps.

    An action of the repository's own is read as a job is.
    """
    workflow = parsed_yaml(text, file)
    runs = mapping(workflow.get("runs"))
    for job in [*map(mapping, mapping(workflow.get("jobs")).values()), *([runs] if runs else [])]:
        yield from _services(job, text)
        steps = job.get("steps")
        told = [_what_runs(job.get("container")), str(job.get("uses", "")), str(job.get("image", ""))]
        told += in_values(job.get("strategy"))
        for step in map(mapping, steps if isinstance(steps, list) else []):
            given = mapping(step.get("with"))
            told += [
                str(part) for part in (step.get("uses", ""), step.get("run", ""), *(given.get(k, "") for k in _PASSED))
            ]
        for word in dict.fromkeys(word for part in told for _, word in in_commands(part)):
            yield line_of(text, word), word


_COMMAND_WORD = re.compile(r"[\w@./:-]+")


def in_commands(text: str) -> Found:
    """Yield the words of commands, or of what builds an image, that are a retired thing; comments do not count."""
    for number, line in enumerate(text.splitlines(), 1):
        command = _COMMENT.sub("", line)
        words = (word for word in _COMMAND_WORD.findall(command) if not word.isupper())  # those are settings
        yield from ((number, word) for word in words if names_an_image(word))


def in_owners(page: Part) -> Found:
    """Yield the cells of a page's tables that name a retired thing as an owner, as a writer or as where it is kept."""
    for table in page.tables():
        owning = "owner" in table.columns
        for row in table.rows:
            for column in ("owner", "writer", "kept in") if owning else ():
                if names_a_retired(row[column]):
                    yield row.line, row[column].replace("`", "")


_NEVER = "never"
_LINK_TO_BOUNDARY = re.compile(r"\[[^\]]*\]\([^)]*redis-rq-retirement-boundary\.md[^)]*\)")


def in_what_is_told(page: Part) -> Found:
    """Yield the words of a page that speak of a retired thing, but for links to the boundary and `never` columns."""
    tabled = {line: table for table in page.tables() for line in (row.line for row in table.rows)}
    owning = {line for line, _ in in_owners(page)}
    for line in page.lines:
        for word in _words_told(line, tabled.get(line.number)) if line.number not in owning else ():
            if names_a_retired(word):
                yield line.number, word.strip("`.,:;()")


def _words_told(line: Line, table: Table | None) -> list[str]:
    if table is None:
        return _LINK_TO_BOUNDARY.sub("", line.text).split()
    (row,) = (row for row in table.rows if row.line == line.number)
    told = " ".join(cell for column, cell in row.cells.items() if column != _NEVER)
    return _LINK_TO_BOUNDARY.sub("", told).split()


def in_values(part: Any) -> Iterator[str]:
    """Yield the texts within parsed TOML that name a retired thing."""
    if isinstance(part, str):
        if names_a_retired(part):
            yield part
    elif isinstance(part, dict):
        for value in part.values():
            yield from in_values(value)
    elif isinstance(part, list):
        for value in part:
            yield from in_values(value)


_LOADER: Callable[[str], Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parsed_yaml(text: str, file: str) -> Mapping[Any, Any]:
    """Return a YAML file's mapping. Raises GateError where it is no YAML."""
    try:
        return mapping(yaml.load(text, Loader=_LOADER))  # type: ignore[arg-type]  # noqa: S506 - a safe loader
    except (ValueError, RecursionError) as error:  # a day that no calendar has, nests without end
        raise GateError(f"it is no YAML: {error}", file) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        said = getattr(error, "problem", None) or "it cannot be read"
        raise GateError(f"it is no YAML: {said}", file, mark.line + 1 if mark else None) from error


def mapping(part: object) -> Mapping[Any, Any]:
    """Return a part of what was parsed where it is a mapping, else an empty one: there is nothing to find in it."""
    return part if isinstance(part, dict) else {}


def line_of(text: str, part: str) -> int:
    """Return the first line that has ``part``, the first of all where none has."""
    return next((number for number, line in enumerate(text.splitlines(), 1) if part in line), 1)
