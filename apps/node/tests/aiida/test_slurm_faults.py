"""AiiDA's worker is killed between `sbatch` and the moment it would have stored the job id."""

import os
import shutil
from pathlib import Path

import pytest

from slipway_node.aiida.profile import SchedulerKind
from slipway_node.ports import Phase, Placement

pytestmark = [
    pytest.mark.service("aiida"),
    pytest.mark.service("slurm"),
    pytest.mark.parametrize(
        "broker",
        ["zeromq", pytest.param("rabbitmq", marks=pytest.mark.service("rabbitmq"))],
        indirect=True,
        scope="module",
    ),
]

SCHEDULER = SchedulerKind.SLURM
PLACEMENT = Placement(partition=None, account=None, qos=None, cpu=1, memory_mib=100, walltime_seconds=60)

# Submits, then kills the worker that called before it has the answer.
KILLING_SBATCH = """#!/bin/bash
{sbatch} "$@" > {folder}/answer.$$ || exit $?
cat {folder}/answer.$$ >> {folder}/submitted
if mkdir {folder}/killed 2>/dev/null; then
  for pid in $(pgrep -f 'daemon worker'); do
    grep -qz "^AIIDA_PATH=$AIIDA_PATH$" /proc/$pid/environ && kill -9 $pid
  done
fi
cat {folder}/answer.$$
"""


@pytest.fixture(scope="module")
def killing(tmp_path_factory: pytest.TempPathFactory, broker: str) -> Path:
    """Put an `sbatch` before the real one, whose first call kills its caller's worker; return its folder."""
    folder = tmp_path_factory.mktemp(f"killing-{broker}")
    real = shutil.which("sbatch")
    script = folder / "sbatch"
    script.write_text(KILLING_SBATCH.format(sbatch=real, folder=folder))
    script.chmod(0o755)
    return folder


@pytest.fixture(scope="module", autouse=True)
def _before_the_daemon_starts(killing, _services):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{killing}{os.pathsep}{os.environ['PATH']}")
        yield


@pytest.mark.idempotency("node-protocol")
@pytest.mark.usefixtures("at_once")
async def test_a_worker_killed_right_after_sbatch_makes_no_second_job(lab, here, tmp_path, killing):
    counter = tmp_path / "counter"
    submission_id, _ = await lab.run_sh(f"echo ran >> {counter}", **here)

    ended = await lab.until_ended(submission_id)

    assert (killing / "killed").is_dir()
    assert ended.phase is Phase.FINISHED
    assert (killing / "submitted").read_text().split() == [ended.scheduler_job_id]
    assert counter.read_text() == "ran\n"
