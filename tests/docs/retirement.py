"""Finds Redis and task queues wherever they could come in: locks, imports, settings, compose files, owners, exceptions.

Pure over the text it is given, so that each check can be shown a sample that it has to refuse
(docs/contracts/redis-rq-retirement-boundary.md).
"""

import ast
import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date

import yaml

RETIRED = frozenset({"redis", "rq", "celery", "dramatiq", "arq"})
KIN = frozenset(
    {"hiredis", "aioredis", "rq-scheduler", "django-rq", "valkey", "ioredis", "bull", "bullmq", "bee-queue"}
)
"""Packages that are the same thing under another name, in Python and in JavaScript."""

_JS_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_JS_IMPORT = re.compile(r"""(?:\bfrom|\bimport|\brequire\s*\(|\bimport\s*\()\s*["']([^"']+)["']""")
_ENVIRONMENT_NAME = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*\b")
_WORD = re.compile(r"[a-z]+")
_DYNAMIC_IMPORTS = frozenset({"import_module", "__import__", "importorskip", "find_spec"})


def is_retired_package(name: str) -> bool:
    """Tell whether a package of either registry is a retired one: ``redis``, ``@redis/client``, ``celery``…"""
    folded = name.lower().replace("_", "-")
    if folded.startswith("."):
        return False  # a file beside the source
    scope, _, rest = folded.lstrip("@").partition("/")
    return scope in RETIRED | KIN or rest in RETIRED | KIN


def in_uv_lock(text: str) -> list[str]:
    """Return the retired packages that a ``uv.lock`` resolves, also as somebody else's dependency."""
    return sorted({p["name"] for p in tomllib.loads(text).get("package", []) if is_retired_package(p["name"])})


def in_pnpm_lock(text: str) -> list[str]:
    """Return the retired packages that a ``pnpm-lock.yaml`` resolves."""
    keys = (yaml.safe_load(text) or {}).get("packages") or {}
    names = {key.lstrip("/").rpartition("@")[0] or key for key in keys}
    return sorted(name for name in names if is_retired_package(name))


def in_python_imports(source: str) -> list[str]:
    """Return the retired modules that a Python source imports, statically or by a literal name."""
    imported = {name for node in ast.walk(ast.parse(source)) for name in _imported(node)}
    return sorted(name for name in imported if is_retired_package(name.partition(".")[0]))


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module] if node.module and not node.level else []
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = getattr(node.func, "id", None) or getattr(node.func, "attr", None)
        return [str(node.args[0].value)] if called in _DYNAMIC_IMPORTS else []
    return []


def in_javascript_imports(source: str) -> list[str]:
    """Return the retired packages that a TypeScript or JavaScript source imports; comments do not count."""
    return sorted({name for name in _JS_IMPORT.findall(_JS_COMMENT.sub("", source)) if is_retired_package(name)})


def _names_a_retired(name: str) -> bool:
    return any(word in RETIRED for word in _WORD.findall(name.lower()))


def in_python_settings(source: str) -> list[str]:
    """Return the names in a Python source that a setting could have (fields, arguments, environment names)."""
    named = {name for node in ast.walk(ast.parse(source)) for name in _settable(node)}
    return sorted(name for name in named if _names_a_retired(name))


def _settable(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return [node.id]
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        return [node.attr]
    if isinstance(node, ast.arg | ast.keyword):
        return [node.arg] if node.arg else []
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _ENVIRONMENT_NAME.findall(node.value)
    return []


def in_environment_names(text: str) -> list[str]:
    """Return the retired names among the environment variables that a script or configuration speaks of."""
    return sorted({name for name in _ENVIRONMENT_NAME.findall(text) if _names_a_retired(name)})


def in_compose_file(text: str) -> list[str]:
    """Return the services of a compose file that are, run or build a retired thing."""
    services = (yaml.safe_load(text) or {}).get("services") or {}
    return sorted(name for name, spec in services.items() if _names_a_retired(f"{name} {spec}"))


def in_owners(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the cells of an ``owner`` column that name a retired thing."""
    return [row["owner"] for row in rows if _names_a_retired(row.get("owner", ""))]


def exception_faults(rows: Sequence[Mapping[str, str]], today: date) -> list[str]:
    """Return what is wrong with the exceptions: a cell that is empty, a date that is none, a date that has passed."""
    found: list[str] = []
    for row in rows:
        found += [f"{row['what']}: {column} is empty" for column, cell in row.items() if not cell]
        try:
            if date.fromisoformat(row["expiry"]) < today:
                found.append(f"{row['what']}: expired on {row['expiry']}")
        except ValueError:
            found.append(f"{row['what']}: {row['expiry']!r} is no date")
    return found
