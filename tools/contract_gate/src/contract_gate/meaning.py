"""Whether a change of a file changes what the contract means. Pure."""

import ast
import re

_LINK_TARGET = re.compile(r"\]\([^)]*\)")
NOT_NORMATIVE = frozenset({"Purpose"})
"""Sections of a page that tell why and bind nobody."""


def code_differs(before: str | None, after: str | None) -> bool:
    """Tell whether a module does another thing; comments, docstrings and layout do nothing."""
    return _code(before) != _code(after)


def page_differs(before: str | None, after: str | None) -> bool:
    """Tell whether a page binds to another thing; layout, where links lead, and why a surface exists bind nobody."""
    return _normative(before) != _normative(after)


def _code(source: str | None) -> str | None:
    if source is None:
        return None
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return source
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [each for each in body if not _is_text(each)]  # type: ignore[attr-defined]
    return ast.dump(tree)


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
