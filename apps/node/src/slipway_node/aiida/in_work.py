"""Which processes the workers of this machine are at.

For each one its worker has locked a byte of one file. The kernel lets go of it when the worker ends, however that
comes, and never before: what a broker believes of a worker may be wrong for as long as it takes to notice.
"""

import fcntl
import os
import struct
from pathlib import Path
from typing import BinaryIO

_FLOCK = "hhqqi"  # Linux's struct flock: type, whence, start, length, pid
_END = 2**62  # of the file, far beyond any process


def take(pk: int) -> BinaryIO | None:
    """Take the process ``pk``; return what keeps it taken until it is closed, or None where another has it."""
    file = _path().open("ab")
    try:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, _lock_on(pk))
    except BlockingIOError:
        file.close()
        return None
    return file


def taken() -> frozenset[int]:
    """Return those that somebody has.

    Of the locks in a stretch of the file the kernel names any one; it is asked again for what lies on either side.
    """
    found: set[int] = set()
    stretches: list[tuple[int, int]] = [(0, _END)]
    with _path().open("ab") as file:
        while stretches:
            first, end = stretches.pop()
            in_the_way = fcntl.fcntl(file, fcntl.F_OFD_GETLK, _lock_on(first, end - first))
            kind, _, pk, _, _ = struct.unpack(_FLOCK, in_the_way)
            if kind != fcntl.F_UNLCK:
                found.add(pk)
                stretches += [(a, b) for a, b in ((first, pk), (pk + 1, end)) if a < b]
    return frozenset(found)


def _lock_on(first: int, length: int = 1) -> bytes:
    return struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, first, length, 0)


def _path() -> Path:
    from aiida.manage.configuration import get_config

    return Path(get_config().dirpath) / "in-work"
