"""`make demo` from nothing installed, and again."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.report import Row

FIRST_LIMIT_SECONDS, AGAIN_LIMIT_SECONDS = 180.0, 40.0
ROOT = Path(__file__).parents[1]


def measure() -> list[Row]:
    """Clone the commit, run the demo twice with an empty HOME, return both times."""
    with tempfile.TemporaryDirectory() as folder:
        clone, home = Path(folder) / "clone", Path(folder) / "home"
        home.mkdir()
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        # The tools of this run are not the new machine's.
        own = Path(sys.executable).parent
        path = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if Path(part) != own)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "VIRTUAL_ENV"))}
        env = {**kept, "HOME": str(home), "PATH": path}
        first, again = (_timed(clone, env) for _ in range(2))
    return [
        Row("demo, nothing installed", "s", [first], f"≤ {FIRST_LIMIT_SECONDS:.0f} s", first <= FIRST_LIMIT_SECONDS),
        Row("demo, second time", "s", [again], f"≤ {AGAIN_LIMIT_SECONDS:.0f} s", again <= AGAIN_LIMIT_SECONDS),
    ]


def _timed(clone: Path, env: dict[str, str]) -> float:
    began = time.monotonic()
    subprocess.run(["make", "demo"], cwd=clone, env=env, check=True)
    return time.monotonic() - began
