"""A command of Slurm's that hangs is given up: nothing changes, and it is asked again."""

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from slipway_node.slurm import own_end, patience, submit_once
from slipway_node.slurm.patience import TRY_AGAIN_STATUS, Rests, in_time
from slipway_node.slurm.submit_once import LOCK_SECONDS, follow_command, submit_command, withdraw_command

HANGS = "exec sleep 60"
HANGS_DEAF = "trap '' TERM; while :; do sleep 1; done"
WITHIN_SECONDS = 20.0  # far more than the bound, and far less than what hangs
CONFIGURED = "echo 'AccountingStorageType = accounting_storage/slurmdbd'; echo 'MinJobAge = 300 sec'"
KNOWS_NONE = f'case "$*" in *config*) {CONFIGURED} ;; *) echo Invalid job id specified; exit 1 ;; esac'


@pytest.fixture(autouse=True)
def _soon(monkeypatch) -> None:
    monkeypatch.setattr(patience, "ANSWER_SECONDS", 0.6)
    monkeypatch.setattr(patience, "END_SECONDS", 0.3)


def run(command: str, slurm: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    began = time.monotonic()
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=slurm, capture_output=True, text=True, check=False)
    assert time.monotonic() - began < WITHIN_SECONDS
    return done


def submitted_before(folder: Path, *, seconds_ago: int = 0) -> None:
    at = int(time.time()) - seconds_ago
    (folder / ".slipway-intent").write_text(f"{at}\n")
    (folder / ".slipway-job-id").write_text(f"7\n{at}\n")


@pytest.mark.parametrize("hangs", [HANGS, HANGS_DEAF])
@pytest.mark.parametrize("name", ["squeue", "sacct", "scontrol", "sbatch", "scancel"])
def test_a_command_that_hangs_is_given_up_and_named(tmp_path, answering, name, hangs):
    done = run(in_time(f"{name} --any"), answering(**{name: hangs}), tmp_path)

    assert done.returncode == TRY_AGAIN_STATUS
    assert f"{name} did not answer within 0.6 s\n" in done.stderr


@pytest.mark.parametrize("status", [0, 1])
def test_one_that_answers_says_what_it_says(tmp_path, answering, status):
    slurm = answering(squeue=f'printf "%s\\n" "$@" "$SLURM_TIME_FORMAT"; echo hm >&2; exit {status}')

    done = run(in_time("SLURM_TIME_FORMAT='standard' squeue -o '%i %T'"), slurm, tmp_path)

    assert (done.returncode, done.stdout, done.stderr) == (status, "-o\n%i %T\nstandard\n", "hm\n")


def test_one_that_is_not_there_is_no_silence(tmp_path):
    for name in ("bash", "timeout"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))

    assert run(in_time("squeue"), {"PATH": str(tmp_path)}, tmp_path).returncode == 127


def test_an_sbatch_that_hangs_has_been_announced_and_is_looked_up_the_next_time(tmp_path, answering):
    """It had submitted before it hung."""
    hanging = run(submit_command("job.sh"), answering(sbatch="echo 7; exec sleep 60"), tmp_path)
    looked_up = answering(squeue=f"echo '7|PENDING|{tmp_path.resolve()}'", sbatch="echo 8")
    again = run(submit_command("job.sh"), looked_up, tmp_path)

    assert (hanging.returncode, hanging.stdout) == (TRY_AGAIN_STATUS, "")
    assert (again.returncode, again.stdout) == (0, "Submitted batch job 7\n")


def test_an_sbatch_whose_caller_is_killed_holds_the_lock_until_it_has_answered(tmp_path, answering, monkeypatch):
    monkeypatch.setattr(patience, "ANSWER_SECONDS", 30)
    waits = f"touch {tmp_path}/begun; until [ -e {tmp_path}/go-on ]; do sleep 0.05; done; echo 7"
    slurm = answering(sbatch=waits)
    caller = subprocess.Popen(["bash", "-c", submit_command("job.sh")], cwd=tmp_path, env=slurm)
    deadline = time.monotonic() + WITHIN_SECONDS
    while not (tmp_path / "begun").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    caller.kill()
    caller.wait()
    is_free = ["flock", "-n", str(tmp_path / ".slipway-lock"), "true"]

    assert subprocess.run(is_free, check=False).returncode != 0
    (tmp_path / "go-on").touch()
    while subprocess.run(is_free, check=False).returncode != 0:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_lock_is_waited_for_as_long_as_an_sbatch_may_hold_it(monkeypatch):
    monkeypatch.undo()
    assert patience.ANSWER_SECONDS + patience.END_SECONDS < LOCK_SECONDS
    assert f"flock -w {LOCK_SECONDS} 9" in submit_once.submit_command("job.sh")


@pytest.mark.parametrize("name", ["squeue", "sacct", "scontrol"])
def test_where_a_look_up_hangs_nothing_is_submitted(tmp_path, answering, name):
    submitted_before(tmp_path, seconds_ago=10_000)
    (tmp_path / ".slipway-job-id").unlink()
    slurm = answering(**{"squeue": "true", "sacct": "true", "scontrol": CONFIGURED, "sbatch": "echo 8", name: HANGS})

    done = run(submit_command("job.sh"), slurm, tmp_path)

    assert (done.returncode, done.stdout) == (TRY_AGAIN_STATUS, "")
    assert len((tmp_path / ".slipway-intent").read_text().split()) == 1


@pytest.mark.parametrize("claimed", [True, False])
@pytest.mark.parametrize("name", ["squeue", "sacct", "scontrol", "sbatch"])
def test_where_a_command_hangs_no_job_is_told_to_have_ended(tmp_path, answering, name, claimed):
    submitted_before(tmp_path)
    if claimed:
        (tmp_path / ".slipway-claim").write_text("7\n")
        (tmp_path / own_end.MARK).touch()
    slurm = answering(**{"squeue": "true", "sacct": "true", "scontrol": KNOWS_NONE, "sbatch": "echo 8", name: HANGS})

    done = run(follow_command("7", "job.sh", str(tmp_path)), slurm, tmp_path)

    needed = name == "scontrol" or not claimed
    assert (done.returncode, done.stdout) == ((TRY_AGAIN_STATUS, "") if needed else (0, "ended\n"))


@pytest.mark.parametrize("name", ["squeue", "scontrol", "scancel"])
def test_where_a_command_hangs_nothing_is_said_to_be_withdrawn(tmp_path, answering, name):
    submitted_before(tmp_path)
    runs = f"echo 'JobId=7 JobState=RUNNING Reason=None WorkDir={tmp_path.resolve()} '"
    slurm = answering(**{"squeue": "true", "scontrol": runs, "scancel": "true", name: HANGS})

    assert run(withdraw_command(str(tmp_path)), slurm, tmp_path).returncode == TRY_AGAIN_STATUS


def test_what_got_no_answer_rests_for_as_long_as_it_was_waited_for():
    now = [100.0]
    rests = Rests(lambda: now[0])
    rests.begin("squeue")
    now[0] += 60.0
    rests.end("squeue", TRY_AGAIN_STATUS)

    assert (rests.left("squeue"), rests.left("sbatch")) == (60.0, 0.0)
    now[0] += 60.0
    assert rests.left("squeue") == 0.0


def test_what_got_an_answer_does_not_rest_however_long_that_took():
    now = [100.0]
    rests = Rests(lambda: now[0])
    rests.begin("squeue")
    now[0] += 50.0
    rests.end("squeue", 1)

    assert rests.left("squeue") == 0.0
