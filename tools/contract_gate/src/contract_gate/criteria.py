"""Whether the criteria of the plan's lanes hold on a tree, each with what shows it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from contract_gate.coverage import MarkedTest, read_leniently
from contract_gate.plan import Criterion, EvidenceKind, matching

_STATUS = re.compile(r"Status: (.+)")


@dataclass(frozen=True, slots=True)
class Tree:
    """The tree at ``root``, its files and its tests."""

    root: Path
    files: tuple[str, ...]
    tests: tuple[MarkedTest, ...]


class Shown(NamedTuple):
    """One thing that shows that a criterion holds, or that it does not."""

    holds: bool
    message: str
    file: str | None = None
    line: int | None = None


def shown(criterion: Criterion, tree: Tree) -> Iterator[Shown]:
    """Yield what shows, for each of the criterion's ``of``, whether it holds."""
    for each in criterion.of:
        match criterion.evidence:
            case EvidenceKind.ACCEPTED:
                yield accepted(each, tree)
            case EvidenceKind.PRESENT:
                yield Shown(True, "is there", each) if each in tree.files else Shown(False, "is not there", each)
            case EvidenceKind.TESTED:
                yield _tested(each, tree)
            case EvidenceKind.IDEMPOTENCY | EvidenceKind.TENANT_BOUNDARY as kind:
                yield _marked(kind, each, criterion.within, tree)


def accepted(page: str, tree: Tree) -> Shown:
    """Return whether a decision is accepted, by its page's status."""
    if page not in tree.files:
        return Shown(False, "is not there", page)
    for number, line in enumerate(read_leniently(tree.root, page).splitlines(), 1):
        status = _STATUS.fullmatch(line)
        if status is not None:
            return Shown(status[1] == "Accepted", line, page, number)
    return Shown(False, "it has no status", page)


def _tested(node_id: str, tree: Tree) -> Shown:
    file, _, name = node_id.partition("::")
    found = next((test for test in tree.tests if (test.file, test.name) == (file, name)), None)
    if found is None:
        return Shown(False, f"there is no test {name}", file)
    return Shown(not found.idle, f"{name}{' is skipped or expected to fail' * found.idle}", file, found.line)


def _marked(kind: str, surface: str, within: tuple[str, ...], tree: Tree) -> Shown:
    found = [test for test in tree.tests if test.covers(kind, surface) and matching([test.file], within)]
    mark = f'{kind}("{surface}")'
    if not found:
        return Shown(False, f"no test in {', '.join(within)} is marked {mark}")
    first = found[0]
    return Shown(True, f"{len(found)} test{'s' * (len(found) > 1)} marked {mark}, as {first.name}", *first[:2])
