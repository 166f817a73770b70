"""One of Slurm's commands hangs: the worker's other jobs go on, and its own ends right once the command answers."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from slipway_node.aiida.profile import SchedulerKind
from slipway_node.ports import EngineUnavailableError, Phase, Placement
from slipway_node.slurm.cluster import Cluster

pytestmark = [
    pytest.mark.service("aiida"),
    pytest.mark.service("slurm"),
    pytest.mark.usefixtures("at_once"),
    pytest.mark.timeout(300),
]

SCHEDULER = SchedulerKind.SLURM
PLACEMENT = Placement(partition=None, account=None, qos=None, cpu=1, memory_mib=100, walltime_seconds=60)
BOUND_SECONDS = 4  # the real ones answer within some 20 ms

# Hangs while a file says so, and tells that it did; it has done before what it was asked, or has not.
HANGING = """#!/bin/bash
if [ -e {folder}/{name}-hangs ]; then
  echo "$@" >> {folder}/{name}-hung
  [ ! -e {folder}/{name}-acts ] || {real} "$@" > /dev/null
  exec sleep 600
fi
exec {real} "$@"
"""
BOUND = """#!/bin/bash
shift 3
exec {real} -k 1 {seconds} "$@"
"""


class Commands:
    """Slurm's commands, each of which may be made to hang."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("squeue", "sbatch", "scancel"):
            self._put(name, HANGING.format(folder=folder, name=name, real=shutil.which(name)))
        self._put("timeout", BOUND.format(real=shutil.which("timeout"), seconds=BOUND_SECONDS))

    def hang(self, name: str, *, acts: bool = False) -> None:
        """Have it hang, having done before what it was asked where it ``acts``."""
        if acts:
            (self.folder / f"{name}-acts").touch()
        (self.folder / f"{name}-hangs").touch()

    def answer(self, name: str) -> None:
        for word in ("hangs", "acts", "hung"):
            (self.folder / f"{name}-{word}").unlink(missing_ok=True)

    def hung(self, name: str) -> int:
        """Return how often it has hung."""
        told = self.folder / f"{name}-hung"
        return len(told.read_text().splitlines()) if told.exists() else 0

    def _put(self, name: str, script: str) -> None:
        (self.folder / name).write_text(script)
        (self.folder / name).chmod(0o755)


@pytest.fixture(scope="module")
def module_commands(tmp_path_factory: pytest.TempPathFactory) -> Commands:
    return Commands(tmp_path_factory.mktemp("hanging"))


@pytest.fixture(scope="module", autouse=True)
def _before_the_daemon_starts(module_commands, _services):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{module_commands.folder}{os.pathsep}{os.environ['PATH']}")
        yield


@pytest.fixture
def commands(module_commands):
    yield module_commands
    for name in ("squeue", "sbatch", "scancel"):
        module_commands.answer(name)


async def until(happened) -> None:
    while not happened():  # noqa: ASYNC110 - another process's file tells nobody
        await asyncio.sleep(0.1)


async def test_a_queue_that_does_not_answer_keeps_no_job_from_starting(lab, here, tmp_path, commands):
    begun, go_on, other = tmp_path / "begun", tmp_path / "go-on", tmp_path / "other"
    waits, _ = await lab.run_sh(f"touch {begun}; until [ -e {go_on} ]; do sleep 0.1; done", **here)
    await lab.until_written(waits, begun)

    commands.hang("squeue")
    await until(lambda: commands.hung("squeue"))
    later, _ = await lab.run_sh(f"touch {other}", **here)
    await lab.until_written(later, other)
    go_on.touch()
    await until(lambda: commands.hung("squeue") > 1)
    seen = [(await lab.observed(it)).phase for it in (waits, later)]
    commands.answer("squeue")

    assert not {Phase.FINISHED, Phase.FAILED, Phase.KILLED} & {*seen}
    assert [(await lab.until_ended(it)).phase for it in (waits, later)] == [Phase.FINISHED, Phase.FINISHED]


@pytest.mark.idempotency("node-protocol")
@pytest.mark.parametrize("acts", [True, False], ids=["having submitted", "having done nothing"])
async def test_an_sbatch_that_hangs_keeps_no_job_from_ending_and_its_own_runs_once(lab, here, tmp_path, commands, acts):
    begun, go_on, counter = tmp_path / "begun", tmp_path / "go-on", tmp_path / "counter"
    runs, _ = await lab.run_sh(f"touch {begun}; until [ -e {go_on} ]; do sleep 0.1; done", **here)
    await lab.until_written(runs, begun)

    commands.hang("sbatch", acts=acts)
    hangs, _ = await lab.run_sh(f"echo ran >> {counter}", **here)
    await until(lambda: commands.hung("sbatch"))
    go_on.touch()
    assert (await lab.until_ended(runs)).phase is Phase.FINISHED
    commands.answer("sbatch")

    assert (await lab.until_ended(hangs)).phase is Phase.FINISHED
    assert counter.read_text() == "ran\n"


async def test_a_scancel_that_hangs_keeps_no_job_from_ending_and_its_own_is_killed(lab, here, tmp_path, commands):
    begun = tmp_path / "begun"
    submission_id, execution_id = await lab.run_sh(f"touch {begun}; sleep 600", **here)
    await lab.until_written(submission_id, begun)
    running = await lab.until(submission_id, lambda seen: seen.scheduler_job_id is not None)

    commands.hang("scancel")
    with pytest.raises(EngineUnavailableError):
        await lab.engine.kill(execution_id)
    assert commands.hung("scancel")
    other, _ = await lab.run_sh("true", **here)
    assert (await lab.until_ended(other)).phase is Phase.FINISHED
    assert (await lab.observed(submission_id)).phase is not Phase.KILLED
    commands.answer("scancel")

    await lab.engine.kill(execution_id)
    assert (await lab.until_ended(submission_id)).phase is Phase.KILLED
    assert Cluster().job_state(running.scheduler_job_id) in ("CANCELLED", "COMPLETING", None)
