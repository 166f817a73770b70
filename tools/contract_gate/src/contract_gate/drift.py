"""The gates `openapi` and `client`: what is generated and checked in is what the code says now.

The commands are the rollout plan's, word for word (docs/process/runtime-contract-rollout.md). Judging leaves the
working tree as it was: the export is asked with --check, and the client that a judgement generated is put back.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contract_gate.models import OPENAPI as DOCUMENT
from contract_gate.repository import Repository
from contract_gate.rules import Finding, Gate, GateError, Report, finding

EXPORT = "PYTHONPATH=apps/api uv run --project apps/api python apps/api/scripts/export_openapi.py"
EXPORT_CHECK = f"{EXPORT} --check"
GENERATE = "pnpm -C packages/api-client run generate"
CLIENT = "packages/api-client/src/generated/schema.ts"
CLIENT_DIFF = f"git diff --exit-code -- {CLIENT}"
CLIENT_TRACKED = f"git ls-files --error-unmatch -- {CLIENT}"

DRIFT = 1
COMMAND_SECONDS = 600  # a first `uv run` may have to install

_CHANGED = re.compile(r"^@@ -\d+(?:,\d+)? \+(\d+)", re.MULTILINE)

OPENAPI_GATE: Gate[Repository] = Gate("openapi")
CLIENT_GATE: Gate[Repository] = Gate("client")


def judge_openapi(repository: Repository, *, without: frozenset[str] = frozenset()) -> Report:
    """Judge whether the OpenAPI document is what the code says. Raises GateError."""
    return OPENAPI_GATE.judge(repository, without=without)


def judge_client(repository: Repository, *, without: frozenset[str] = frozenset()) -> Report:
    """Judge whether the client is what the OpenAPI document generates. Raises GateError."""
    return CLIENT_GATE.judge(repository, without=without)


@OPENAPI_GATE.rule("openapi-drift", f"{DOCUMENT} is what the code says now.")
def _openapi(repository: Repository) -> Iterator[Finding]:
    done = _run(EXPORT_CHECK, "uv", repository.root)
    if done.returncode == DRIFT and "drift" in done.stderr:
        mend = f"regenerate it first: `{EXPORT}`; then the client: `{GENERATE}`; and commit both"
        yield finding(f"it is not what the code says; {mend}", DOCUMENT, _line(done.stderr))
    elif done.returncode != 0:
        raise GateError(f"the export could not be checked: {_last_word(done)}", DOCUMENT)


@CLIENT_GATE.rule("client-drift", f"{CLIENT} is what {DOCUMENT} generates, and is checked in.")
def _client(repository: Repository) -> Iterator[Finding]:
    if _run(CLIENT_TRACKED, "git", repository.root).returncode != 0:  # of an untracked file `git diff` says nothing
        yield finding(f"it is not checked in; generate it: `{GENERATE}`; and commit it", CLIENT)
        return
    with _kept(repository.root / CLIENT):
        generated = _run(GENERATE, "pnpm", repository.root)
        if generated.returncode != 0:
            raise GateError(f"the client could not be generated: {_last_word(generated)}", CLIENT)
        done = _run(CLIENT_DIFF, "git", repository.root)
    if done.returncode == DRIFT:
        mend = f"generate it: `{GENERATE}`; and commit it"
        yield finding(f"it is not what {DOCUMENT} generates; {mend}", CLIENT, _line(done.stdout))
    elif done.returncode != 0:
        raise GateError(f"the client could not be compared: {_last_word(done)}", CLIENT)


@contextmanager
def _kept(file: Path) -> Iterator[None]:
    """Put a file back as it was, whatever becomes of it meanwhile."""
    before = file.read_bytes() if file.exists() else None
    try:
        yield
    finally:
        if before is None:
            file.unlink(missing_ok=True)
        elif file.read_bytes() != before:
            file.write_bytes(before)


def _run(command: str, tool: str, root: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of the plan as it is written there, which takes a shell."""
    if shutil.which(tool) is None:
        raise GateError(f"{tool} is not there, and the check needs it: `{command}`")
    try:
        return subprocess.run(  # noqa: S603 - the plan's own lines
            ["bash", "-c", command],  # noqa: S607
            cwd=root,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=COMMAND_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise GateError(f"no answer within {COMMAND_SECONDS} s: `{command}`") from error


def _line(diff: str) -> int | None:
    """Return the first line that a unified diff speaks of."""
    changed = _CHANGED.search(diff)
    return int(changed[1]) if changed else None


def _last_word(done: subprocess.CompletedProcess[str]) -> str:
    said = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return said[-1].strip() if said else f"exit status {done.returncode}"
