"""One agent a home: a lock that names who holds it."""

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

PROC = Path("/proc")
BOOT_ID = PROC / "sys/kernel/random/boot_id"
_STARTED = 19  # its place in a process's stat behind the name, which may have spaces and brackets: proc(5)


class Holder(BaseModel):
    """Which process on which boot of which machine holds the lock.

    ``started_ticks`` is when it started, in the kernel's clock ticks since the boot: a container that is started again
    gives the pids of its first processes to others. None where the kernel does not tell, or an older agent wrote it.
    """

    model_config = ConfigDict(frozen=True)

    pid: int
    host: str
    boot_id: str
    started_ticks: int | None = None


class LockHeldError(Exception):
    """Another agent holds the home, or one of another machine may."""


class AgentRunsError(LockHeldError):
    """What is asked for does not go beside a running agent."""


def this_process() -> Holder:
    """Return this process on this boot of this machine."""
    try:
        boot_id = BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        boot_id = "unknown"
    pid = os.getpid()
    return Holder(pid=pid, host=socket.gethostname(), boot_id=boot_id, started_ticks=_started_ticks(pid))


class AgentLock:
    """The lock on one home, held from ``acquire`` to ``release`` or the end of the process.

    The kernel's lock decides on this machine; the file's content says whose it is, and keeps an agent of another
    machine out where a shared file system does not carry locks. That one's content is never overruled from here.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, path: Path, me: Holder) -> Self:
        """Take the lock, also over a stale one of this machine.

        Raises LockHeldError, which names the holder, and OSError where the disk does not take this one's name.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _take(descriptor, path, me)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(path, descriptor)

    def release(self) -> None:
        """Let the lock go; its content goes first, so that nobody is named who is gone.

        Its room stays, for the next holder's name. Where the disk takes nothing the name stays too, and is stale.
        """
        with contextlib.suppress(OSError):
            os.pwrite(self._descriptor, b" " * os.fstat(self._descriptor).st_size, 0)
        os.close(self._descriptor)


@contextlib.contextmanager
def without_an_agent(path: Path, me: Holder, why: str) -> Iterator[None]:
    """Keep agents out while this lasts. Raises AgentRunsError, with ``why`` that matters, where one runs."""
    try:
        lock = AgentLock.acquire(path, me)
    except LockHeldError as error:
        raise AgentRunsError(f"{error}, {why}") from error
    try:
        yield
    finally:
        lock.release()


def holder_in(path: Path) -> Holder | None:
    """Return who last took the lock and did not let it go."""
    try:
        return Holder.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def is_alive(holder: Holder, me: Holder) -> bool | None:
    """Tell whether the holder's process is there; None of another machine's, where nobody here can know.

    The kernel's lock is not tried for that: an agent that starts in that moment would find it held.
    """
    if holder.host != me.host:
        return None
    if holder.boot_id != me.boot_id:
        return False
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is there, and another account's
    started = _started_ticks(holder.pid)
    return started is None or holder.started_ticks in (None, started)


def _started_ticks(pid: int) -> int | None:
    try:
        stat = (PROC / str(pid) / "stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[_STARTED])


def _take(descriptor: int, path: Path, me: Holder) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LockHeldError(_said_of(holder_in(path), "runs already")) from None
    last = holder_in(path)
    if last is not None and last.host != me.host:
        raise LockHeldError(_said_of(last, f"has not let {path} go; remove it once that agent is gone"))
    # What this machine wrote is stale: the kernel would not have given us the lock of a process that lives.
    _write(descriptor, me)


def _write(descriptor: int, holder: Holder) -> None:
    content = holder.model_dump_json().encode()
    os.pwrite(descriptor, content, 0)  # over what is there, which takes no room that was not taken before
    os.ftruncate(descriptor, len(content))
    os.fsync(descriptor)


def _said_of(holder: Holder | None, what: str) -> str:
    who = "another agent" if holder is None else f"the agent with pid {holder.pid} on {holder.host}"
    return f"{who} {what}"
