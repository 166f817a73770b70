"""The command line: `contract-gate pr|docs|openapi|client|breaking|retirement|status`."""

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter

from contract_gate.output import Format, told, told_of_error
from contract_gate.repository import Repository
from contract_gate.rules import GateError, Report

HOLDS, FALLS_SHORT, COULD_NOT_RUN = 0, 1, 2

app = App(
    name="contract-gate",
    version_flags=(),
    help=(
        "What a change of the runtime contract has to bring, judged by machine "
        "(docs/process/runtime-contract-rollout.md).\n\n"
        "Exit status: 0 holds, 1 falls short, 2 could not run."
    ),
)

FormatOption = Annotated[Format, Parameter(name="--format", help="text, json, or github (annotations)")]
TreeOption = Annotated[Path, Parameter(name="--tree", help="The repository, or a folder in it [default: here]")]
BaseOption = Annotated[str, Parameter(name="--base", help="The revision that the change is to be merged into")]


@app.default
def nothing() -> int:
    """Tell which commands there are."""
    app.help_print()
    return COULD_NOT_RUN


@app.command
def docs(*, form: FormatOption = Format.TEXT, tree: TreeOption = Path()) -> int:
    """Judge the contract's documents: sections, tables as the models say, links, decisions, the rollout's own page."""
    from contract_gate import documents

    return _judged("docs", form, lambda: documents.judge(Repository.around(tree)))


@app.command
def openapi(*, form: FormatOption = Format.TEXT, tree: TreeOption = Path()) -> int:
    """Judge whether the OpenAPI document that is checked in is what the code says; changes nothing."""
    from contract_gate import drift

    return _judged("openapi", form, lambda: drift.judge_openapi(Repository.around(tree)))


@app.command
def client(*, form: FormatOption = Format.TEXT, tree: TreeOption = Path()) -> int:
    """Judge whether the API client that is checked in is what the OpenAPI document generates."""
    from contract_gate import drift

    return _judged("client", form, lambda: drift.judge_client(Repository.around(tree)))


@app.command
def breaking(*, base: BaseOption, form: FormatOption = Format.TEXT, tree: TreeOption = Path()) -> int:
    """Judge whether the change breaks an older node or an older client without a new version of the contract."""
    from contract_gate import breaking as gate

    return _judged("breaking", form, lambda: gate.judge(Repository.around(tree), base))


@app.command
def retirement(*, form: FormatOption = Format.TEXT, tree: TreeOption = Path()) -> int:
    """Judge whether Redis and task queues stay retired, and whether each exception is in order and in time."""
    from contract_gate import retirement as gate

    return _judged("retirement", form, lambda: gate.judge(Repository.around(tree), datetime.now(UTC).date()))


@app.command
def pr(
    *,
    base: BaseOption,
    body: Annotated[Path, Parameter(help="The pull request's description; - for standard input")],
    results: Annotated[Path | None, Parameter(help="A JUnit file of the tests that ran")] = None,
    form: FormatOption = Format.TEXT,
    tree: TreeOption = Path(),
) -> int:
    """Judge one pull request: what it says, which tests cover what it touches, and whether it is its turn."""
    from contract_gate import pull_request

    return _judged("pr", form, lambda: pull_request.judge(Repository.around(tree), base, _text_of(body), results))


@app.command
def status(
    *,
    prs: Annotated[Path | None, Parameter(help="Open pull requests, as `gh pr list --json` exports them")] = None,
    form: FormatOption = Format.TEXT,
    tree: TreeOption = Path(),
) -> int:
    """Judge the rollout's exit criteria, each with its evidence."""
    from contract_gate import status as gate

    return _judged("status", form, lambda: gate.judge(Repository.around(tree), prs))


def _text_of(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise GateError(f"cannot be read: {reason}", str(file)) from error


def _judged(command: str, form: Format, judge: Callable[[], Report]) -> int:
    try:
        report = judge()
    except GateError as error:
        return _could_not_run(command, form, error)
    except Exception as error:  # noqa: BLE001 - whoever asked is told in a line, and no traceback passes for a finding
        return _could_not_run(command, form, GateError(f"a fault of the gate's own: {type(error).__name__}: {error}"))
    print(told(command, report, form))
    return HOLDS if report.holds else FALLS_SHORT


def _could_not_run(command: str, form: Format, error: GateError) -> int:
    print(told_of_error(command, error, form), file=sys.stdout if form is Format.JSON else sys.stderr)
    return COULD_NOT_RUN


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # what a tree's files say may be no text of the terminal's encoding
            stream.reconfigure(errors="backslashreplace")
    try:
        done = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        print(f"contract-gate: {' '.join(str(error).split())} (contract-gate --help)", file=sys.stderr)
        return COULD_NOT_RUN
    return done if isinstance(done, int) else HOLDS
