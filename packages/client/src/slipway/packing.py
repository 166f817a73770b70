"""Packing a job document with the local files it names, so that it works with a node anywhere.

The bundle is the same, byte for byte, for the same files: members in order of name, no times, no owners. So a retry
from another folder or account means the same submission (docs/contracts/submit-job-command.md, "Idempotency key").
"""

import base64
import gzip
import io
import re
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from slipway.errors import InputRefusedError
from slipway_contracts.errors import Code
from slipway_contracts.submit_job_command import INLINE_INPUT_MAX_BYTES

INVALID_PAYLOAD = "invalid_payload"
"""What a node says of a job document that does not hold; said here of what no node need be asked about."""

DOCUMENT_NAMES = ("slipway.yaml", "slipway.yml", "slipway.json")
GZIP, ZIP = "application/gzip", "application/zip"
RAW_MAX_BYTES = INLINE_INPUT_MAX_BYTES * 1032  # DEFLATE's best ratio: what is larger can never fit
FILE_MODE = 0o644

_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:")
_SPECIES = re.compile(r"^\s*[A-Za-z][A-Za-z0-9_-]*\s+[\d.eEdD+-]+\s+(?P<file>[\w.+-]+)\s*$")
_PLAIN_NAME = re.compile(r"^[\w+-][\w.+-]*$", re.ASCII)


def data_uri(content: bytes, media_type: str, name: str) -> str:
    """Return ``content`` as a `data:` URI; raises InputRefusedError where it is over the limit of an inline input."""
    if len(content) > INLINE_INPUT_MAX_BYTES:
        raise _too_large(name, f"{len(content)} bytes")
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def pack_document(path: Path, text: bytes, document: Mapping[str, Any]) -> str:
    """Return the job document at ``path`` and the local files it names as one inline bundle.

    Raises InputRefusedError for a file that is missing, or lies outside of the document's folder.
    """
    members = {DOCUMENT_NAMES[0]: text}
    for field, uri in _named_files(document):
        if uri in members and uri == DOCUMENT_NAMES[0]:
            raise InputRefusedError(INVALID_PAYLOAD, field, f"{uri} is the document's own name", "rename the file")
        members[uri] = _read(path.parent, uri, field, path.name)
    members |= _pseudos_beside(path, document, members)
    return data_uri(bundle(members), GZIP, path.name)


def pack_pw_input(path: Path) -> str:
    """Return a bare pw.x input, with the pseudopotentials that lie beside it, as one inline bundle."""
    name = path.name if _PLAIN_NAME.match(path.name) else "pw.in"
    content = read_bounded(path)
    document = f"slipway: 1\nkind: quantumespresso.pw\ninput: {{uri: {name}}}\n"
    members = {DOCUMENT_NAMES[0]: document.encode(), name: content}
    members |= _local_pseudos(path.parent, content)
    return data_uri(bundle(members), GZIP, path.name)


def bundle(members: Mapping[str, bytes]) -> bytes:
    """Return a .tar.gz of ``members`` (name → content) that depends on nothing else."""
    archived = io.BytesIO()
    with tarfile.open(fileobj=archived, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(members):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(members[name]), FILE_MODE  # TarInfo's time and owners are zero
            archive.addfile(entry, io.BytesIO(members[name]))
    return gzip.compress(archived.getvalue(), compresslevel=9, mtime=0)


def read_bounded(path: Path) -> bytes:
    """Return the content of a file that could fit when compressed; raises InputRefusedError before reading another."""
    size = path.stat().st_size
    if size > RAW_MAX_BYTES:
        raise _too_large(path.name, f"{size} bytes")
    return path.read_bytes()


def _named_files(value: object, field: str = "") -> Iterator[tuple[str, str]]:
    """Yield (field, URI) of every relative ``uri`` in a document, whatever its kind."""
    if isinstance(value, Mapping):
        uri = value.get("uri")
        if isinstance(uri, str) and not _SCHEME.match(uri):
            yield f"{field}.uri".removeprefix("."), uri
        for name, inner in value.items():
            yield from _named_files(inner, f"{field}.{name}".removeprefix("."))
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _named_files(inner, f"{field}.{position}".removeprefix("."))


def _read(folder: Path, uri: str, field: str, document_name: str) -> bytes:
    relative = PurePosixPath(uri)
    if relative.is_absolute():
        hint = f"file://{uri} where the node may read it, or a path relative to {document_name}"
        raise InputRefusedError(INVALID_PAYLOAD, field, f"{uri} is an absolute path", hint)
    path = folder / relative
    if ".." in relative.parts or not path.resolve().is_relative_to(folder.resolve()):
        reason = f"{uri} leads out of the folder of {document_name}"
        raise InputRefusedError(INVALID_PAYLOAD, field, reason, "put a copy beside the document")
    if not path.is_file():
        reason = f"there is no file {uri} beside {document_name}"
        raise InputRefusedError(INVALID_PAYLOAD, field, reason, "correct the name, or put the file there")
    return read_bounded(path)


def _pseudos_beside(path: Path, document: Mapping[str, Any], members: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the pseudopotentials that a document leaves to its pw.x input to name, where they lie beside it."""
    if document.get("kind") != "quantumespresso.pw" or document.get("pseudos") or document.get("family"):
        return {}
    named = document.get("input")
    uri = named.get("uri") if isinstance(named, Mapping) else None
    return _local_pseudos(path.parent, members[uri]) if isinstance(uri, str) and uri in members else {}


def _local_pseudos(folder: Path, pw_input: bytes) -> dict[str, bytes]:
    """Return those files of the ATOMIC_SPECIES card that are here; the node has, or refuses, the others."""
    found: dict[str, bytes] = {}
    lines = iter(pw_input.decode(errors="replace").splitlines())
    for line in lines:
        if line.strip().upper().startswith("ATOMIC_SPECIES"):
            break
    for line in lines:
        content = re.split("[!#]", line, maxsplit=1)[0]
        entry = _SPECIES.match(content)
        if entry is None:
            if content.strip():
                break
            continue
        path = folder / entry["file"]
        if path.is_file():
            found[entry["file"]] = _read(folder, entry["file"], "ATOMIC_SPECIES", "the input")
    return found


def _too_large(name: str, size: str) -> InputRefusedError:
    return InputRefusedError(
        Code.PAYLOAD_TOO_LARGE,
        name,
        f"{size}, and an inline input has at most {INLINE_INPUT_MAX_BYTES}",
        "put it where the node may fetch it, and submit with --input-uri URI",
    )
