"""The folder that jobs run in: whether it can be written, and the processes that end because it cannot."""

import getpass
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from slipway_node.aiida import profile, verdicts
from slipway_node.aiida.collecting import SCHEDULER_STDERR
from slipway_node.slurm.submit_once import CLAIM, CLAIM_FAILED_STATUS, INTENT
from slipway_node.storage import why_not_writable

STARTED_TWICE_WITHIN_SECONDS = 60  # with a prolog, and the user's environment to be read

_EXTRA = "slipway_node_storage"
"""Why the work directory could not be written, kept with the process: the failure is the same whenever it is told."""


def path() -> Path:
    """Return the work directory of the loaded profile's computer."""
    return Path(profile.computer().get_workdir().format(username=getpass.getuser()))


def of(execution_id: str) -> Path:
    """Return where AiiDA has the process with this uuid run, also one that it has no record of any more."""
    return path() / execution_id[:2] / execution_id[2:4] / execution_id[4:]


def told(node: Any) -> str | None:
    """Return why the process had to end for want of storage, where it had to."""
    said = node.base.extras.get(_EXTRA, None)
    return None if said is None else str(said)


def lacked_by(paused: Sequence[Any]) -> list[Any]:
    """Return those of the ``paused`` processes that cannot go on for want of storage; what was found stays found.

    Only an upload that AiiDA has given up is judged: nothing of it is with the scheduler yet. Raises
    EngineUnavailableError.
    """
    lacking = [node for node in paused if told(node) is not None]
    uploads = [node for node in paused if node not in lacking and verdicts.gave_up_its_upload(node.process_status)]
    reason = why_not_writable(path()) if uploads else None
    if reason is None:
        return lacking
    for node in uploads:
        node.base.extras.set(_EXTRA, reason)
    return lacking + uploads


def has_begun(folder: Path) -> bool | None:
    """Tell whether a job that claims its folder has begun there; of a folder that is gone nothing is known (None)."""
    return (folder / CLAIM).exists() if folder.is_dir() else None


def has_a_batch_step(folder: Path) -> bool:
    """Tell whether Slurm began the batch step of a job of this folder, if not its script: it opens the step's files."""
    return (folder / SCHEDULER_STDERR).exists()


def may_have_been_started_twice(folder: Path) -> bool:
    """Tell whether the job of this folder ended soon after it was submitted once more, by the file system's clock.

    Slurm may have had it before, have forgotten it, and have been told to start it again while it ran.
    """
    try:
        again = len((folder / INTENT).read_bytes().splitlines()) > 1
        times = [(folder / name).stat().st_mtime for name in (INTENT, SCHEDULER_STDERR)]
    except FileNotFoundError:
        return False
    return again and times[1] - times[0] <= STARTED_TWICE_WITHIN_SECONDS


def note_a_job_without_claim(node: Any, job_id: str, exit_status: Callable[[str, str], int | None]) -> None:
    """Write down where a job of Slurm failed since it could not write its claim, or anything at all.

    ``exit_status`` says what the job's script ended with, and raises what it may.
    """
    folder = Path(node.get_remote_workdir())
    if (folder / CLAIM).exists():
        return
    reason = why_not_writable(path())
    if reason is None and exit_status(job_id, os.path.realpath(folder)) == CLAIM_FAILED_STATUS:
        reason = f"{folder} could not be written when the job began"
    if reason is not None:
        node.base.extras.set(_EXTRA, reason)
