import asyncio
import os
import shutil
import signal
import subprocess
import uuid

import pytest

from slipway_node.aiida import work_directory
from slipway_node.aiida.profile import SchedulerKind
from slipway_node.ports import Phase, Placement, RefusedJobError
from slipway_node.slurm.cluster import Cluster
from slipway_node.slurm.submit_once import claim, submit_command

pytestmark = [pytest.mark.service("aiida"), pytest.mark.service("slurm")]

SCHEDULER = SchedulerKind.SLURM


PLACEMENT = Placement(partition=None, account=None, qos=None, cpu=1, memory_mib=100, walltime_seconds=60)


async def test_a_job_runs_under_slurm_with_its_placement(lab, here, tmp_path):
    submission_id, execution_id = await lab.run_sh("echo cpus=$SLURM_CPUS_PER_TASK part=$SLURM_JOB_PARTITION", **here)

    ended = await lab.until_ended(submission_id)
    collected = await lab.engine.collect(execution_id, tmp_path / "results")

    assert ended.phase is Phase.FINISHED
    assert ended.scheduler_job_id.isdigit()
    assert collected.summary["output_tail"] == f"cpus=1 part={here['partition']}"


@pytest.mark.parametrize("wrong", [{"partition": "nowhere"}, {"cpu": 100_000}, {"memory_mib": 10**9}])
async def test_what_slurm_could_never_run_is_refused_before_it_is_stored(lab, here, wrong):
    with pytest.raises(RefusedJobError) as refused:
        await lab.run_sh("true", **(here | wrong))

    assert refused.value.code == "policy_rejected"
    assert refused.value.message.startswith(next(iter(wrong)))


async def test_what_only_sbatch_refuses_fails_at_once_with_what_it_says(lab, here, monkeypatch):
    monkeypatch.setattr(Cluster, "refusal", lambda *_: None)
    submission_id, _ = await lab.run_sh("true", **(here | {"partition": "nowhere"}))

    ended = await lab.until_ended(submission_id)

    assert (ended.phase, ended.failure.code, ended.failure.retryable) == (Phase.FAILED, "policy_rejected", False)
    assert "invalid partition specified: nowhere" in ended.failure.message


async def test_a_job_cancelled_at_the_scheduler_is_cancelled(lab, here, tmp_path):
    marker = tmp_path / "marker"
    submission_id, _ = await lab.run_sh(f"touch {marker}; sleep 60", **here)
    await lab.until_written(submission_id, marker)
    running = await lab.until(submission_id, lambda seen: seen.scheduler_job_id is not None)

    await asyncio.to_thread(subprocess.run, ["scancel", running.scheduler_job_id], check=True)

    assert (await lab.until_ended(submission_id)).phase is Phase.KILLED


async def test_a_killed_execution_leaves_no_job_in_the_queue(lab, here, tmp_path):
    marker = tmp_path / "marker"
    submission_id, execution_id = await lab.run_sh(f"touch {marker}; sleep 60", **here)
    await lab.until_written(submission_id, marker)
    running = await lab.until(submission_id, lambda seen: seen.scheduler_job_id is not None)

    assert await lab.engine.kill(execution_id)

    assert (await lab.until_ended(submission_id)).phase is Phase.KILLED
    assert Cluster().job_state(running.scheduler_job_id) in ("CANCELLED", "COMPLETING", None)


async def test_a_kill_of_an_execution_whose_record_is_gone_leaves_no_job_in_the_queue(lab, workdir):
    execution_id = str(uuid.uuid4())
    folder = await lab.engine._thread.run(work_directory.of, execution_id)
    shutil.copytree(workdir, folder)
    command = ["sbatch", "--hold", "--parsable", "job.sh"]
    job_id = (await asyncio.to_thread(subprocess.check_output, command, cwd=folder, text=True)).strip()

    assert not await lab.engine.kill(execution_id)

    assert Cluster().job_state(job_id) == "CANCELLED"


@pytest.mark.usefixtures("at_once")
async def test_a_slurm_job_outlives_kill_9_of_the_worker_and_runs_once(lab, here, tmp_path, daemon_pids):
    counter, go_on = tmp_path / "counter", tmp_path / "go-on"
    submission_id, _ = await lab.run_sh(f"echo ran >> {counter}; until [ -e {go_on} ]; do sleep 0.1; done", **here)
    await lab.until_written(submission_id, counter)
    await lab.until(submission_id, lambda seen: seen.phase is Phase.RUNNING)

    [worker] = daemon_pids("worker")
    os.kill(worker, signal.SIGKILL)
    go_on.touch()

    assert (await lab.until_ended(submission_id)).phase is Phase.FINISHED
    assert counter.read_text() == "ran\n"


@pytest.fixture
def workdir(tmp_path, here):
    account = f"#SBATCH --account={here['account']}\n" if here["account"] else ""
    script = (
        f"#!/bin/bash\n#SBATCH -p {here['partition']} -o out -e err --mem=100\n{account}{claim()}\necho ran >> count\n"
    )
    (tmp_path / "job.sh").write_text(script)
    return tmp_path


def submitted(workdir) -> str:
    done = subprocess.run(
        ["bash", "-c", submit_command("job.sh")], cwd=workdir, capture_output=True, text=True, check=True
    )
    return done.stdout.removeprefix("Submitted batch job ").strip()


@pytest.mark.idempotency("node-protocol")
def test_a_repeated_submission_gives_the_first_job(workdir):
    assert submitted(workdir) == submitted(workdir)


@pytest.mark.idempotency("node-protocol")
def test_a_submission_whose_answer_was_lost_is_looked_up(workdir):
    first = submitted(workdir)
    (workdir / ".slipway-job-id").unlink()
    (workdir / ".slipway-claim").unlink(missing_ok=True)

    assert submitted(workdir) == first


def test_two_submissions_at_once_make_one_job(workdir):
    running = [
        subprocess.Popen(["bash", "-c", submit_command("job.sh")], cwd=workdir, stdout=subprocess.PIPE) for _ in "12"
    ]

    answers = {process.communicate()[0] for process in running}

    assert len(answers) == 1


def test_a_job_that_another_one_has_claimed_does_nothing(workdir):
    (workdir / ".slipway-claim").write_text("another\n")

    subprocess.run(["sbatch", "--wait", "job.sh"], cwd=workdir, check=True, capture_output=True)

    assert not (workdir / "count").exists()


def test_a_refused_submission_ends_in_sbatchs_own_words(workdir):
    (workdir / "job.sh").write_text("#!/bin/bash\n#SBATCH -p nowhere\ntrue\n")

    done = subprocess.run(
        ["bash", "-c", submit_command("job.sh")], cwd=workdir, capture_output=True, text=True, check=False
    )

    assert done.returncode != 0
    assert "nvalid partition" in done.stderr
