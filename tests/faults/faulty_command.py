"""One of Slurm's commands with a point before and after it: the first argument is the real one's path."""

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from points import LATER, cross

NO_ANSWER = "Batch job submission failed: Socket timed out on send/recv operation"


def run(argv: list[str]) -> subprocess.CompletedProcess[bytes]:
    """Run the command; like the real one it inherits what its caller holds open, the lock on the job's folder too."""
    return subprocess.run(argv, check=False, capture_output=True, close_fds=False)


def commit_later(argv: list[str], name: str) -> None:
    """Have the command done by and by, by nobody who holds anything of its caller's, as in a controller's queue."""
    if os.fork():
        return
    os.setsid()
    os.closerange(0, os.sysconf("SC_OPEN_MAX"))
    for _ in ("in", "out", "error"):
        os.open(os.devnull, os.O_RDWR)
    cross(f"before {name} that is late")
    subprocess.run(argv, check=False, capture_output=True)
    cross(f"after {name} that is late")
    os._exit(0)


if __name__ == "__main__":
    name = Path(sys.argv[1]).name
    times = cross(f"before {name}")
    if times == LATER:
        commit_later(sys.argv[1:], name)
        sys.exit(NO_ANSWER)
    for _ in range(times):
        done = run(sys.argv[1:])
    cross(f"after {name}")
    sys.stdout.buffer.write(done.stdout)
    sys.stderr.buffer.write(done.stderr)
    sys.exit(done.returncode)
