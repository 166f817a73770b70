"""The lines of an archive: a header, a record a line, and an end that seals what stands before it.

``{"format":"slipway-store","version":1,"schema":"0001","exported_at":…,"counts":{…}}``, then
``{"kind":"node","fields":{…}}`` for each record, kinds in the order of :data:`KINDS`, and last
``{"kind":"end","counts":{…},"sha256":"…"}`` with the SHA-256 of every byte before that line.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

FORMAT = "slipway-store"
VERSION = 1
END = "end"
LINE_MAX_BYTES = 16 * 1024 * 1024
"""A record has less than 1 MiB; what has more than this is no line of ours, and is not read to its end."""

Count = Annotated[int, Field(ge=0)]


class ArchiveError(Exception):
    """The file or the store does not do, in one line for its owner."""


class Line(BaseModel):
    """A line of an archive, read strictly."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Header(Line):
    """The first line."""

    format: Literal["slipway-store"]
    version: Literal[1]
    schema_revision: str = Field(alias="schema")
    exported_at: int
    counts: dict[str, Count]


class End(Line):
    """The last line."""

    kind: Literal["end"]
    counts: dict[str, Count]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Lead(BaseModel):
    """As much of a first line as every version will have."""

    model_config = ConfigDict(strict=True, extra="ignore")

    format: Literal["slipway-store"]
    version: int


class RecordLine(Line):
    """A record."""

    kind: str
    fields: dict[str, str | int]


def line(content: dict[str, Any]) -> bytes:
    """Return a line of the file."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
