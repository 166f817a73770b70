"""Which job counts, asked of a real Slurm beside the job's own files."""

import subprocess
import time

import pytest

from slipway_node.slurm.cluster import Cluster
from slipway_node.slurm.submit_once import (
    ENDED,
    NO_FOLDER_STATUS,
    SUBMISSIONS_MAX,
    claim,
    follow_command,
    submit_command,
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


def ended(job_id: str) -> None:
    while Cluster().job_state(job_id) not in ("COMPLETED", "FAILED", "CANCELLED"):
        time.sleep(0.1)


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


def test_where_slurm_cannot_be_asked_nothing_is_submitted_and_nothing_told(folder):
    accepted_and_forgotten(folder)
    away = f"squeue() {{ return 1; }}\n{follow_command(FORGOTTEN, 'job.sh', str(folder))}"
    asked = subprocess.run(["bash", "-c", away], capture_output=True, text=True, check=False)
    assert (asked.returncode, asked.stdout) == (75, "")
    assert len((folder / ".slipway-intent").read_text().split()) == 1
