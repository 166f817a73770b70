"""Identifiers of what is stored in the order it comes."""

import os
import uuid
from datetime import datetime

_TIME_BYTES, _DRAWN_BYTES = 6, 10


def id_at(moment: datetime) -> str:
    """Return a new UUID that begins with ``moment`` in milliseconds since 1970.

    Rows of one moment lie side by side in every index on such an id, so that a group of them touches few pages. It has
    the form of a version 4 UUID, as a submission_id has to (docs/contracts/submit-job-command.md), and 74 random bits.
    """
    milliseconds = int(moment.timestamp() * 1000)
    return str(uuid.UUID(bytes=milliseconds.to_bytes(_TIME_BYTES) + os.urandom(_DRAWN_BYTES), version=4))
