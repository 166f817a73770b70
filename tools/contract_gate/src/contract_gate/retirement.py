"""The gate `retirement`: Redis and task queues stay out, but for what an exception names until its day."""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from contract_gate import markdown
from contract_gate.exceptions import BOUNDARY, COLUMNS, Exceptions, Trace
from contract_gate.repository import Repository
from contract_gate.retired import RETIRED, mapping
from contract_gate.rules import Finding, Gate, GateError, Report, finding
from contract_gate.traces import traces_in

PROJECT = "pyproject.toml"


@dataclass(frozen=True, slots=True)
class Tree:
    """What is judged: what each rule finds, what exceptions excuse, and what the tree has import-linter forbid."""

    traces: Mapping[str, tuple[Trace, ...]]
    exceptions: Exceptions
    linter: Mapping[str, object]


GATE: Gate[Tree] = Gate("retirement")


def judge(repository: Repository, today: date, *, without: frozenset[str] = frozenset()) -> Report:
    """Judge a tree by every rule but those of ``without``. Raises GateError."""
    return GATE.judge(read(repository, today), without=without)


def read(repository: Repository, today: date) -> Tree:
    """Read what the gate judges. Raises GateError where a file of it cannot be read."""
    files = repository.tracked()
    for file in (BOUNDARY, PROJECT):
        if file not in files:
            raise GateError("it is not there, and the retirement is judged by it", file)
    return Tree(
        traces_in(repository, files),
        Exceptions(markdown.page(repository.text(BOUNDARY), BOUNDARY), today),
        _linter(repository.text(PROJECT)),
    )


def _linter(project: str) -> Mapping[str, object]:
    try:
        return mapping(mapping(tomllib.loads(project).get("tool")).get("importlinter"))
    except tomllib.TOMLDecodeError as error:
        raise GateError(f"it is no TOML: {error}", PROJECT) from error


def _stays_out(rule: str, says: str) -> Callable[[Tree], Iterator[Finding]]:
    """Return the check that finds the traces of ``rule`` that no exception excuses; ``says`` has a place for a name."""

    def check(tree: Tree) -> Iterator[Finding]:
        for trace in tree.traces[rule]:
            if not tree.exceptions.excuse(trace):
                asked = f"take it out, or name `{trace.file}: {trace.name}` among the exceptions of {BOUNDARY}"
                yield finding(f"{says.format(trace.name)}: {asked}", trace.file, trace.line)

    return check


for _rule, _asks, _says in (
    (
        "retired-in-lock-files",
        "No lock file resolves a retired package, for whomever, and no project and no script declares one.",
        "it declares or resolves `{}`",
    ),
    ("retired-in-imports", "No Python, TypeScript or JavaScript source imports one.", "it imports `{}`"),
    (
        "retired-in-settings",
        "No setting and no environment variable is named after one, or says where one listens.",
        "it has a setting `{}`",
    ),
    (
        "retired-in-compose-files",
        "No service of a compose file is one, and no image that any YAML file names.",
        "its service or image `{}` is a retired thing",
    ),
    (
        "retired-in-workflows",
        "No workflow, script or image runs or installs one.",
        "it runs or installs `{}`",
    ),
    (
        "retired-as-owner",
        "No document presents one as an owner, and the pages that tell how things are do not speak of it.",
        "it presents `{}` as a part of how things are",
    ),
):
    GATE.rule(_rule, _asks)(_stays_out(_rule, _says))


@GATE.rule("retirement-exceptions", "An exception has an owner, a reason, an issue that removes it and a day to come.")
def _exceptions(tree: Tree) -> Iterator[Finding]:
    page = tree.exceptions.boundary
    if not tree.exceptions.are_told:
        yield finding(f"one table is due under Exceptions, of {' | '.join(COLUMNS)}", page.file, 1)
    superfluous = list(tree.exceptions.superfluous([trace for each in tree.traces.values() for trace in each]))
    for row in tree.exceptions.rows:
        faults = list(tree.exceptions.faults(row))
        if not faults and row in superfluous:
            faults = ["it names nothing that is there: take it out"]
        for fault in faults:
            yield finding(f"exception {row['what'] or 'of nothing'}: {fault}", page.file, row.line)


@GATE.rule("retired-forbidden", "import-linter forbids the retired modules to each of our packages.")
def _forbidden(tree: Tree) -> Iterator[Finding]:
    packages = _names(tree.linter.get("root_packages"))
    contracts = tree.linter.get("contracts")
    held = {
        package
        for contract in map(mapping, contracts if isinstance(contracts, list) else [])
        if contract.get("type") == "forbidden" and _names(contract.get("forbidden_modules")) >= RETIRED
        for package in _names(contract.get("source_modules"))
    }
    if not packages:
        yield finding("import-linter is told no packages (tool.importlinter.root_packages)", PROJECT)
    for package in sorted(packages - held):
        told = ", ".join(sorted(RETIRED))
        yield finding(f"no contract of import-linter forbids {package} to import {told}", PROJECT)


def _names(value: object) -> set[str]:
    return {str(each) for each in value} if isinstance(value, list) else set()
