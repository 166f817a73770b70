"""Whether a folder can be written: tried, since quotas, full disks and read-only mounts show in nothing else."""

import errno
import os
import sqlite3
import tempfile
from pathlib import Path

from slipway_node.ports import EngineUnavailableError, RefusedJobError

CODE = "node_storage"
PROBE_BYTES = 64 * 1024  # what a job's script and small inputs take

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
_NO_RIGHT = frozenset({errno.EACCES, errno.EPERM})
# SQLite calls a quota that is used up an I/O error.
_SQLITE_CODES = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY})
_PRIMARY_CODE = 0xFF  # of SQLite's extended ones


def is_told_by(error: BaseException) -> bool:
    """Tell whether the operating system says, also through SQLite, that there is no room, or no right, to write.

    A file system that does not answer, as a server's that is away, says neither.
    """
    told = getattr(error, "orig", error)  # SQLAlchemy's errors have the driver's own within
    if isinstance(told, sqlite3.OperationalError):
        return sqlite_code(told) in _SQLITE_CODES
    return isinstance(told, OSError) and told.errno in _NO_ROOM | _NO_RIGHT


def sqlite_code(error: sqlite3.Error) -> int:
    """Return SQLite's own code of an error, without what an extended one adds."""
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)  # what Python says by itself has none
    return code & _PRIMARY_CODE


def lacks_room(error: OSError) -> bool:
    """Tell whether the operating system says that there is no room to write; the right is another matter."""
    return error.errno in _NO_ROOM


def why_not_writable(folder: Path) -> str | None:
    """Return why nothing can be written to ``folder``, which is made where it is missing; None where it can.

    Raises EngineUnavailableError where that cannot be told.
    """
    try:
        _write(folder)
    except OSError as error:
        if not is_told_by(error):
            raise EngineUnavailableError(f"whether {folder} can be written cannot be told: {error}") from error
        return _said(folder, error)
    return None


def require_writable(folder: Path) -> None:
    """Raise RefusedJobError (``node_storage``, retryable) where nothing can be written to ``folder``.

    Raises EngineUnavailableError where that cannot be told.
    """
    reason = why_not_writable(folder)
    if reason is not None:
        raise RefusedJobError(CODE, reason, retryable=True)


def _write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(prefix=".slipway-probe-", dir=folder) as file:
        file.write(os.urandom(PROBE_BYTES))  # zeros take no room where they are compressed
        file.flush()
        os.fsync(file.fileno())


def _said(folder: Path, error: OSError) -> str:
    return f"{folder} cannot be written: {error.strerror}"
