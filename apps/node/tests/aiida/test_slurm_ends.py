"""Each way in which a real Slurm ends a job arrives under its own code, and none before Slurm has said which it was."""

import asyncio
import os
from pathlib import Path

import pytest
from own_slurm import OwnSlurm, asked, lacking, own_slurm, wait_until

from slipway_node.aiida import queries
from slipway_node.aiida.observing import REASON_EXTRA
from slipway_node.aiida.profile import SchedulerKind
from slipway_node.ports import Observation, Phase, Placement
from slipway_node.slurm.submit_once import claim

pytestmark = [pytest.mark.service("aiida"), pytest.mark.timeout(300)]

SCHEDULER = SchedulerKind.SLURM
PLACEMENT = Placement("main", account=None, qos=None, cpu=1, memory_mib=100, walltime_seconds=60)
PORT = 19817


@pytest.fixture(scope="module", autouse=True)
def slurm():
    """Start before AiiDA's daemon does, which inherits where it is."""
    if missing := lacking():
        reason = f"a Slurm of one's own needs what is missing here: {missing}"
        (pytest.fail if os.environ.get("SLIPWAY_REQUIRE_SERVICES") == "1" else pytest.skip)(reason)
    with own_slurm(PORT) as slurm:
        yield slurm


class Jobs:
    """Jobs that sleep until something ends them, and what is told of them then."""

    def __init__(self, lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder

    async def running(self, name: str, **placement) -> tuple[str, str]:
        """Start one; return its submission's and its scheduler's id once it runs."""
        began = self.folder / name
        submission_id, _ = await self.lab.run_sh(f"echo $SLURM_JOB_ID > {began}; sleep 100", **placement)
        await self.lab.until_written(submission_id, began)
        return submission_id, began.read_text().strip()

    async def waiting(self, **placement) -> tuple[str, str]:
        """Start one that does not get to run; return its submission's and its scheduler's id."""
        submission_id, _ = await self.lab.run_sh("true", **placement)
        seen = await self.lab.until(submission_id, lambda seen: seen.scheduler_job_id is not None)
        return submission_id, seen.scheduler_job_id

    async def sealed(self, submission_id: str) -> None:
        """Wait until AiiDA is done with one, without a look at why."""
        while not (await self.lab.engine._thread.run(queries.rows, [submission_id]))[0].sealed:
            await self.lab.engine.changed(1.0)


@pytest.fixture
def jobs(lab, tmp_path) -> Jobs:
    return Jobs(lab, tmp_path)


def extras_of(execution_id: str) -> dict[str, object]:
    return dict(queries.node_of(execution_id).base.extras.all)


def told(seen: Observation) -> tuple[str, bool] | Phase:
    return (seen.failure.code, seen.failure.retryable) if seen.failure else seen.phase


def preempt() -> None:
    """Have what runs with two processors on `main` make room."""
    asked("sbatch", "-p", "urgent", "-c", "7", "--mem=10", "-o", "/dev/null", "--wrap", "true")


async def test_each_end_arrives_under_its_own_code(jobs, lab):
    ids: dict[str, str] = {}
    ids["preempted"], _ = await jobs.running("preempted", cpu=2)
    ids["over its walltime"], over_time = await jobs.running("over-time", partition="urgent")
    ids["cancelled"], cancelled = await jobs.running("cancelled", partition="urgent")
    ids["out of memory"], _ = await lab.run_sh("head -c 400M /dev/zero | tail -n 1", memory_mib=50, partition="urgent")
    ids["cancelled in the queue"], in_the_queue = await jobs.waiting(cpu=8)
    ids["too late"], too_late = await jobs.waiting(cpu=8)

    asked("scontrol", "update", f"JobId={over_time}", "EndTime=now")
    asked("scancel", cancelled, in_the_queue)
    asked("scontrol", "update", f"JobId={too_late}", "Deadline=now+30")
    preempt()

    assert {name: told(await lab.until_ended(submission_id)) for name, submission_id in ids.items()} == {
        "preempted": ("preempted", True),
        "over its walltime": ("walltime_exceeded", False),
        "cancelled": Phase.KILLED,
        "out of memory": ("out_of_memory", False),
        "cancelled in the queue": Phase.KILLED,
        "too late": ("deadline_missed", False),
    }


async def test_a_job_whose_node_failed_may_be_submitted_again(jobs, lab, slurm: OwnSlurm):
    submission_id, _ = await jobs.running("began")

    slurm.fail_its_node()

    assert told(await lab.until_ended(submission_id)) == ("node_failure", True)


async def test_one_that_the_controller_lost_half_way_is_told_from_one_that_it_has_forgotten(jobs, lab, slurm: OwnSlurm):
    forgotten, _ = await lab.run_sh("exit 3")
    await jobs.sealed(forgotten)
    lost, _ = await jobs.running("began")

    slurm.lose_its_state()

    assert told(await lab.until_ended(lost)) == ("scheduler_lost_job", True)
    assert told(await lab.until_ended(forgotten)) == ("exit_400", False)


async def test_while_slurm_cannot_be_asked_only_what_says_itself_how_it_ended_ends(jobs, lab, slurm: OwnSlurm):
    with_last_words, _ = await jobs.running("began", cpu=2)
    asked("scontrol", "update", "PartitionName=debug", "State=DOWN")
    without, waiting = await jobs.waiting(partition="debug")
    asked("scancel", waiting)
    preempt()
    await asyncio.gather(jobs.sealed(with_last_words), jobs.sealed(without))

    with slurm.without_controller():
        undecided, decided = [await lab.observed(submission_id) for submission_id in (without, with_last_words)]
        kept = await lab.engine._thread.run(extras_of, undecided.execution_id)

    assert (undecided.phase, undecided.ended_at, undecided.failure) == (Phase.RETRIEVING, None, None)
    assert REASON_EXTRA not in kept
    assert told(decided) == ("preempted", True)
    assert (await lab.until_ended(without)).phase is Phase.KILLED


async def test_a_job_that_its_machine_cannot_start_was_cancelled_by_nobody(jobs, lab, slurm: OwnSlurm):
    _, before = await jobs.running("began", partition="urgent")
    asked("scancel", before)
    slurm.let_not_start(str(int(before) + 1))

    assert told(await lab.until_ended((await jobs.waiting())[0])) == ("scheduler_lost_job", True)


TRIES = 10  # the controller writes down what began within seconds; it must be killed before


@pytest.mark.idempotency("node-protocol")
def test_a_job_that_a_killed_controller_starts_again_runs_once(slurm: OwnSlurm, tmp_path):
    header = "#!/bin/bash\n#SBATCH --no-requeue --mem=10 --output=out\necho started >> starts\n"
    for number in range(TRIES):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "job.sh").write_text(f"{header}{claim()}\necho ran >> effects\n")
        job_id = asked("sbatch", "--parsable", "job.sh", cwd=folder)
        wait_until((folder / "effects").exists)

        slurm.stop_controller("KILL")
        slurm.start_controller()
        slurm.wait_for_end(job_id)

        assert (folder / "effects").read_text() == "ran\n"
        if (folder / "starts").read_text() != "started\n":
            return
    pytest.fail(f"in {TRIES} tries the controller never started a job again")
