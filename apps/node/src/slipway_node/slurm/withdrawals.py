"""Withdrawing jobs beside the thread that asks for it.

It takes two `squeue`, up to five `scontrol` and a `scancel`: a tenth of a second, or half a minute and more where Slurm
is slow. The thread that asks is the engine's one, and behind it wait every launch, kill and look, and the word of the
engine's health. So it waits for a moment only. What takes longer goes on beside it, and is asked after at the next
look. It has no bound but its commands' own (patience.py): one that a slow Slurm does not keep would never let it be
done. Nor is anything ended that no signal ends, as where the file system hangs. What outlives its agent ends by itself,
and is done again.
"""

import contextlib
import os
import subprocess

import structlog

from slipway_node.ports import EngineUnavailableError
from slipway_node.slurm.submit_once import withdraw_command

AWAITED_SECONDS = 2.0
AT_ONCE = 4  # a slow Slurm is not asked the more for it
SAID_BYTES = 10_000

_log = structlog.get_logger(__name__)


class Withdrawals:
    """Those that have begun, by their work directory."""

    def __init__(self) -> None:
        self._begun: dict[str, subprocess.Popen[bytes]] = {}

    def may_begin(self, folder: str) -> bool:
        """Tell whether that of ``folder`` has not begun, and may."""
        return folder not in self._begun and self._going_on() < AT_ONCE

    def begin(self, folder: str) -> None:
        """Begin to withdraw the jobs of ``folder``; wait for a moment where no other goes on.

        Raises EngineUnavailableError where it cannot be begun.
        """
        others = self._going_on()
        self._begun[folder] = _begin(folder)
        if not others:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._begun[folder].wait(AWAITED_SECONDS)

    def is_done(self, folder: str) -> bool:
        """Tell whether it is done; it may begin anew then, and where it has failed."""
        process = self._begun.get(folder)
        if process is None or process.poll() is None:
            return False
        del self._begun[folder]
        said = _said(process)
        if process.returncode != 0:
            _log.warning("jobs_not_withdrawn", folder=folder, exit_status=process.returncode, detail=said)
        return process.returncode == 0

    def _going_on(self) -> int:
        return sum(process.poll() is None for process in self._begun.values())


def _begin(folder: str) -> subprocess.Popen[bytes]:
    nothing = subprocess.DEVNULL
    try:
        return subprocess.Popen(  # noqa: S603 - built in submit_once.py
            ["bash", "-c", withdraw_command(folder)],  # noqa: S607 - as AiiDA's transport finds it
            stdin=nothing,
            stdout=nothing,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise EngineUnavailableError(f"bash cannot be run: {error.strerror}") from error


def _said(process: subprocess.Popen[bytes]) -> str:
    """Return what it said by its end; what it has left running may hold the pipe, and is not waited for."""
    if process.stderr is None:
        return ""
    with process.stderr as pipe:
        os.set_blocking(pipe.fileno(), False)
        return (pipe.read(SAID_BYTES) or b"").decode(errors="replace").strip()
