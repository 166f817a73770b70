"""The wire of a release, as packages/contracts/schemas keeps it: written once, read to compare with."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from contract_gate.breaking import json_in
from contract_gate.models import OPENAPI, Contract, contract_in
from contract_gate.rules import GateError
from contract_gate.wire import Wire, wire_of

FOLDER = "packages/contracts/schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
CODES, WORDS, DOCUMENT = "codes.json", "words.json", "openapi.json"
SURFACES: Mapping[str, Sequence[str]] = {
    "submit-job-command": ("submit_job_command",),
    "execution-event": ("execution_event",),
    "projection-update": ("projection_update",),
    "node-protocol": ("node_protocol", "node_policy"),
    "cancel-job-command": ("cancel_job_command",),
    "reads": ("reads",),
    "errors": ("problem",),
}
"""Folder of a release → the modules of slipway_contracts whose models lie there."""


def write(root: Path, into: Path) -> list[Path]:
    """Write the wire of the tree at ``root`` to a folder for its version below ``into``; return the files.

    Raises GateError where that version has its folder: what was released stays as it is.
    """
    contract = contract_in(root, SURFACES)
    folder = into / f"v{contract.version}"
    if folder.exists():
        raise GateError(f"v{contract.version} is there already, and a release is written once", FOLDER)
    files: dict[str, object] = {CODES: contract.errors, WORDS: contract.words, DOCUMENT: json_in(root, OPENAPI)}
    for surface, models in contract.models.items():
        files |= {f"{surface}/{name}.json": {"$schema": DIALECT, **schema} for name, schema in models.items()}
    for file, content in files.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(rendered(content), encoding="utf-8")
    return sorted(folder / file for file in files)


def rendered(content: object) -> str:
    """Return JSON that is the same whenever its content is: sorted keys, two spaces, a newline at the end."""
    return json.dumps(content, sort_keys=True, indent=2, ensure_ascii=False) + "\n"


def versions_in(root: Path) -> list[int]:
    """Return the versions that were released, the oldest first."""
    names = [path.name.removeprefix("v") for path in (root / FOLDER).glob("v*")]
    return sorted(int(name) for name in names if name.isdigit())


def released_in(root: Path, version: int) -> Wire:
    """Read the wire of a release. Raises GateError."""
    folder = f"{FOLDER}/v{version}"
    models: dict[str, dict[str, Mapping[str, object]]] = {}
    for path in sorted((root / folder).glob("*/*.json")):
        models.setdefault(path.parent.name, {})[path.stem] = _mapping(root, f"{folder}/{path.parent.name}/{path.name}")
    codes = _table(root, f"{folder}/{CODES}", {"status", "retryable"})
    words = _table(root, f"{folder}/{WORDS}", {"state", "error_code", "retryable"})
    document = f"{folder}/{DOCUMENT}"
    return wire_of(Contract(models, codes, version, words=words), json_in(root, document), document)


def _mapping(root: Path, file: str) -> Mapping[str, object]:
    content = json_in(root, file)
    if not isinstance(content, Mapping):
        raise GateError("it is no JSON object", file)
    return content


def _table(root: Path, file: str, needed: set[str]) -> dict[str, Mapping[str, object]]:
    table: dict[str, Mapping[str, object]] = {}
    for name, row in _mapping(root, file).items():
        if not isinstance(row, Mapping) or not needed <= row.keys():
            raise GateError(f"{name} does not tell {', '.join(sorted(needed))}", file)
        table[name] = row
    return table
