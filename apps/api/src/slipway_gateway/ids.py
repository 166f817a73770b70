"""Identifiers of what is stored in the order it comes."""

import secrets
import uuid
from datetime import datetime

_MILLISECOND = 1000
_TIME_BITS = 48


def id_at(moment: datetime) -> str:
    """Return a new UUID that begins with ``moment`` in milliseconds since 1970.

    Rows of one moment lie side by side in every index on such an id, so that a group of them touches few pages. It has
    the form of a version 4 UUID, as a submission_id has to (docs/contracts/submit-job-command.md), and 74 random bits.
    """
    time = int(moment.timestamp() * _MILLISECOND) & ((1 << _TIME_BITS) - 1)
    drawn = secrets.randbits(128 - _TIME_BITS)
    return str(uuid.UUID(int=(time << (128 - _TIME_BITS)) | drawn, version=4))
