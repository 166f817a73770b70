"""One of Slurm's commands with a point before and after it: the first argument is the real one's path."""

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from points import cross

if __name__ == "__main__":
    name = Path(sys.argv[1]).name
    cross(f"before {name}")
    # Like the real one it inherits what its caller holds open, the lock on the job's folder among it.
    done = subprocess.run(sys.argv[1:], check=False, capture_output=True, close_fds=False)
    cross(f"after {name}")
    sys.stdout.buffer.write(done.stdout)
    sys.stderr.buffer.write(done.stderr)
    sys.exit(done.returncode)
