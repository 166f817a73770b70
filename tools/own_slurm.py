"""A Slurm of a test's own, beside any other, whose controller can be killed and made to forget. Needs root."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SERVICE = Path(__file__).parents[1] / "tests" / "services" / "slurm.sh"
PROGRAMS = ("slurmctld", "slurmd")
ACCOUNTING_PROGRAMS = ("slurmdbd", "mariadbd", "mariadb-install-db")
REMEMBERED_SECONDS = 300
STARTED_SECONDS = 14.0  # after which a job that its node does not know is none that is just starting
WAIT_SECONDS = 120.0  # the controller looks once a minute for jobs that it may forget


def asked(*command: str, cwd: Path | None = None) -> str:
    """Return what a command prints; raises CalledProcessError."""
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=cwd).stdout.strip()  # noqa: S603


def wait_until(happened: Callable[[], bool]) -> None:
    """Wait until ``happened``; raises AssertionError where it does not."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not happened():
        assert time.monotonic() < deadline, "waited in vain"  # noqa: S101 - a test's own
        time.sleep(0.1)


def lacking(*, accounting: bool = False) -> str:
    """Return what is missing here for a Slurm of one's own; empty where nothing is."""
    wanted = (*PROGRAMS, *(ACCOUNTING_PROGRAMS if accounting else ()))
    root = () if os.geteuid() == 0 else ("root",)
    return ", ".join([*root, *(program for program in wanted if shutil.which(program) is None)])


@contextmanager
def own_slurm(port: int, *, accounting: bool = False) -> Iterator["OwnSlurm"]:
    """Start a Slurm on ``port`` and the next, let all commands reach it, and stop it in the end."""
    # Not in pytest's folder, which the database's user may not enter.
    folder = Path(tempfile.mkdtemp(prefix="slipway-slurm-", dir="/var/tmp"))
    folder.chmod(0o755)
    environment = {
        "SLIPWAY_SLURM_DIR": str(folder),
        "SLIPWAY_SLURM_PORT": str(port),
        "SLIPWAY_SLURM_STRICT": "1",
        "SLIPWAY_SLURM_ACCOUNTING": "1" if accounting else "0",
        "SLURM_CONF": str(folder / "slurm.conf"),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        try:
            # Its daemons keep what they inherit: a pipe would never end.
            subprocess.run([SERVICE, "start"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)  # noqa: S603
            yield OwnSlurm(folder)
        finally:
            subprocess.run([SERVICE, "stop"], check=False)  # noqa: S603 - our own script


class OwnSlurm:
    """A running Slurm, its files in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.conf = folder / "slurm.conf"
        self.state = folder / "state"

    def remember(self, seconds: int) -> None:
        """Set for how long jobs that have ended are remembered."""
        before = self.conf.read_text().splitlines()
        lines = [f"MinJobAge={seconds}" if line.startswith("MinJobAge=") else line for line in before]
        self.conf.write_text("\n".join([*lines, ""]))
        asked("scontrol", "reconfigure")

    def forget(self, *job_ids: str) -> None:
        """Have jobs that have ended forgotten for their age, and so soon only this time."""
        self.remember(2)
        known = ("squeue", "-h", "-t", "all", "-o", "%i")
        wait_until(lambda: not {*job_ids} & {*asked(*known).split()})
        self.remember(REMEMBERED_SECONDS)

    def stop_controller(self, signal: str) -> None:
        """End the controller; by TERM it saves its state, by KILL it does not."""
        pid = (self.folder / "slurmctld.pid").read_text().strip()
        asked("kill", f"-{signal}", pid)
        status = Path(f"/proc/{pid}/status")
        wait_until(lambda: not status.exists() or "State:\tZ" in status.read_text())

    def start_controller(self) -> None:
        """Start the controller and wait for its node."""
        asked("slurmctld", "-f", str(self.conf))
        wait_until(lambda: subprocess.run(["scontrol", "ping"], capture_output=True, check=False).returncode == 0)  # noqa: S607
        self.wait_for_node()

    @contextmanager
    def without_controller(self) -> Iterator[None]:
        """Have no controller meanwhile; it comes back with all that it knew."""
        self.stop_controller("TERM")
        try:
            yield
        finally:
            self.start_controller()

    def lose_its_state(self) -> None:
        """Kill the controller, and start it again without anything that it knew."""
        self.stop_controller("KILL")
        shutil.rmtree(self.state)
        self.state.mkdir()
        self.start_controller()

    def let_not_start(self, job_id: str) -> None:
        """Leave where a job's script is to go what slurmd takes for another's, and then cancels the job."""
        folder = self.folder / "spool" / f"job{int(job_id):05}"
        folder.mkdir(parents=True)
        (folder / "slurm_script").touch()

    def fail_its_node(self) -> None:
        """Take the node for dead, with the jobs on it, and wait until it is back in service."""
        asked("scontrol", "update", "NodeName=ALL", "State=DOWN", "Reason=test")
        self.wait_for_node()

    def wait_for_node(self) -> None:
        """Wait until the node takes jobs, and take it back into service where it was put out of it."""
        wait_until(self._node_takes_jobs)

    def wait_for_end(self, job_id: str) -> None:
        """Wait until the job neither waits nor runs any more; a node that is put out of service is taken back.

        A controller that was killed may take one that has ended for running until it asks the node again, half an hour
        later: that is done sooner here.
        """
        going_on = ("squeue", "-h", "-t", "PENDING,RUNNING,COMPLETING", "-o", "%i")
        ask_at = time.monotonic() + STARTED_SECONDS

        def has_ended() -> bool:
            nonlocal ask_at
            if self._node_takes_jobs() and job_id not in asked(*going_on).split():
                return True
            if time.monotonic() > ask_at:
                ask_at = time.monotonic() + STARTED_SECONDS
                self._start_node_again()
            return False

        wait_until(has_ended)

    def _start_node_again(self) -> None:
        """Start slurmd again, which tells the controller what runs there; jobs go on."""
        pid_file = self.folder / "slurmd.pid"
        asked("kill", "-TERM", pid_file.read_text().strip())
        wait_until(lambda: not pid_file.exists())
        asked("slurmd", "-f", str(self.conf))

    def _node_takes_jobs(self) -> bool:
        state = asked("sinfo", "-h", "-p", "main", "-o", "%T")
        if state.startswith(("down", "drain")):
            command = ["scontrol", "update", "NodeName=ALL", "State=RESUME"]
            subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - it may be back already
        return state in ("idle", "mixed", "allocated")
