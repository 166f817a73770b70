"""The wire of a release (packages/contracts/schemas): today's models break none of it, and nobody edits it."""

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest

from contract_gate import released
from contract_gate.breaking import wire_in
from contract_gate.breaks import breaks
from contract_gate.rules import GateError
from contract_gate.wire import Wire
from slipway_contracts import CONTRACT_VERSION

ROOT = Path(__file__).parents[3]
DIGESTS = {1: "d9645e0a7bb93b5e8de5b5e5bb5b3431d22404d59fa86824f8d83fcba7a404af"}
"""Version → what is written there, as one SHA-256. A new version adds a line; none is ever changed."""


@pytest.fixture(scope="module")
def today() -> Wire:
    return wire_in(ROOT)


def digest_of(folder: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        whole.update(f"{path.relative_to(folder).as_posix()}\0{len(path.read_bytes())}\0".encode() + path.read_bytes())
    return whole.hexdigest()


def test_todays_models_break_nobody_who_speaks_the_version_as_it_was_released(today: Wire) -> None:
    assert breaks(released.released_in(ROOT, CONTRACT_VERSION), today) == ()


def test_a_narrower_model_would_break_those(today: Wire) -> None:
    cpu = {"type": "integer", "minimum": 2, "maximum": 2**53 - 1}
    shape = {
        **today.schemas["ResourceShape"],
        "properties": {**today.schemas["ResourceShape"]["properties"], "cpu": cpu},
    }
    narrower = dataclasses.replace(today, schemas={**today.schemas, "ResourceShape": shape})
    found = breaks(released.released_in(ROOT, CONTRACT_VERSION), narrower)
    assert [each.message for each in found] == ["ResourceShape.cpu: its minimum is 1, where 2 is read"]


@pytest.mark.parametrize("version", released.versions_in(ROOT))
def test_a_release_is_never_edited(version: int) -> None:
    assert digest_of(ROOT / released.FOLDER / f"v{version}") == DIGESTS[version]


def test_every_version_up_to_now_is_kept() -> None:
    assert released.versions_in(ROOT) == list(range(1, CONTRACT_VERSION + 1)) == sorted(DIGESTS)


@pytest.mark.parametrize("path", sorted((ROOT / released.FOLDER).rglob("*.json")), ids=lambda path: path.stem)
def test_a_file_is_as_it_is_written(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert released.rendered(json.loads(text)) == text


def test_what_is_written_is_the_whole_wire(tmp_path: Path, today: Wire) -> None:
    released.write(ROOT, tmp_path / released.FOLDER)
    written = released.released_in(tmp_path, CONTRACT_VERSION)
    assert written.modules.keys() == today.modules.keys() - {"NodeModel", "ProductModel"}
    assert (written.operations, written.codes, written.words) == (today.operations, today.codes, today.words)
    assert breaks(written, today) == breaks(today, written) == ()


def test_what_is_written_is_not_written_again(tmp_path: Path) -> None:
    files = released.write(ROOT, tmp_path)
    before = {path: path.read_bytes() for path in files}
    with pytest.raises(GateError, match="written once"):
        released.write(ROOT, tmp_path)
    assert {path: path.read_bytes() for path in files} == before


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("openapi.json", "{", "it is no JSON"),
        ("codes.json", "[]", "it is no JSON object"),
        ("codes.json", '{"gone": {}}', "gone does not tell retryable, status"),
        ("words.json", '{"done": 1}', "done does not tell error_code, retryable, state"),
        ("errors/Problem.json", "7", "it is no JSON object"),
        ("openapi.json", None, "cannot be read"),
    ],
)
def test_a_release_that_cannot_be_read_is_told_in_a_line(
    tmp_path: Path, file: str, text: str | None, says: str
) -> None:
    released.write(ROOT, tmp_path / released.FOLDER)
    path = tmp_path / released.FOLDER / f"v{CONTRACT_VERSION}" / file
    path.unlink() if text is None else path.write_text(text, encoding="utf-8")
    with pytest.raises(GateError, match=says) as told:
        released.released_in(tmp_path, CONTRACT_VERSION)
    assert told.value.file == f"{released.FOLDER}/v{CONTRACT_VERSION}/{file}"
