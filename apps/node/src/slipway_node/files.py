"""Writing small files so that they are there whole or not at all."""

import os
import threading
from pathlib import Path

PRIVATE = 0o600


def write_private(path: Path, text: str, *, durable: bool = True) -> None:
    """Write ``text`` for the owner's eyes alone, in place of what was there, by one rename; of two writers, the later.

    ``durable`` waits for the disk, for what cannot be had again.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_native_id()}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        if durable:
            os.fsync(file.fileno())
    if durable:
        put_in_place(partial, path)
    else:
        partial.replace(path)


def put_in_place(file: Path, path: Path) -> None:
    """Rename ``file`` to ``path`` of the same folder, in place of what was there; returns when that is on the disk."""
    file.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
