"""Whether a change of a file changes what the contract means. Pure."""

import ast
import json
import re

from contract_gate.fields import SAID_TO_PEOPLE

_LINK_TARGET = re.compile(r"\]\([^)]*\)")
NOT_NORMATIVE = frozenset({"Purpose"})
"""Sections of a page that tell why and bind nobody."""


def code_differs(before: str | None, after: str | None) -> bool:
    """Tell whether a module does another thing; comments, docstrings and layout do nothing."""
    return _code(before) != _code(after)


def without_fields_differs(before: str | None, after: str | None) -> bool:
    """Tell whether a module of models does another thing, but for what is compared as a field.

    That is a field that comes or goes, and what a field says to people. All else counts: a validator, a function, a
    type whose schema is the same.
    """
    trees = [_tree(source) for source in (before, after)]
    if before is None or after is None or None in trees:
        return code_differs(before, after)
    declared = [_declared(tree) for tree in trees if tree]
    both = declared[0] & declared[1]
    return len({ast.dump(_without_fields(tree, both)) for tree in trees if tree}) > 1


def vector_differs(before: str | None, after: str | None) -> bool:
    """Tell whether a file of golden vectors says another thing; layout says nothing."""
    try:
        return before is None or after is None or _spelled(before) != _spelled(after)
    except (json.JSONDecodeError, RecursionError):
        return before != after


def _spelled(vector: str) -> str:
    """Return a JSON text in one spelling; in Python alone 1, 1.0 and true are the same."""
    return json.dumps(json.loads(vector), sort_keys=True)


def page_differs(before: str | None, after: str | None) -> bool:
    """Tell whether a page binds to another thing; layout, where links lead, and why a surface exists bind nobody."""
    return _normative(before) != _normative(after)


def _code(source: str | None) -> str | None:
    tree = None if source is None else _tree(source)
    return source if tree is None else ast.dump(tree)


def _tree(source: str | None) -> ast.Module | None:
    """Return a module without what does nothing; None where it is no Python."""
    try:
        tree = ast.parse((source or "").removeprefix("\ufeff"))
    except (SyntaxError, ValueError):
        return None
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [each for each in body if not _is_text(each)]  # type: ignore[attr-defined]
    return tree


def _models(tree: ast.Module) -> list[ast.ClassDef]:
    """Return the classes whose annotated names may be fields of models: derived from another, and no dataclasses."""
    return [each for each in tree.body if isinstance(each, ast.ClassDef) and each.bases and not each.decorator_list]


def _declared(tree: ast.Module) -> set[tuple[str, str]]:
    return {(model.name, _field(each)) for model in _models(tree) for each in model.body}


def _without_fields(tree: ast.Module, kept: set[tuple[str, str]]) -> ast.Module:
    """Return the module with those fields alone that are ``kept``, and without what fields say to people."""
    for model in _models(tree):
        model.body = [each for each in model.body if not _field(each) or (model.name, _field(each)) in kept]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Field":
            node.keywords = [each for each in node.keywords if each.arg not in SAID_TO_PEOPLE]
    return tree


def _field(statement: ast.stmt) -> str:
    """Return the name that a statement declares with its type; nothing where it declares none."""
    declared = isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    return statement.target.id if declared else ""  # type: ignore[attr-defined]


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _normative(page: str | None) -> str | None:
    if page is None:
        return None
    kept: list[str] = []
    binds = True
    for line in page.splitlines():
        if line.startswith("## "):
            binds = line.removeprefix("## ").strip() not in NOT_NORMATIVE
        if binds:
            kept.append(_LINK_TARGET.sub("]", line))
    return " ".join(" ".join(kept).split())
