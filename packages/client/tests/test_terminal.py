"""`slipway watch` on a terminal: a pseudo-terminal, a real gateway, which is killed on the way."""

import os
import pty
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from job_world import JobWorld
from local_stack import Gateway

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def watched(url: str, token: str, job_id: str, on_line) -> tuple[int, str]:
    """Watch on a terminal; call ``on_line`` with all that was shown at each change; return the status and the same."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "SLIPWAY_URL": url, "SLIPWAY_TOKEN": token, "TERM": "xterm-256color", "COLUMNS": "100"}
    argv = [str(Path(sys.executable).parent / "slipway"), "watch", job_id]
    child = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    shown = ""
    while True:
        try:
            chunk = os.read(ours, 4096)
        except OSError:  # the terminal's other side is closed
            break
        shown = CONTROL.sub("", shown + chunk.decode(errors="replace"))
        on_line(shown)
    os.close(ours)
    return child.wait(), shown


@pytest.mark.timeout(60)
def test_a_watch_is_live_on_a_terminal_and_outlives_the_gateway(tmp_path):
    gateway = Gateway(tmp_path / "data", tmp_path / "gateway.log")
    gateway.start()
    try:
        world = JobWorld.at(gateway)
        job = world.submit("copper")
        steps = [
            ("queued for ", lambda: world.report(job, "accepted")),
            ("accepted by the node", lambda: (gateway.process.kill(), gateway.start(), world.report(job, "running"))),
            ("running for ", lambda: world.report(job, "completed")),
        ]
        working = []

        def on_line(shown: str) -> None:
            while steps and steps[0][0] in shown:
                working.append(threading.Thread(target=steps.pop(0)[1]))
                working[-1].start()

        status, shown = watched(world.url, world.token, "copper", on_line)
        for each in working:
            each.join()
    finally:
        gateway.process.stop()
    assert status == 0
    assert "trying again" in shown
    assert re.search(r"no answer for \d+ s; last seen queued", shown)
    lines = re.findall(r"\d\d:\d\d:\d\d  (\w+)", shown)
    assert lines == ["queued", "queued", "running", "succeeded"]
