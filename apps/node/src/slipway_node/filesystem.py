"""Whether a folder lies on a file system that the journal may live on."""

import re
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
