"""Moving a product store: its records into a file, and from the file into an empty store."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from slipway_gateway.stores import sqlite_path
from slipway_gateway.stores.access import Access
from slipway_gateway.stores.archive.format import ArchiveError
from slipway_gateway.stores.archive.kinds import Row
from slipway_gateway.stores.archive.reading import Archive
from slipway_gateway.stores.archive.tally import Tally
from slipway_gateway.stores.archive.writing import Progress, write_archive
from slipway_gateway.stores.convex.address import is_convex
from slipway_gateway.stores.sql.archive import fill, reading
from slipway_gateway.stores.sql.revision import SCHEMA_REVISION


@dataclass(frozen=True, slots=True)
class Moved:
    """What went into a file, or from a file into a store. ``is_new`` is False where the store held it already."""

    tally: Tally
    is_new: bool = True


def export_store(url_or_path: str | Path, file: Path, *, exported_at: int, replace: bool, progress: Progress) -> Moved:
    """Write the records of a store that nobody else has open into ``file``.

    Raises ArchiveError where store or file do not do, ValueError for a store's name that is none,
    StoreUnavailableError where the store cannot be read.
    """
    if is_convex(url_or_path):
        raise ArchiveError("a deployment is exported by Convex's own tools: `convex export`")
    with reading(sqlite_path(url_or_path)) as records:
        counts = records.counts()
        return Moved(
            write_archive(
                file,
                records,
                counts=counts,
                schema=SCHEMA_REVISION,
                exported_at=exported_at,
                replace=replace,
                progress=progress,
            )
        )


def import_store(url_or_path: str | Path, access: Access, file: Path, *, progress: Progress) -> Moved:
    """Fill an empty store from ``file``, all of which is read before anything is written.

    What was broken off is begun or gone on with by the same call. Raises as :func:`export_store` does.
    """
    with Archive(file, schema=SCHEMA_REVISION) as archive:
        records = _watched(archive, progress)
        if is_convex(url_or_path):
            from slipway_gateway.stores.convex.importing import import_into_convex

            is_new = import_into_convex(str(url_or_path), access, archive.import_id, records, archive.tally)
        else:
            is_new = fill(sqlite_path(url_or_path), records, archive.tally)
        return Moved(archive.tally, is_new)


def _watched(archive: Archive, progress: Callable[[int, int], None]) -> Iterator[tuple[str, Row]]:
    for done, record in enumerate(archive.records(), 1):
        yield record
        progress(done, archive.total)
