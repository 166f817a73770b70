"""Whether a job's script came to its own end, which it says in the job's work directory."""

from pathlib import Path

MARK = ".slipway-ended"
_KILLED_WITHIN_SECONDS = 1


def mark() -> str:
    """Return what a job script does behind its program; what follows still finds the program's exit status in `$?`.

    A job that is killed loses its program a moment before its script, which takes that for the program's own failure.
    So after a failure the script waits for a moment. It waits and marks itself: of what it begins in that moment
    Slurm may not know, and then it is not killed.
    """
    wait = f"[ $slipway_status -eq 0 ] || sleep {_KILLED_WITHIN_SECONDS}"
    return f"slipway_status=$?; {{ {wait}; }} && : > {MARK}; (exit $slipway_status)"


def was_reached(folder: Path) -> bool | None:
    """Tell whether the script came to its own end; of a folder that is gone nothing is known (None)."""
    return (folder / MARK).exists() if folder.is_dir() else None
