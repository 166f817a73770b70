"""Which tests are marked as covering a surface, read from their source and never imported."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from contract_gate.rules import GateError

IDEMPOTENCY = "idempotency"
TENANT_BOUNDARY = "tenant_boundary"
_KINDS = frozenset({IDEMPOTENCY, TENANT_BOUNDARY})
_PROVE_NOTHING = frozenset({"skip", "xfail"})


class Mark(NamedTuple):
    """A mark as it stands in a source: ``idempotency("reads")``, or ``skip`` with no surface."""

    kind: str
    surface: str | None


class MarkedTest(NamedTuple):
    """A test and what it is marked with; one that is skipped or expected to fail whatever happens is ``idle``."""

    file: str
    line: int
    name: str
    """As pytest names it within its file: ``test_it``, or ``TestThat::test_it``."""
    marks: frozenset[Mark]
    idle: bool

    @property
    def node_id(self) -> str:
        """Return the test as pytest names it."""
        return f"{self.file}::{self.name}"

    def covers(self, kind: str, surface: str) -> bool:
        """Tell whether the test shows ``surface`` to hold."""
        return not self.idle and Mark(kind, surface) in self.marks


def marked_in(root: Path, files: Iterable[str]) -> list[MarkedTest]:
    """Return the tests of those of ``files`` that are pytest's; a file that is no Python has none."""
    found: list[MarkedTest] = []
    for file in files:
        if file.endswith(".py") and Path(file).name.startswith("test_"):
            found += marked_of(file, read_leniently(root, file))
    return found


def read_leniently(root: Path, file: str) -> str:
    """Return a file's text, whatever of it is no UTF-8. Raises GateError where the file cannot be read."""
    try:
        return (root / file).read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise GateError(f"cannot be read: {error.strerror}", file) from error


def marked_of(file: str, source: str) -> list[MarkedTest]:
    """Return the tests in ``source``."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return []
    named = {
        target.id: statement.value
        for statement in tree.body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    return list(_tests(file, tree.body, named, _own(tree.body, named), ""))


def _tests(
    file: str, body: list[ast.stmt], named: Mapping[str, ast.expr], outer: frozenset[Mark], prefix: str
) -> Iterator[MarkedTest]:
    for statement in body:
        if isinstance(statement, ast.ClassDef) and statement.name.startswith("Test"):
            marks = outer | _decorated(statement, named) | _own(statement.body, named)
            yield from _tests(file, statement.body, named, marks, f"{prefix}{statement.name}::")
        elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and statement.name.startswith("test"):
            marks = outer | _decorated(statement, named)
            told = frozenset(mark for mark in marks if mark.kind in _KINDS)
            idle = any(mark.kind in _PROVE_NOTHING for mark in outer | _whole(statement, named))
            yield MarkedTest(file, statement.lineno, prefix + statement.name, told, idle)


def _decorated(
    definition: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, named: Mapping[str, ast.expr]
) -> frozenset[Mark]:
    """Return the marks above a definition, those of single cases of a parametrized test too."""
    return frozenset(mark for each in definition.decorator_list for mark in _marks(each, named))


def _whole(definition: ast.FunctionDef | ast.AsyncFunctionDef, named: Mapping[str, ast.expr]) -> frozenset[Mark]:
    """Return the marks above a test that are the whole test's, and not a single case's."""
    return frozenset(
        mark
        for each in definition.decorator_list
        if not (isinstance(each, ast.Call) and _is_mark(each.func, "parametrize"))
        for mark in _marks(each, named)
    )


def _own(body: list[ast.stmt], named: Mapping[str, ast.expr]) -> frozenset[Mark]:
    """Return the marks that ``pytestmark`` gives a module or a class."""
    return frozenset(
        mark
        for statement in body
        if isinstance(statement, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == "pytestmark" for target in statement.targets)
        for mark in _marks(statement.value, named)
    )


def _marks(expression: ast.expr, named: Mapping[str, ast.expr], depth: int = 0) -> Iterator[Mark]:
    """Yield the marks in an expression; a name that the module gives to a mark stands for it."""
    for node in ast.walk(expression):
        if isinstance(node, ast.Name) and node.id in named and depth == 0:
            yield from _marks(named[node.id], named, 1)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _KINDS:
            surfaces = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
            yield from (Mark(node.func.attr, surface) for surface in surfaces if isinstance(surface, str))
        elif isinstance(node, ast.Attribute) and node.attr in _PROVE_NOTHING and _is_mark(node, node.attr):
            yield Mark(node.attr, None)


def _is_mark(node: ast.expr, name: str) -> bool:
    """Tell whether an expression is ``pytest.mark.name``, or ``mark.name``."""
    if not isinstance(node, ast.Attribute) or node.attr != name:
        return False
    return (isinstance(node.value, ast.Attribute) and node.value.attr == "mark") or (
        isinstance(node.value, ast.Name) and node.value.id == "mark"
    )
