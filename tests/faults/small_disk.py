"""A file system of its own, small enough to be filled to the last byte; needs the right to mount."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

BLOCKS_BYTES = (1 << 20, 1 << 12, 1)  # first fast, then to the last byte
_FILLER = ".filler"


class SmallDisk:
    """A mounted file system, which can be filled and freed again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        """Leave not a byte free."""
        with (self.folder / _FILLER).open("ab", buffering=0) as filler:
            for size in BLOCKS_BYTES:
                with contextlib.suppress(OSError):
                    while True:
                        filler.write(bytes(size))

    def free(self) -> None:
        """Give back what ``fill`` took."""
        (self.folder / _FILLER).unlink(missing_ok=True)


@contextlib.contextmanager
def small_disk(folder: Path, size_mib: int) -> Iterator[SmallDisk]:
    """Mount a file system of this size at ``folder`` (made where it is missing) for as long as this lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    _run("mount", "-t", "tmpfs", "-o", f"size={size_mib}m,mode=0700", "slipway-small-disk", str(folder))
    try:
        yield SmallDisk(folder)
    finally:
        _run("umount", "--lazy", str(folder))  # a process that still has a file of it open keeps nobody waiting


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
