"""What a file given to `submit` stands for: a whole command, or a payload that goes with a command."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from slipway.errors import InputRefusedError
from slipway.packing import (
    DOCUMENT_NAMES,
    GZIP,
    INVALID_PAYLOAD,
    ZIP,
    data_uri,
    pack_document,
    pack_pw_input,
    read_bounded,
)

PW_SUFFIXES = (".in", ".pwi")

_GZIP_MAGIC, _ZIP_MAGIC = b"\x1f\x8b", b"PK\x03\x04"
_NOT_OF_AN_ID = re.compile(r"[^A-Za-z0-9._~-]+")
_NAME_MAX_CHARS = 100  # of an id's 128: a random end is added
_KINDS_OF_FILE = (
    "FILE is a job document (`slipway: 1`), a folder with a slipway.yaml, a .tar.gz or .zip, a pw.x input, or a command"
)


@dataclass(frozen=True, slots=True)
class JobFile:
    """A command with what the file says of it; ``name`` is what a job id is derived from."""

    draft: dict[str, Any]
    name: str


def read_job_file(path: Path) -> JobFile:
    """Read ``path``, pack what it names and return the command's draft; raises InputRefusedError, FileNotFoundError."""
    if path.is_dir():
        path = _document_of(path)
    name = _name_of(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there")
    if path.suffix in PW_SUFFIXES:
        return _payload(pack_pw_input(path), name)
    content = read_bounded(path)
    if content.startswith(_GZIP_MAGIC):
        return _payload(data_uri(content, GZIP, path.name), name)
    if content.startswith(_ZIP_MAGIC):
        return _payload(data_uri(content, ZIP, path.name), name)
    document = _mapping(content, path.name)
    if "payload_ref" in document:
        return JobFile(document, name)
    if "slipway" in document:
        return _payload(pack_document(path, content, document), name)
    raise InputRefusedError(
        INVALID_PAYLOAD, path.name, "has neither `slipway: 1` nor a command's payload_ref", _KINDS_OF_FILE
    )


def by_reference(input_uri: str) -> JobFile:
    """Return the draft of a command whose payload lies at ``input_uri``, for the node to fetch."""
    last = input_uri.partition("?")[0].rstrip("/").rpartition("/")[2]
    return JobFile({"payload_ref": {"input_uri": input_uri}}, "job" if input_uri.startswith("data:") else _id(last))


def _payload(input_uri: str, name: str) -> JobFile:
    return JobFile({"payload_ref": {"input_uri": input_uri}}, name)


def _document_of(folder: Path) -> Path:
    for name in DOCUMENT_NAMES:
        if (folder / name).is_file():
            return folder / name
    raise InputRefusedError(INVALID_PAYLOAD, str(folder), f"the folder has no {DOCUMENT_NAMES[0]}", _KINDS_OF_FILE)


def _name_of(path: Path) -> str:
    """Return the part of a file's name that says what it is: of slipway.yaml, its folder's."""
    return _id(path.absolute().parent.name if path.name in DOCUMENT_NAMES else path.name)


def _id(name: str) -> str:
    stem = name.removesuffix(".gz").rpartition(".")[0] or name
    return _NOT_OF_AN_ID.sub("-", stem).strip("-")[:_NAME_MAX_CHARS] or "job"


def _mapping(content: bytes, name: str) -> dict[str, Any]:
    """Parse YAML or JSON, and name the line that is neither."""
    try:
        text = content.decode()
        value = json.loads(text) if name.endswith(".json") else yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{name} line {mark.line + 1}" if mark else name
        raise _unreadable(where, f"not YAML: {error.problem}") from error
    except json.JSONDecodeError as error:
        raise _unreadable(f"{name} line {error.lineno}", f"not JSON: {error.msg}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _unreadable(name, "not text in UTF-8, nor YAML") from error
    if not isinstance(value, dict):
        raise _unreadable(f"{name} line 1", "a mapping is expected, as in `slipway: 1`")
    return value


def _unreadable(where: str, reason: str) -> InputRefusedError:
    return InputRefusedError(INVALID_PAYLOAD, where, reason, _KINDS_OF_FILE)
