"""A job document and the files it names, packed into one inline input, so that a node anywhere can run it."""

import base64
import gzip
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from slipway.errors import PackingError
from slipway_contracts.submit_job_command import INLINE_INPUT_MAX_BYTES

DOCUMENT = "slipway.yaml"
MEDIA_TYPES = {".gz": "application/gzip", ".tgz": "application/gzip", ".zip": "application/zip"}
PW_INPUTS = (".in", ".pwi")


@dataclass(frozen=True, slots=True)
class Packed:
    """An input URI, and a name to derive a job's id from."""

    input_uri: str
    name: str


def pack(path: Path) -> Packed:
    """Return ``path`` as an inline input: a document or its folder, a bundle, or a bare pw.x input.

    Raises PackingError when a file is missing, or the whole is over 32 KiB.
    """
    document = path / DOCUMENT if path.is_dir() else path
    name = _name(path)
    if not document.is_file():
        raise PackingError(f"{document} is not there")
    if document.suffix in MEDIA_TYPES:
        return Packed(_data_uri(document.read_bytes(), MEDIA_TYPES[document.suffix], document), name)
    if document.suffix in PW_INPUTS:
        files = {DOCUMENT: _pw_document(document), document.name: document.read_bytes()}
    else:
        files = {DOCUMENT: document.read_bytes()}
        for relative in _relative_uris(_parsed(document)):
            files[relative] = _file(document.parent, relative, document)
    return Packed(_data_uri(_bundle(files), "application/gzip", document), name)


def is_document(content: object) -> bool:
    """Tell whether ``content`` is a job document (`slipway: 1`)."""
    return isinstance(content, dict) and "slipway" in content


def _name(path: Path) -> str:
    base = path.resolve().name if path.is_dir() or path.name != DOCUMENT else path.resolve().parent.name
    stem = base.split(".")[0] or "job"
    return "".join(char if char.isascii() and (char.isalnum() or char in "-_") else "-" for char in stem)[:64]


def _parsed(document: Path) -> Any:
    try:
        content = yaml.safe_load(document.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        raise PackingError(f"{document}{where}: is no YAML or JSON") from None
    if not is_document(content):
        raise PackingError(f"{document}: is no job document: it lacks `slipway: 1`")
    return content


def _relative_uris(content: Any) -> Iterator[str]:
    """Yield every relative URI the document names, wherever it stands."""
    if isinstance(content, dict):
        uri = content.get("uri")
        if isinstance(uri, str) and ":" not in uri.split("/")[0] and not uri.startswith("/"):
            yield uri
        for value in content.values():
            yield from _relative_uris(value)
    elif isinstance(content, list):
        for value in content:
            yield from _relative_uris(value)


def _file(folder: Path, relative: str, document: Path) -> bytes:
    path = folder / relative
    if ".." in Path(relative).parts:
        raise PackingError(f"{document}: {relative} lies outside of the document's folder")
    try:
        return path.read_bytes()
    except OSError as error:
        raise PackingError(f"{document}: {relative}: {error.strerror}") from None


def _pw_document(path: Path) -> bytes:
    content = {"slipway": 1, "kind": "quantumespresso.pw", "input": {"uri": path.name}}
    return yaml.safe_dump(content, sort_keys=False).encode()


def _bundle(files: dict[str, bytes]) -> bytes:
    """Return a .tar.gz that depends on names and contents only: the same job is the same intent."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(files[name]), 0o644
            archive.addfile(entry, io.BytesIO(files[name]))
    return gzip.compress(tar.getvalue(), mtime=0)


def _data_uri(content: bytes, media_type: str, source: Path) -> str:
    if len(content) > INLINE_INPUT_MAX_BYTES:
        raise PackingError(
            f"{source}: packed it has {len(content)} bytes, inline input has at most {INLINE_INPUT_MAX_BYTES}: "
            "put it where the node can read it and use --input-uri"
        )
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
