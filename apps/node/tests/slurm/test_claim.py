"""What a job script begins with, run by a shell as Slurm's would be."""

import subprocess

import pytest

from slipway_node.slurm.submit_once import CLAIM, CLAIM_FAILED_STATUS, claim


def run(folder, job_id: str, *, before: str = "", restarts: int | None = None) -> int:
    script = f"{before}\n{claim()}\necho ran >> effects\n"
    env = {"SLURM_JOB_ID": job_id, "PATH": "/usr/bin:/bin"}
    env |= {} if restarts is None else {"SLURM_RESTART_COUNT": str(restarts)}
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=env, check=False)
    return done.returncode


def effects(folder) -> str:
    return (folder / "effects").read_text() if (folder / "effects").exists() else ""


@pytest.mark.idempotency("node-protocol")
def test_the_first_job_runs_also_when_it_is_requeued_and_no_other_does(tmp_path):
    assert [run(tmp_path, "7"), run(tmp_path, "8"), run(tmp_path, "7", restarts=1)] == [0, 0, 0]

    assert effects(tmp_path) == "ran\nran\n"
    assert (tmp_path / CLAIM).read_text() == "7\n"


@pytest.mark.idempotency("node-protocol")
def test_a_job_that_its_controller_starts_again_since_it_has_forgotten_its_start_runs_once(tmp_path):
    assert [run(tmp_path, "7"), run(tmp_path, "7"), run(tmp_path, "7", restarts=0)] == [0, 0, 0]

    assert effects(tmp_path) == "ran\n"


def test_a_claim_that_cannot_be_written_ends_the_job_and_keeps_no_later_one_out(tmp_path):
    no_room = "ulimit -f 0"  # no file may hold a byte

    assert run(tmp_path, "7", before=no_room) == CLAIM_FAILED_STATUS
    assert list(tmp_path.iterdir()) == []
    assert run(tmp_path, "8") == 0
    assert effects(tmp_path) == "ran\n"


def test_of_jobs_that_begin_at_once_one_runs(tmp_path):
    script = f"{claim()}\necho ran >> effects\n"
    running = [
        subprocess.Popen(["bash", "-c", script], cwd=tmp_path, env={"SLURM_JOB_ID": str(n), "PATH": "/usr/bin:/bin"})
        for n in range(1, 9)
    ]

    assert {process.wait() for process in running} == {0}
    assert effects(tmp_path) == "ran\n"
