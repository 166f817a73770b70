"""How much a payload may weigh."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one payload, enforced while it is read."""

    document_bytes: int = 1024 * 1024
    file_bytes: int = 256 * 1024 * 1024
    total_bytes: int = 1024 * 1024 * 1024
    files: int = 1000
    seconds: float = 120.0  # for one file, from the first byte asked for to the last byte had
