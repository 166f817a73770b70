"""Identifiers of what is stored in the order it comes."""

import os
from datetime import datetime

_DRAWN_BYTES = 10
_VARIANT = "89ab"


def id_at(moment: datetime) -> str:
    """Return a new UUID that begins with ``moment`` in milliseconds since 1970.

    Rows of one moment lie side by side in every index on such an id, so that a group of them touches few pages. It has
    the form of a version 4 UUID, as a submission_id has to (docs/contracts/submit-job-command.md), and 74 random bits.
    """
    # Put together as text: uuid.UUID would make a number of it and a text of that, at twice the cost for every submit.
    text = f"{int(moment.timestamp() * 1000):012x}{os.urandom(_DRAWN_BYTES).hex()}"
    variant = _VARIANT[int(text[16], 16) & 0b11]
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"
