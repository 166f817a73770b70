"""The gate `breaking`: a change that breaks an older node or client needs a new version and a decision that says so."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from contract_gate.breaks import breaks
from contract_gate.comparison import Break
from contract_gate.models import OPENAPI, PACKAGE, SOURCE, contract_in, file_of, modules_in
from contract_gate.repository import Repository
from contract_gate.rules import Finding, Gate, GateError, Report, finding
from contract_gate.wire import Wire, wire_of

DECISIONS = "docs/adr/"
_DECISION = re.compile(rf"{DECISIONS}\d{{4}}-[^/]+\.md")
VERSION_FILE = f"{PACKAGE}/__init__.py"
ERRORS_FILE = f"{PACKAGE}/errors.py"
REMEDY = "keep it, or raise CONTRACT_VERSION with a decision in docs/adr (ADR-0016)"

ASKS: Mapping[str, str] = {
    "field-removed": "A field of an answer or of a request stays.",
    "field-narrowed": "What an older node or client may send is taken: types, bounds, patterns, null, unknown fields.",
    "field-widened": "What is answered is what older readers know: status, media and other types, bounds, null, words.",
    "field-required": "A request needs no field that it did not need, and an answer has each that it always had.",
    "word-removed": "A word that an older node or client may say is taken.",
    "default-changed": "What is left out means what it meant.",
    "route-removed": "A route stays: its path, method, media types, success and who may call it.",
    "code-removed": "An error code stays, with its status and whether a call that met it may be repeated.",
}
"""Rule → what it asks; each holds as long as the contract's version does not go up."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a change does to the wire. ``decisions`` are the texts of the decisions that it adds or changes."""

    old: Wire
    new: Wire
    breaks: tuple[Break, ...]
    decisions: Mapping[str, str]
    files: Mapping[str, str]
    """Module → file, of the newer models."""
    sources: Mapping[str, str]
    """File → text of these."""

    @property
    def is_new_version(self) -> bool:
        """Whether the contract's version goes up."""
        return self.new.version > self.old.version

    def told(self, found: Break) -> Finding:
        """Return a break as a finding at the line where it is to be mended, as far as that is known."""
        module = self.new.modules.get(found.model or "")
        file = self.files[module] if module else ERRORS_FILE if found.rule == "code-removed" else OPENAPI
        line = line_of(self.sources.get(file, ""), found.model, found.field)
        return finding(f"{found.message}; {REMEDY}", file, line)


GATE: Gate[Change] = Gate("breaking")


def _hold(name: str, asks: str) -> None:
    @GATE.rule(name, asks)
    def _(change: Change) -> Iterable[Finding]:
        return () if change.is_new_version else (change.told(each) for each in change.breaks if each.rule == name)


for _name, _asks in ASKS.items():
    _hold(_name, _asks)


@GATE.rule("version-and-decision", "A new version of the contract goes up, and a decision in docs/adr names it.")
def _(change: Change) -> Iterable[Finding]:
    version, was = change.new.version, change.old.version
    if version < was:
        yield finding(f"CONTRACT_VERSION is {version}, and was {was}", VERSION_FILE)
    elif change.is_new_version and not any(names_version(text, version) for text in change.decisions.values()):
        yield finding(
            f"CONTRACT_VERSION goes up to {version}: say why in a page of {DECISIONS} that names contract {version}",
            VERSION_FILE,
        )


def judge(repository: Repository, base: str) -> Report:
    """Judge the working tree against where it left ``base``. Raises GateError."""
    return GATE.judge(change_since(repository, base))


def change_since(repository: Repository, base: str) -> Change:
    """Return what the working tree changes since it left ``base``. Raises GateError."""
    commit = repository.merge_base(base)
    with repository.laid_out(commit, SOURCE, OPENAPI) as older:
        try:
            old = wire_in(older)
        except GateError as error:
            raise GateError(f"at {commit[:12]}, where this left {base}: {error.message}", error.file) from error
    new = wire_in(repository.root)
    if old.operations and not new.operations:
        raise GateError("there is no OpenAPI document any more, or one without a route", OPENAPI)
    decisions = [
        file
        for file in repository.changed_since(commit)
        if _DECISION.fullmatch(file) and (repository.root / file).is_file()
    ]
    files = {name: file_of(repository.root, name) for name in modules_in(repository.root)}
    found = breaks_between(old, new)
    return Change(old, new, found, _texts(repository.root, decisions), files, _texts(repository.root, files.values()))


def breaks_between(old: Wire, new: Wire) -> tuple[Break, ...]:
    """Return what breaks. Raises GateError where a schema is none of JSON Schema's."""
    try:
        return breaks(old, new)
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise GateError(f"it has a schema that cannot be compared: {_said(error)}", OPENAPI) from error


def wire_in(root: Path) -> Wire:
    """Return the wire as the tree at ``root`` describes it. Raises GateError."""
    contract = contract_in(root, {name: [name] for name in modules_in(root)})
    document = json_in(root, OPENAPI) if (root / OPENAPI).is_file() else None
    return wire_of(contract, document, OPENAPI)


def json_in(root: Path, file: str) -> object:
    """Read a JSON file. Raises GateError, with the line."""
    try:
        parsed: object = json.loads(_texts(root, [file])[file])
    except json.JSONDecodeError as error:
        raise GateError(f"it is no JSON: {error.msg}", file, error.lineno) from error
    except RecursionError as error:
        raise GateError("it is no JSON that can be read: it is nested too deeply", file) from error
    return parsed


def names_version(text: str, version: int) -> bool:
    """Tell whether ``text`` speaks of this version of the contract, as "contract 2" or "`Slipway-Contract: 2`"."""
    forms = rf"contract(?: version|:)? {version}|version {version} of the contract|CONTRACT_VERSION = {version}"
    return re.search(rf"\b(?:{forms})\b", " ".join(text.split()), re.IGNORECASE) is not None


def line_of(source: str, model: str | None, field: str | None) -> int | None:
    """Return the line of a model's field in ``source``, or of the model where it has no such field."""
    found = None
    for number, line in enumerate(source.splitlines(), 1):
        if found is None:
            found = number if re.match(rf"class {model}\b", line) else None
        elif line.startswith("class "):
            break
        elif re.match(rf"    {field}\s*[:=]", line):
            return number
    return found


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _texts(root: Path, files: Iterable[str]) -> dict[str, str]:
    texts = {}
    for file in files:
        try:
            texts[file] = (root / file).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise GateError(f"cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}", file) from error
    return texts
