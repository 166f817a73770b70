"""How long Slurm's commands are waited for, where nothing else bounds them. Pure, but for the clock that is given.

AiiDA's worker has one loop, stands still in it while a command of its local transport runs, and waits for that without
end. So a command that hangs would hold up all of the worker's jobs, for ever. It is given up: it could not be asked,
nothing changes, it is asked again. Not bounded is what no signal ends, as where the file system of a job hangs.
"""

import time
from collections.abc import Callable

ANSWER_SECONDS = 60  # one controller may be tried after another, and each waited for some ten seconds
END_SECONDS = 5  # between SIGTERM and SIGKILL
TRY_AGAIN_STATUS = 75  # sysexits' EX_TEMPFAIL: AiiDA submits nothing and tries again later

_COMMANDS = ("squeue", "sacct", "scontrol", "sbatch", "scancel")
_GIVEN_UP = "124 | 137"  # what `timeout` ends with, by the signal


def in_time(script: str) -> str:
    """Return shell in which each of Slurm's commands ends in time, with TRY_AGAIN_STATUS where it had to be ended.

    What it has open stays so: an `sbatch` goes on holding its caller's lock. `timeout` takes it out of the foreground,
    where none of these needs to be: none reads from a terminal.
    """
    each = "\n".join(f'{name}() {{ in_time {name} "$@"; }}' for name in _COMMANDS)
    return f"""in_time() {{
  timeout -k {END_SECONDS} {ANSWER_SECONDS} "$@" && return
  local status=$?
  case $status in {_GIVEN_UP})
    printf '%s did not answer within %s s\\n' "$1" {ANSWER_SECONDS} >&2
    return {TRY_AGAIN_STATUS} ;;
  esac
  return $status
}}
{each}
{script}"""


class Rests:
    """Until when a kind of question rests: one that got no answer rests for as long as it was waited for.

    So it holds a worker up for half of the time at most, however many jobs ask it; else those that wait for the same
    would take the worker one after another, a minute each.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began: dict[str, float] = {}
        self._until: dict[str, float] = {}

    def left(self, kind: str) -> float:
        """Return for how many seconds more the kind rests, 0 where it may be asked."""
        return max(self._until.get(kind, 0.0) - self._clock(), 0.0)

    def begin(self, kind: str) -> None:
        """Note that it is asked now."""
        self._began[kind] = self._clock()

    def end(self, kind: str, status: int) -> None:
        """Note what the question ended with."""
        if status == TRY_AGAIN_STATUS:
            now = self._clock()
            self._until[kind] = now + (now - self._began.get(kind, now))
