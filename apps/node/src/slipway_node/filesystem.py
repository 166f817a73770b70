"""Whether a folder lies on a file system that the journal may live on, and on one that jobs may be submitted from."""

import errno
import fcntl
import os
import re
import tempfile
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
# SQLite's WAL needs memory shared between processes of one machine, and locks that hold: network file systems give
# neither (https://sqlite.org/wal.html).
NETWORK_TYPES = frozenset(
    {
        "9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs",
        "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "pvfs2", "smb3", "smbfs", "virtiofs", "wekafs",
    }
)  # fmt: skip
_NETWORK_FUSE = re.compile(r"^fuse\.(sshfs|ceph|glusterfs|s3fs|goofys|rclone|gcsfuse|juicefs|mfs|moosefs|cvmfs)")


# What the system says of a thing that a file system does not do; EPERM is its word for hard links.
_NOT_DONE = frozenset({errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL, errno.EPERM, errno.EMLINK})


class NetworkFileSystemError(Exception):
    """The folder lies on a network file system."""


def require_local(folder: Path, mounts: Path = MOUNTS) -> None:
    """Raise NetworkFileSystemError where ``folder`` is on one; where mounts are unknown nothing is."""
    try:
        told = mounts.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return
    kind = type_of(folder.resolve(), told)
    if kind is not None and is_network(kind):
        raise NetworkFileSystemError(f"{folder} is on {kind}, where SQLite's journal is not safe")


def why_not_for_jobs(folder: Path) -> str | None:
    """Return which thing that a job's one submission needs ``folder``'s file system does not do (submit_once.py).

    None where it does both, and where it cannot be tried, as on a full disk.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".slipway-probe-", dir=folder) as probe:
            return _first_not_done(Path(probe), folder)
    except OSError:
        return None


def _first_not_done(probe: Path, folder: Path) -> str | None:
    what = "flock"
    with (probe / "one").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            what = "hard links"
            os.link(probe / "one", probe / "another")
        except OSError as error:
            if error.errno not in _NOT_DONE:
                raise
            return f"{folder} has no {what} ({error.strerror}), without which a job could be submitted twice"
    return None


def type_of(path: Path, mountinfo: str) -> str | None:
    """Return the file system type of the innermost mount that holds ``path``; the last one mounted there counts."""
    found: tuple[int, str] | None = None
    for line in mountinfo.splitlines():
        fields, separator, rest = line.partition(" - ")
        if not separator:
            continue
        point = Path(_unescaped(fields.split(" ")[4]))
        depth = len(point.parts)
        if path.is_relative_to(point) and (found is None or depth >= found[0]):
            found = depth, rest.split(" ")[0]
    return None if found is None else found[1]


def is_network(kind: str) -> bool:
    """Tell whether file systems of this type are other machines'."""
    return kind in NETWORK_TYPES or _NETWORK_FUSE.match(kind) is not None


def _unescaped(text: str) -> str:
    """Undo the kernel's octal escapes, as for a space."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
