"""Bundles: a .tar.gz or .zip with the job document at its root. Nothing leaves the folder it is unpacked to."""

import io
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from slipway_node import storage
from slipway_node.payloads.document import DOCUMENT_NAME, INVALID, relative_path
from slipway_node.payloads.limits import Limits
from slipway_node.ports import RefusedJobError

_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_CHUNK_BYTES = 1024 * 1024
_ROOT_NAMES = (DOCUMENT_NAME, "slipway.yml", "slipway.json")


def is_bundle(content: bytes) -> bool:
    """Tell by the first bytes, since a data: URI has no file name."""
    return content.startswith((_GZIP, _ZIP))


def unpack(content: bytes, folder: Path, limits: Limits) -> None:
    """Unpack into ``folder``; raises RefusedJobError for a link, a path that climbs, or more than ``limits``.

    Raises OSError where ``folder`` cannot be written.
    """
    folder.mkdir(parents=True, mode=0o700)
    members = _zip_members(content) if content.startswith(_ZIP) else _tar_members(content)
    total = 0
    try:
        for count, (name, stream) in enumerate(members, 1):
            if count > limits.files:
                raise RefusedJobError(INVALID, f"the bundle has more than {limits.files} files")
            target = folder / _inside(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            total += _write(stream, target, name, min(limits.file_bytes, limits.total_bytes - total))
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        if storage.is_told_by(error):
            raise
        raise RefusedJobError(INVALID, f"the bundle cannot be unpacked: {error}") from error


def document(folder: Path) -> tuple[str, bytes]:
    """Return name and content of the job document at the bundle's root."""
    for name in _ROOT_NAMES:
        path = folder / name
        if path.is_file():
            return name, path.read_bytes()
    raise RefusedJobError(INVALID, f"the bundle has no {DOCUMENT_NAME} at its root")


def member(folder: Path, name: str, field: str) -> bytes:
    """Return one file of an unpacked bundle."""
    path = folder / _inside(name)
    if not path.is_file():
        raise RefusedJobError(INVALID, f"{field}: {name} is not in the bundle")
    return path.read_bytes()


def _tar_members(content: bytes) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        for entry in archive:
            if entry.isdir():
                continue
            if not entry.isreg():
                raise RefusedJobError(INVALID, f"the bundle's {entry.name} is a link or a device")
            stream = archive.extractfile(entry)
            if stream is not None:
                yield entry.name, stream


def _zip_members(content: bytes) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for entry in archive.infolist():
            if entry.is_dir():
                continue
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind not in (0, stat.S_IFREG):
                raise RefusedJobError(INVALID, f"the bundle's {entry.filename} is a link or a device")
            with archive.open(entry) as stream:
                yield entry.filename, stream


def _inside(name: str) -> PurePosixPath:
    try:
        return PurePosixPath(relative_path(name))
    except ValueError as error:
        raise RefusedJobError(INVALID, f"the bundle's path {name!r} {error}") from error


def _write(stream: IO[bytes], target: Path, name: str, most: int) -> int:
    """Write while counting: what an archive says of its sizes proves nothing."""
    written = 0
    with target.open("xb") as file:
        while chunk := stream.read(_CHUNK_BYTES):
            written += len(chunk)
            if written > most:
                raise RefusedJobError(INVALID, f"the bundle's {name} is over the limit of {most} bytes")
            file.write(chunk)
    return written
