"""Writing an archive: into a partial file beside it, which takes its name when it is whole and on the disk."""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from slipway_gateway.stores.archive.format import END, FORMAT, VERSION, ArchiveError, line
from slipway_gateway.stores.archive.kinds import KINDS, Row
from slipway_gateway.stores.archive.tally import Tally

Progress = Callable[[int, int], None]
"""Told how many records are done, and of how many."""
PARTIAL_SUFFIX = ".partial"


def write_archive(
    path: Path,
    records: Iterable[tuple[str, Row]],
    *,
    counts: Mapping[str, int],
    schema: str,
    exported_at: int,
    replace: bool,
    progress: Progress,
) -> Tally:
    """Write ``records``, of which there are ``counts``; only the owner may read the file. Raises ArchiveError."""
    if not replace and os.path.lexists(path):
        raise ArchiveError(f"{path} exists already: --force replaces it")
    partial = path.with_name(path.name + PARTIAL_SUFFIX)
    head = {"format": FORMAT, "version": VERSION, "schema": schema, "exported_at": exported_at, "counts": {**counts}}
    try:
        partial.unlink(missing_ok=True)
        try:
            tally = _write(partial, head, records, sum(counts.values()), progress)
            partial.replace(path)
        except BaseException:
            with suppress(OSError):
                partial.unlink()
            raise
        _keep_name(path.parent)
    except OSError as error:
        raise ArchiveError(f"{path} cannot be written: {error.strerror or error}") from error
    return tally


def _write(
    partial: Path, head: dict[str, object], records: Iterable[tuple[str, Row]], total: int, progress: Progress
) -> Tally:
    tally, digest = Tally(), hashlib.sha256()
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:

        def put(content: bytes) -> None:
            digest.update(content)
            file.write(content)

        put(line(head))
        for done, (kind, row) in enumerate(records, 1):
            tally.add(kind, row)
            put(line({"kind": kind, "fields": KINDS[kind].record(row)}))
            progress(done, total)
        counts = {kind: tally.counts[kind] for kind in KINDS}
        file.write(line({"kind": END, "counts": counts, "sha256": digest.hexdigest()}))
        file.flush()
        os.fsync(file.fileno())
    return tally


def _keep_name(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
