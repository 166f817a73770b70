"""A process's wall clock, set ahead or back while it runs; only processes that the fault tests start ever load this."""

import os
import threading
import time
from pathlib import Path

import time_machine

CLOCK = "SLIPWAY_CLOCK"
"""The environment variable with the path of a file that has the seconds by which the clock is off."""
LOOK_SECONDS = 0.1


def keep_time() -> None:
    """Let this process's clock be as the file says from now on, where there is one; the monotonic one stays."""
    path = os.environ.get(CLOCK)
    if path is not None:
        threading.Thread(target=_follow, args=(Path(path),), daemon=True).start()


def _follow(path: Path) -> None:
    off, travel = 0.0, None
    while True:
        wanted = _seconds(path)
        if wanted != off:
            now = time.time() - off
            if travel is not None:
                travel.stop()
            travel = time_machine.travel(now + wanted, tick=True)
            travel.start()
            off = wanted
        time.sleep(LOOK_SECONDS)


def _seconds(path: Path) -> float:
    try:
        return float(path.read_text())
    except (FileNotFoundError, ValueError):  # it is being written
        return 0.0
