"""The field types every surface shares (docs/contracts/README.md, "Common rules")."""

import json
import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
)

ID_PATTERN = r"^[A-Za-z0-9._~-]{1,128}$"
URI_MAX_CHARS = 65_536  # no shorter than a command may be, so that an inline input too large is told as that
TEXT_MAX_CHARS = 2_000

_RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})")


def rfc3339(moment: datetime) -> str:
    """Render an aware time as RFC 3339 in UTC with microseconds, the wire's only form."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _text_or_time(value: object) -> object:
    if isinstance(value, datetime) or (isinstance(value, str) and _RFC3339.fullmatch(value)):
        return value
    raise ValueError("must be an RFC 3339 time as text, as in 2026-01-31T12:00:00Z")


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside the years 1 to 9999 in UTC") from None


def _finite(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    json.dumps(value, allow_nan=False)  # raises ValueError; what JSON cannot write would come back as another value
    return value


Id = Annotated[str, Field(pattern=ID_PATTERN, description="Letters, digits and . _ ~ -; 1 to 128 of them")]
Uri = Annotated[str, Field(min_length=1, max_length=URI_MAX_CHARS, pattern=r"^[A-Za-z][A-Za-z0-9+.-]*:")]
Text = Annotated[str, Field(max_length=TEXT_MAX_CHARS)]
PositiveInt = Annotated[int, Field(strict=True, ge=1, le=2**53 - 1)]
Count = Annotated[int, Field(strict=True, ge=0, le=2**53 - 1)]
JsonObject = Annotated[dict[str, JsonValue], AfterValidator(_finite)]
Flag = Annotated[bool, Field(strict=True)]
UtcTime = Annotated[
    AwareDatetime,
    BeforeValidator(_text_or_time),
    AfterValidator(_in_utc),
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
]


class ProductModel(BaseModel):
    """A body that a product sends: an unknown field is refused by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NodeModel(BaseModel):
    """A body that a node sends or reads: unknown fields are ignored, so gateways and nodes may differ in age."""

    model_config = ConfigDict(extra="ignore", frozen=True)
