"""Which job counts, asked of a real Slurm beside the job's own files."""

import os
import shutil
import subprocess
import time

import pytest

from slipway_node.slurm import own_end
from slipway_node.slurm.cluster import Cluster
from slipway_node.slurm.submit_once import (
    ENDED,
    NO_FOLDER_STATUS,
    ORPHAN_SECONDS,
    SUBMISSIONS_MAX,
    cancel_command,
    claim,
    claims_command,
    follow_command,
    submit_command,
    withdraw_command,
)

pytestmark = [pytest.mark.service("slurm"), pytest.mark.idempotency("node-protocol")]
FORGOTTEN = "999999999"  # an id that this Slurm has given to nobody


@pytest.fixture
def folder(tmp_path):
    offer = Cluster().offer()
    accounts = [mine.account for mine in offer.associations]
    account = f"#SBATCH --account={accounts[0]}\n" if accounts else ""
    script = f"#!/bin/bash\n#SBATCH -p {next(iter(offer.partitions))} -o out -e err --mem=100\n{account}{claim()}\n"
    (tmp_path / "job.sh").write_text(f"{script}echo ran >> count\n")
    return tmp_path


def submitted(folder, script="job.sh") -> str:
    asked = subprocess.run(
        ["bash", "-c", submit_command(script)], cwd=folder, capture_output=True, text=True, check=True
    )
    return asked.stdout.removeprefix("Submitted batch job ").strip()


def followed(folder, job_id: str) -> str:
    command = follow_command(job_id, "job.sh", str(folder))
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True).stdout.strip()


def accepted_and_forgotten(folder, seconds_ago: float = 0) -> None:
    """Leave what a submission leaves whose job the controller has lost since."""
    at = int(time.time() - seconds_ago)
    (folder / ".slipway-intent").write_text(f"{at}\n")
    (folder / ".slipway-job-id").write_text(f"{FORGOTTEN}\n{at}\n")


def until(holds) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def ended(job_id: str) -> None:
    until(lambda: Cluster().job_state(job_id) in ("COMPLETED", "FAILED", "CANCELLED"))


def ran(folder) -> str:
    return (folder / "count").read_text() if (folder / "count").exists() else ""


def test_a_job_that_ran_counts_itself(folder):
    job_id = submitted(folder)
    ended(job_id)
    assert followed(folder, job_id) == ENDED
    assert ran(folder) == "ran\n"


def test_the_job_that_holds_the_claim_counts_whichever_was_recorded(folder):
    """An `sbatch` that timed out was committed after all, and its job came first."""
    first = subprocess.run(["sbatch", "--parsable", "job.sh"], cwd=folder, capture_output=True, text=True, check=True)
    ended(first.stdout.strip())
    accepted_and_forgotten(folder)
    assert followed(folder, FORGOTTEN) == first.stdout.strip()
    assert ran(folder) == "ran\n"


def test_a_job_that_slurm_accepted_and_forgot_is_submitted_again(folder):
    accepted_and_forgotten(folder)
    again = followed(folder, FORGOTTEN)
    assert again != FORGOTTEN
    ended(again)
    assert ran(folder) == "ran\n"
    assert followed(folder, again) == ENDED
    assert submitted(folder) == again


def test_one_that_slurm_would_have_forgotten_anyhow_is_taken_for_ended(folder):
    accepted_and_forgotten(folder, seconds_ago=30 * 24 * 3600)
    assert followed(folder, FORGOTTEN) == ENDED


def test_one_that_was_cancelled_before_it_started_is_not_submitted_again(folder):
    (folder / "held.sh").write_text((folder / "job.sh").read_text().replace("#SBATCH", "#SBATCH --hold", 1))
    job_id = submitted(folder, "held.sh")
    subprocess.run(["scancel", job_id], check=True)
    ended(job_id)
    assert followed(folder, job_id) == ENDED
    assert not ran(folder)


def test_one_that_is_forgotten_again_and_again_is_given_up(folder):
    accepted_and_forgotten(folder)
    (folder / ".slipway-intent").write_text(f"{int(time.time())}\n" * SUBMISSIONS_MAX)
    assert followed(folder, FORGOTTEN) == ENDED


def test_a_folder_that_is_gone_is_said_to_be(tmp_path):
    command = follow_command("1", "job.sh", str(tmp_path / "gone"))
    assert subprocess.run(["bash", "-c", command], capture_output=True, check=False).returncode == NO_FOLDER_STATUS


@pytest.fixture
def begun(folder):
    """Leave a job that has claimed its folder and runs; return its id."""
    (folder / "long.sh").write_text((folder / "job.sh").read_text() + "sleep 60\n")
    job_id = submitted(folder, "long.sh")
    until(lambda: ran(folder))
    yield job_id
    subprocess.run(["scancel", job_id], check=True)


def test_one_that_is_missing_from_the_queue_and_runs_is_no_end(folder, begun):
    assert followed(folder, begun) == begun


def test_one_whose_controller_has_forgotten_it_after_it_began_is_not_run_again(folder):
    accepted_and_forgotten(folder)
    (folder / ".slipway-claim").write_text(f"{FORGOTTEN}\n")
    assert followed(folder, FORGOTTEN) == FORGOTTEN  # it may run still
    began = time.monotonic()
    until(lambda: followed(folder, FORGOTTEN) == ENDED)
    assert time.monotonic() - began > ORPHAN_SECONDS - 2
    assert not ran(folder)


def test_a_clock_that_is_set_back_keeps_no_job_from_its_end(folder):
    accepted_and_forgotten(folder)
    (folder / ".slipway-claim").write_text(f"{FORGOTTEN}\n")
    missed = folder / ".slipway-missed"
    missed.touch()
    ahead = time.time() + 3600
    os.utime(missed, (ahead, ahead))
    for _ in range(2):
        assert followed(folder, FORGOTTEN) == FORGOTTEN
    assert missed.stat().st_mtime < ahead - 3000  # it is waited for anew, and not for an hour


def test_one_that_begins_while_its_controller_is_asked_is_not_submitted_again(folder, answering):
    """Slurm would give it the same number, be told to start it twice, and end both."""
    accepted_and_forgotten(folder)
    slurm = answering(squeue=f"echo {FORGOTTEN} > {folder}/.slipway-claim")
    asked = followed_where(slurm, folder, FORGOTTEN)
    assert (asked.returncode, asked.stdout.strip()) == (0, FORGOTTEN)
    (folder / ".slipway-job-id").unlink()
    (folder / ".slipway-claim").unlink()
    command = ["bash", "-c", submit_command("job.sh")]
    asked = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, env=slurm)
    assert asked.stdout == f"Submitted batch job {FORGOTTEN}\n"
    assert len((folder / ".slipway-intent").read_text().split()) == 1


def test_what_a_full_disk_kept_from_being_submitted_is_when_there_is_room(folder):
    (folder / ".slipway-intent").touch()
    ended(submitted(folder))
    assert ran(folder) == "ran\n"


def test_one_that_its_controller_has_forgotten_has_ended_when_it_says_so(folder):
    accepted_and_forgotten(folder)
    (folder / ".slipway-claim").write_text(f"{FORGOTTEN}\n")
    assert followed(folder, FORGOTTEN) == FORGOTTEN
    subprocess.run(["bash", "-c", f"true; {own_end.mark()}"], cwd=folder, check=True)
    assert followed(folder, FORGOTTEN) == ENDED


@pytest.mark.tenant_boundary("node-protocol")
def test_a_job_is_cancelled_only_where_it_works_for_the_folder(folder, begun):
    assert cancelled(folder.parent, job_id=begun) == 0
    assert Cluster().job_state(begun) == "RUNNING"
    assert cancelled(folder.parent, folder, job_id=begun) == 0
    until(lambda: Cluster().job_state(begun) == "CANCELLED")


@pytest.mark.parametrize("status", [0, 1])
def test_of_a_number_that_nobody_has_scancel_has_the_word(folder, answering, status):
    assert cancelled(folder, job_id=FORGOTTEN, slurm=answering(scancel=f"exit {status}")) == status


def cancelled(*folders, job_id, slurm=None):
    command = ["bash", "-c", cancel_command(job_id, [str(each) for each in folders])]
    return subprocess.run(command, capture_output=True, check=False, env=slurm).returncode


AWAY = "exit 1"
NONSENSE = "echo '<html><body>502 Bad Gateway</body></html>'"
SILENCE = "true"


@pytest.mark.parametrize(
    "answers",
    [{"squeue": AWAY}, {"squeue": NONSENSE}, {"scontrol": AWAY}, {"scontrol": NONSENSE}, {"scontrol": SILENCE}],
    ids=str,
)
def test_where_slurm_cannot_be_asked_nothing_is_submitted_and_nothing_told(folder, answering, answers):
    accepted_and_forgotten(folder)
    asked = followed_where(answering(**answers), folder, FORGOTTEN)
    assert (asked.returncode, asked.stdout) == (75, "")
    assert len((folder / ".slipway-intent").read_text().split()) == 1


@pytest.mark.parametrize("answer", [AWAY, NONSENSE, SILENCE])
def test_where_slurm_cannot_be_asked_a_job_that_began_has_not_ended(folder, begun, answering, answer):
    asked = followed_where(answering(squeue=answer, scontrol=answer), folder, begun)
    assert (asked.returncode, asked.stdout) == (75, "")


@pytest.mark.parametrize("answer", [NONSENSE, SILENCE])
def test_an_answer_of_sbatchs_that_has_no_number_is_looked_up(folder, answering, answer):
    """It was committed, and what came of that was lost."""
    slurm = answering(sbatch=f'{shutil.which("sbatch")} "$@" > {folder}/number; {answer}')
    command = ["bash", "-c", submit_command("job.sh")]
    asked = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=slurm)
    assert (asked.returncode, asked.stdout) == (75, "")
    assert submitted(folder) == (folder / "number").read_text().strip()


def test_who_holds_a_claim_is_told_of_each_folder_in_turn(folder, tmp_path):
    submitted(folder)
    until(lambda: ran(folder))
    (tmp_path / "two words").mkdir()
    folders = [str(tmp_path / "gone"), str(folder), str(tmp_path / "two words")]
    asked = subprocess.run(["bash", "-c", claims_command(folders)], capture_output=True, text=True, check=True)
    assert asked.stdout == f"\n{(folder / '.slipway-claim').read_text().strip()}\n\n"


def test_a_job_that_waits_is_withdrawn_and_one_that_comes_later_does_nothing(folder):
    (folder / "held.sh").write_text((folder / "job.sh").read_text().replace("#SBATCH", "#SBATCH --hold", 1))
    job_id = submitted(folder, "held.sh")
    assert withdrawn(folder) == 0
    assert Cluster().job_state(job_id) == "CANCELLED"
    subprocess.run(["sbatch", "--wait", "job.sh"], cwd=folder, capture_output=True, check=True)
    assert not ran(folder)


def test_a_job_that_runs_is_withdrawn_though_another_one_was_recorded(folder, begun):
    (folder / ".slipway-job-id").write_text(f"{FORGOTTEN}\n{int(time.time())}\n")
    assert [withdrawn(folder), withdrawn(folder)] == [0, 0]
    until(lambda: Cluster().job_state(begun) == "CANCELLED")


def test_a_job_that_only_the_queue_misses_is_withdrawn(folder, begun, answering):
    assert withdrawn(folder, slurm=answering(squeue=SILENCE)) in (0, 75)  # the controller says first that it goes on
    until(lambda: Cluster().job_state(begun) == "CANCELLED")
    assert withdrawn(folder) == 0


def test_one_that_its_controller_has_forgotten_is_withdrawn_when_it_has_ended_or_had_time_to(folder):
    accepted_and_forgotten(folder)
    (folder / ".slipway-claim").write_text(f"{FORGOTTEN}\n")
    assert withdrawn(folder) == 75  # it may run still, until slurmd hears of it
    began = time.monotonic()
    until(lambda: withdrawn(folder) == 0)
    assert time.monotonic() - began > ORPHAN_SECONDS - 2
    (folder / ".slipway-missed").unlink()
    assert withdrawn(folder) == 75
    subprocess.run(["bash", "-c", f"true; {own_end.mark()}"], cwd=folder, check=True)
    assert withdrawn(folder) == 0


def test_a_job_is_withdrawn_also_where_no_claim_can_be_written_and_that_is_not_the_end_of_it(folder):
    (folder / "held.sh").write_text((folder / "job.sh").read_text().replace("#SBATCH", "#SBATCH --hold", 1))
    job_id = submitted(folder, "held.sh")
    assert withdrawn(folder, "trap : XFSZ; ulimit -f 0\n") == 75
    assert Cluster().job_state(job_id) == "CANCELLED"
    assert withdrawn(folder) == 0


def test_a_folder_that_cannot_be_entered_is_not_said_to_be_gone(tmp_path):
    (tmp_path / "file").touch()
    assert withdrawn(tmp_path / "file") == 75


@pytest.mark.parametrize("answer", [AWAY, NONSENSE, SILENCE])
def test_where_slurm_does_not_say_whose_a_job_is_it_is_not_cancelled(folder, begun, answering, answer):
    assert cancelled(folder, job_id=begun, slurm=answering(scontrol=answer)) == 75
    assert Cluster().job_state(begun) == "RUNNING"


@pytest.mark.parametrize("answer", [AWAY, NONSENSE])
def test_where_slurm_cannot_be_asked_nothing_is_said_to_be_withdrawn(folder, begun, answering, answer):
    assert withdrawn(folder, slurm=answering(squeue=answer)) == 75
    assert Cluster().job_state(begun) == "RUNNING"


def test_of_a_folder_that_cannot_be_entered_no_job_is_said_to_have_ended(tmp_path):
    (tmp_path / "file").touch()
    command = follow_command(FORGOTTEN, "job.sh", str(tmp_path / "file"))
    assert subprocess.run(["bash", "-c", command], capture_output=True, check=False).returncode == 75


def test_of_a_file_system_that_is_not_mounted_nothing_is_said_to_be_gone(tmp_path):
    assert withdrawn(tmp_path / "work" / "ab" / "cd" / "ef") == 75


def test_of_a_folder_that_is_gone_there_is_nothing_to_withdraw(tmp_path):
    assert withdrawn(tmp_path / "gone") == 0


def withdrawn(folder, before="", slurm=None):
    command = before + withdraw_command(str(folder))
    return subprocess.run(["bash", "-c", command], capture_output=True, check=False, env=slurm).returncode


def followed_where(slurm, folder, job_id):
    """Follow where some of Slurm's commands answer otherwise."""
    command = ["bash", "-c", follow_command(job_id, "job.sh", str(folder))]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=slurm)
