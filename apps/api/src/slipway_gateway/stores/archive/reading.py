"""Reading an archive: nothing of it is good before all of it is."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, TypeVar

from pydantic import ValidationError

from slipway_gateway.stores.archive.format import (
    END,
    FORMAT,
    LINE_MAX_BYTES,
    VERSION,
    ArchiveError,
    End,
    Header,
    Lead,
    Line,
    RecordLine,
)
from slipway_gateway.stores.archive.kinds import KINDS, Row
from slipway_gateway.stores.archive.tally import Tally

IMPORT_ID_CHARS = 32
_BEGINNING = b'{"format":"' + FORMAT.encode() + b'"'
_END_MARK = b'{"kind":"' + END.encode() + b'"'
L = TypeVar("L", bound=Line)


class Archive:
    """A whole and unaltered archive. ``import_id`` names its content, ``tally`` counts it."""

    def __init__(self, path: Path, *, schema: str) -> None:
        """Open the file and read all of it once; raises ArchiveError where it does not do."""
        self._path = path
        self._schema = schema
        self.tally = Tally()
        self.import_id = ""
        try:
            self._file: BinaryIO = path.open("rb")
        except OSError as error:
            raise ArchiveError(f"{path} cannot be read: {error.strerror or error}") from None
        try:
            for kind, row in self.records():
                self.tally.add(kind, row)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    @property
    def total(self) -> int:
        """Return how many records there are."""
        return self.tally.counts.total()

    def records(self) -> Iterator[tuple[str, Row]]:
        """Yield the records; raises ArchiveError at the latest after the last one, where the file is not whole."""
        try:
            self._file.seek(0)
            first = self._line()
            header, digest, tally = self._header(first), hashlib.sha256(first), Tally()
            while not (content := self._line()).startswith(_END_MARK):
                kind, row = self._record(content)
                digest.update(content)
                tally.counts[kind] += 1
                yield kind, row
            end = self._parsed(End, content)
        except OSError as error:
            raise ArchiveError(f"{self._path} cannot be read: {error.strerror or error}") from None
        if self._file.read(1) or end.sha256 != digest.hexdigest():
            raise ArchiveError(f"{self._path} was altered after it was written: export again")
        if not {kind: tally.counts[kind] for kind in KINDS} == header.counts == end.counts:
            raise ArchiveError(f"{self._path} does not hold what it says it does: export again")
        self.import_id = end.sha256[:IMPORT_ID_CHARS]

    def _line(self) -> bytes:
        content = self._file.readline(LINE_MAX_BYTES)
        if not content.endswith(b"\n"):
            if self._file.tell() == len(content) and not content.startswith(_BEGINNING):
                raise self._foreign()
            raise ArchiveError(f"{self._path} is cut: its end is missing; export again")
        return content

    def _header(self, content: bytes) -> Header:
        try:
            lead = Lead.model_validate_json(content)
        except ValidationError:
            raise self._foreign() from None
        if lead.version != VERSION:
            raise ArchiveError(f"{self._path} is of format {lead.version}, and this version reads {VERSION}")
        header = self._parsed(Header, content)
        if header.schema_revision != self._schema:
            raise ArchiveError(
                f"{self._path} is of schema {header.schema_revision}, and this version's is {self._schema}: "
                "export and import with one version"
            )
        return header

    def _record(self, content: bytes) -> tuple[str, Row]:
        record = self._parsed(RecordLine, content)
        try:
            return record.kind, KINDS[record.kind].row(record.fields)
        except (KeyError, ValueError):
            raise self._malformed() from None

    def _parsed(self, model: type[L], content: bytes) -> L:
        try:
            return model.model_validate_json(content)
        except ValidationError:
            raise self._malformed() from None

    def _foreign(self) -> ArchiveError:
        return ArchiveError(f"{self._path} is no export of a store")

    def _malformed(self) -> ArchiveError:
        return ArchiveError(f"{self._path} has a line that is none of an export: export again")
