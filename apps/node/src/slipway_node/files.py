"""Writing small files so that they are there whole or not at all."""

import os
from pathlib import Path

PRIVATE = 0o600


def write_private(path: Path, text: str, *, durable: bool = True) -> None:
    """Write ``text`` for the owner's eyes alone, in place of what was there, by one rename.

    ``durable`` waits for the disk, for what cannot be had again.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        if durable:
            os.fsync(file.fileno())
    partial.replace(path)
    if durable:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
