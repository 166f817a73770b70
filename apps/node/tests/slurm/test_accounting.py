"""What is looked up in Slurm's accounting, asked of a real slurmdbd in a Slurm beside the session's own."""

import os
import shutil
import subprocess
import time

import pytest
from own_slurm import REMEMBERED_SECONDS, asked, lacking, own_slurm, wait_until

from slipway_node.aiida import verdicts
from slipway_node.ports import Placement
from slipway_node.slurm.cluster import Cluster
from slipway_node.slurm.submit_once import ENDED, TRY_AGAIN_STATUS, claim, follow_command, submit_command

pytestmark = [pytest.mark.service("slurm"), pytest.mark.timeout(300)]
once = pytest.mark.idempotency("node-protocol")

PORT = 18917
FITTING = {"partition": "main", "account": "chem", "qos": "high", "cpu": 1, "memory_mib": 100, "walltime_seconds": 60}


@pytest.fixture(scope="module")
def slurm():
    if missing := lacking(accounting=True):
        reason = f"a Slurm with accounting needs what is missing here: {missing}"
        (pytest.fail if os.environ.get("SLIPWAY_REQUIRE_SERVICES") == "1" else pytest.skip)(reason)
    with own_slurm(PORT, accounting=True) as slurm:
        asked("sacctmgr", "-iQ", "add", "qos", "low")
        yield slurm


@pytest.fixture
def folder(tmp_path):
    head = "#!/bin/bash\n#SBATCH -p main -A chem -o out -e err --mem=100\n"
    (tmp_path / "job.sh").write_text(f"{head}{claim()}\necho ran >> count\n")
    (tmp_path / "held.sh").write_text(f"{head}#SBATCH --hold\n{claim()}\necho ran >> count\n")
    return tmp_path


def submitted(folder, script="job.sh") -> str:
    return asked("bash", "-c", submit_command(script), cwd=folder).removeprefix("Submitted batch job ")


def followed(folder, job_id: str) -> str:
    return asked("bash", "-c", follow_command(job_id, "job.sh", str(folder)))


def ended(job_id: str) -> None:
    wait_until(lambda: Cluster().job_state(job_id) in ("COMPLETED", "FAILED", "CANCELLED"))


def submissions(folder) -> int:
    return len((folder / ".slipway-intent").read_text().split())


@once
def test_a_lost_answer_is_found_in_accounting_and_nothing_submitted_twice(slurm, folder):
    """Neither a record nor a claim is left, so that only accounting can tell."""
    (folder / ".slipway-intent").write_text(f"{int(time.time()) - REMEMBERED_SECONDS}\n")
    first = asked("sbatch", "--parsable", "job.sh", cwd=folder)
    ended(first)
    (folder / ".slipway-claim").unlink()
    slurm.forget(first)
    assert submitted(folder) == first
    assert submissions(folder) == 1
    assert (folder / "count").read_text() == "ran\n"


@once
@pytest.mark.usefixtures("slurm")
def test_accounting_is_not_asked_after_what_the_controller_would_still_know(folder, tmp_path, monkeypatch):
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "sacct").write_text("#!/bin/sh\nexit 1\n")
    (commands / "sacct").chmod(0o755)
    monkeypatch.setenv("PATH", str(commands), prepend=os.pathsep)
    (folder / ".slipway-intent").write_text(f"{int(time.time()) - REMEMBERED_SECONDS}\n")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        submitted(folder)
    assert refused.value.returncode == TRY_AGAIN_STATUS
    (folder / ".slipway-intent").write_text(f"{int(time.time())}\n")
    ended(submitted(folder))
    assert submissions(folder) == 2


@once
def test_one_that_was_cancelled_before_it_started_and_forgotten_is_not_submitted_again(slurm, folder):
    job_id = submitted(folder, "held.sh")
    asked("scancel", job_id)
    ended(job_id)
    slurm.forget(job_id)
    assert followed(folder, job_id) == ENDED
    assert submissions(folder) == 1
    assert not (folder / "count").exists()


@once
@pytest.mark.parametrize("state", ["older", "none"])
def test_one_that_the_controller_lost_before_it_started_is_submitted_again(slurm, folder, state):
    """With an older state accounting says pending for ever, with none that the job was cancelled."""
    saved, kept = slurm.folder / "state", slurm.folder / "state.kept"
    slurm.stop_controller("TERM")
    shutil.copytree(saved, kept)
    slurm.start_controller()
    asked("scontrol", "update", "PartitionName=main", "State=DOWN")
    job_id = submitted(folder)
    told = ("sacct", "-nXP", "--duplicates", "-S", "now-1hour", "-E", "now", "-s", "PENDING", "-o", "WorkDir")
    wait_until(lambda: str(folder) in asked(*told).split())
    slurm.stop_controller("KILL")
    shutil.rmtree(saved)
    kept.rename(saved)
    if state == "none":
        shutil.rmtree(saved)
        saved.mkdir()
    slurm.start_controller()
    again = followed(folder, job_id)
    assert again != ENDED
    assert submissions(folder) == 2
    ended(again)
    assert (folder / "count").read_text() == "ran\n"


# Options and what ends the job then. A job of `urgent` is not preempted; one of two processors is, for seven others.
ENDING = {
    "OUT_OF_MEMORY": (("-p", "urgent"), "touch full"),
    "CANCELLED": (("-p", "urgent"), "scancel {}"),
    "PREEMPTED": (("-c", "2"), "sbatch -A chem -p urgent -c 7 --mem=10 -o /dev/null --wrap true"),
}

AS_AIIDA_ASKS = "sacct --format=$(sacct --helpformat | tr -s '\\n' ' ' | tr ' ' ',') --parsable --jobs={}"


def began(folder, *options: str) -> str:
    """Return the id of a job that waits, and takes 400 MiB where it is told to."""
    folder.mkdir(exist_ok=True)
    body = "touch began\nuntil [ -e full ]; do sleep 0.1; done\nhead -c 400M /dev/zero | tail -n 1\n"
    (folder / "job.sh").write_text(f"#!/bin/bash\n#SBATCH -A chem -o out -e err --no-requeue --mem=50\n{body}")
    job_id = asked("sbatch", "--parsable", *options, "job.sh", cwd=folder)
    wait_until((folder / "began").exists)
    return job_id


def test_how_jobs_ended_is_found_in_accounting_once_the_controller_has_forgotten_them(slurm, tmp_path):
    folders = {state: tmp_path / state for state in (*ENDING, "NODE_FAIL")}
    jobs = {state: began(folders[state], *options) for state, (options, _) in ENDING.items()}
    for state, (_, command) in ENDING.items():
        asked("bash", "-c", command.format(jobs[state]), cwd=folders[state])
        wait_until(lambda state=state: Cluster().job_state(jobs[state]) == state)
    jobs["NODE_FAIL"] = began(folders["NODE_FAIL"])
    slurm.fail_its_node()
    slurm.forget(*jobs.values())

    for state, folder in folders.items():
        assert Cluster().last_state(jobs[state], str(folder)) == state
        kept = {"retval": 0, "stdout": asked("bash", "-c", AS_AIIDA_ASKS.format(jobs[state]))}
        assert verdicts.accounted_end(kept, str(folder)) == state
        assert Cluster().last_state(jobs[state], "/of/another/job/with/this/id") is None


def test_of_one_that_the_controller_lost_half_way_accounting_tells_no_end(slurm, folder):
    """It says that the job was cancelled, but not by whom."""
    job_id = began(folder)
    told = ("sacct", "-nXP", "--duplicates", "-S", "now-1hour", "-E", "now", "-o", "State,WorkDir", "-s")
    wait_until(lambda: f"RUNNING|{folder}" in asked(*told, "RUNNING").split())

    slurm.lose_its_state()

    assert f"CANCELLED|{folder}" in asked(*told, "CANCELLED").split()
    assert Cluster().last_state(job_id, str(folder)) is None


@once
def test_where_accounting_cannot_be_asked_nothing_is_submitted(slurm, folder):
    (folder / ".slipway-intent").write_text(f"{int(time.time()) - REMEMBERED_SECONDS}\n")
    away = f"export SLURM_CONF={folder}/slurm.conf\n{submit_command('job.sh')}"
    conf = slurm.conf.read_text().replace(f"AccountingStoragePort={PORT + 2}", "AccountingStoragePort=9")
    (folder / "slurm.conf").write_text(conf)
    done = subprocess.run(["bash", "-c", away], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (TRY_AGAIN_STATUS, "")
    assert submissions(folder) == 1


@pytest.mark.usefixtures("slurm")
def test_what_slurm_would_run_is_not_refused():
    assert Cluster().refusal(Placement(**FITTING)) is None


@pytest.mark.usefixtures("slurm")
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"account": "physics"}, "account: this node's user has no physics there; it has chem, root"),
        ({"qos": "urgent"}, "qos: Slurm has no urgent; it has normal, high, low"),
        ({"qos": "low"}, "qos: chem may not use low; it may use high, normal"),
    ],
)
def test_what_slurm_would_never_run_is_refused_with_what_is_allowed(changes, said):
    assert Cluster().refusal(Placement(**{**FITTING, **changes})) == said
