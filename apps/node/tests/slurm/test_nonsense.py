"""Whatever Slurm's commands say: what is no answer of Slurm's is no knowledge, and above all no refusal."""

import os
import shlex
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway_node.ports import EngineUnavailableError, Placement
from slipway_node.slurm import cluster, commands, own_end
from slipway_node.slurm.cluster import Cluster, NotKnownError, run_command
from slipway_node.slurm.submit_once import ENDED, TRY_AGAIN_STATUS, follow_command

RECORDINGS = Path(__file__).parent / "recordings"
ANSWERS = {
    commands.PARTITIONS: "sinfo",
    commands.CONFIGURATION: "scontrol_show_config_slurmdbd",
    commands.associations("lab"): "sacctmgr_show_associations",
    commands.QOS: "sacctmgr_show_qos",
}
RECORDED = {command: (RECORDINGS / f"{name}.txt").read_text() for command, name in ANSWERS.items()} | {
    commands.PING: "Slurmctld(primary) at node1 is UP\n"
}
JOB = (RECORDINGS / "scontrol_show_job_cancelled.txt").read_text()
FITTING = Placement("debug", "chem", "high", cpu=2, memory_mib=8000, walltime_seconds=600)
NONSENSE = [
    "<!DOCTYPE html>\n<html><body>The proxy wants you to sign in</body></html>\n",
    "\x7fELF\x02\x01\x01\x00\ufffd\ufffd\n",
    "slurm_load_ctl_conf error: Unable to contact slurm controller (connect failure)\n",
    "Segmentation fault\n",
    "|\n",
    "||||\n",
    "debug|up|soon|2|8000\n",
    "debug|up|infinite|many|8000\n",
    "debug|up|infinite|-2|8000\n",
    "None\n",
    '{"partitions": []}\n',
]

each_command = pytest.mark.parametrize("command", ANSWERS, ids=ANSWERS.values())


@pytest.fixture(autouse=True)
def _user(monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "lab")


def saying(command: tuple[str, ...], answer: str) -> Cluster:
    """Return a Slurm that is well but for what ``command`` says."""
    return Cluster(lambda asked: answer if asked == command else RECORDED[asked])


def refusal_or_not_known(slurm: Cluster) -> str | None:
    try:
        return slurm.refusal(FITTING)
    except EngineUnavailableError:
        return None


@each_command
@pytest.mark.parametrize("answer", NONSENSE)
def test_nonsense_is_not_understood_and_quoted(command, answer):
    with pytest.raises(EngineUnavailableError, match="not understood") as raised:
        saying(command, answer).refusal(FITTING)

    assert repr(answer.splitlines()[0]) in str(raised.value)


@pytest.mark.parametrize("command", [commands.PARTITIONS, commands.CONFIGURATION, commands.QOS], ids=lambda it: it[0])
def test_silence_where_slurm_always_has_something_to_say_is_not_understood(command):
    with pytest.raises(EngineUnavailableError, match="it said nothing"):
        saying(command, "").refusal(FITTING)


@each_command
def test_an_answer_that_is_cut_within_a_line_is_never_a_refusal(command):
    whole = RECORDED[command]
    for length in range(1, len(whole)):
        if whole[length - 1] != "\n":
            assert refusal_or_not_known(saying(command, whole[:length])) is None, whole[:length]


@each_command
@given(answer=st.text(max_size=200) | st.binary(max_size=200).map(lambda it: it.decode(errors="replace")))
def test_anything_at_all_raises_nothing_else_and_refuses_nothing(command, answer):
    if command == commands.associations("lab") and not answer.strip():
        return  # how Slurm says that the user has no account
    assert refusal_or_not_known(saying(command, answer)) is None


@pytest.mark.parametrize("answer", [*NONSENSE, "", JOB[: JOB.index("JobState=") + len("JobState=CANC")]])
def test_nonsense_about_a_job_is_not_taken_for_a_job_that_is_forgotten(answer):
    with pytest.raises(EngineUnavailableError, match="not understood"):
        saying(commands.job("7"), answer).job_state("7")


@pytest.mark.parametrize("answer", [*NONSENSE, ""])
def test_trouble_is_told_in_words(answer):
    slurm = saying(commands.PARTITIONS, answer)

    assert not slurm.answers()
    assert str(slurm.trouble()).startswith("sinfo --all --noheader: not understood: ")


def test_a_slurm_that_answers_is_no_trouble():
    assert Cluster(RECORDED.__getitem__).trouble() is None


def test_a_long_line_is_quoted_in_part():
    assert len(str(saying(commands.PARTITIONS, "x" * 100_000).trouble())) < 2 * cluster.QUOTED_CHARS


@pytest.fixture
def program(tmp_path):
    """Return a function that makes a program of a content."""

    def make(content: bytes, mode: int = stat.S_IRWXU) -> str:
        path = tmp_path / "sinfo"
        path.write_bytes(content)
        path.chmod(mode)
        return str(path)

    return make


def test_an_answer_that_is_no_text_is_read_as_well_as_it_goes(program):
    assert run_command((program(b"#!/bin/sh\nprintf '\\377\\376\\n'\n"),)) == "\ufffd\ufffd\n"


@pytest.mark.parametrize("content", [b"\x00\x01", b"#!/no/such/shell\n"])
def test_a_command_that_cannot_be_run_is_unavailable(program, content):
    with pytest.raises(EngineUnavailableError):
        run_command((program(content),))


def test_a_command_that_does_not_answer_is_given_up(program, monkeypatch):
    monkeypatch.setattr(cluster, "ASK_SECONDS", 0.2)
    with pytest.raises(EngineUnavailableError, match=r"did not answer within 0\.2 s"):
        run_command((program(b"#!/bin/sh\nexec sleep 60\n"),))


def test_a_command_that_no_signal_ends_is_let_go(program, tmp_path, monkeypatch):
    """As one is that waits for a file system which hangs."""
    for name, seconds in (("ASK_SECONDS", 0.5), ("LET_GO_SECONDS", 0.1)):
        monkeypatch.setattr(cluster, name, seconds)
    monkeypatch.setattr(subprocess.Popen, "kill", lambda _: None)
    began = time.monotonic()
    with pytest.raises(EngineUnavailableError, match="did not answer"):
        run_command((program(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n".encode()),))

    assert time.monotonic() - began < 20
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


@pytest.mark.parametrize(
    ("said", "raised"), [("Invalid job id specified", NotKnownError), ("Invalid user", EngineUnavailableError)]
)
def test_only_slurms_own_words_make_a_job_unknown(program, said, raised):
    with pytest.raises(raised, match=said):
        run_command((program(f"#!/bin/sh\necho {said} >&2; exit 1\n".encode()),))


WELL = {"squeue": "", "config": "MinJobAge = 300 sec\nAccountingStorageType = accounting_storage/none", "job": ""}
RUNS = "JobId=7 JobName=x JobState=RUNNING Reason=None WorkDir={folder} StdErr={folder}/err "
ENDED_BEFORE = RUNS.replace("RUNNING", "COMPLETED")
UNKNOWN = "slurm_load_jobs error: Invalid job id specified"
HTML = NONSENSE[0]


@pytest.fixture
def followed(tmp_path, answering):
    """Return a function that asks what became of job 7, which this Slurm does not name in its queue."""

    def ask(*, claimed: bool, **said: str) -> tuple[int, str]:
        """Return status and answer."""
        (tmp_path / ".slipway-intent").write_text(f"{int(time.time())}\n")
        (tmp_path / ".slipway-job-id").write_text(f"7\n{int(time.time())}\n")
        if claimed:
            (tmp_path / ".slipway-claim").write_text("7\n")
            (tmp_path / own_end.MARK).touch()
        says = {name: shlex.quote(answer.format(folder=tmp_path)) for name, answer in {**WELL, **said}.items()}
        slurm = answering(
            squeue=f"printf %s {says['squeue']}",
            sbatch="echo 8",
            scontrol=f'case "$*" in *config*) echo {says["config"]} ;; *) echo {says["job"]} ;; esac',
        )
        command = ["bash", "-c", follow_command("7", "job.sh", str(tmp_path))]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=slurm)
        return done.returncode, done.stdout.strip()

    return ask


@pytest.mark.parametrize("claimed", [True, False])
@pytest.mark.parametrize(
    "said",
    [
        {"job": RUNS},
        {"job": HTML},
        {"job": ""},
        {"job": RUNS[: RUNS.index("RUNN")]},
        {"squeue": HTML, "job": RUNS},
        {"squeue": HTML, "job": HTML, "config": HTML},
    ],
)
def test_a_job_that_only_a_nonsensical_queue_misses_has_not_ended_and_is_not_submitted_again(followed, claimed, said):
    assert followed(claimed=claimed, **said) in [(TRY_AGAIN_STATUS, ""), (0, "7")]


@pytest.mark.parametrize("said", [{"squeue": HTML}, {"config": HTML}, {"config": ""}])
def test_one_that_the_controller_has_forgotten_is_not_submitted_again_where_the_rest_is_nonsense(followed, said):
    assert followed(claimed=False, job=UNKNOWN, **said) == (TRY_AGAIN_STATUS, "")


@pytest.mark.parametrize(
    ("claimed", "job", "told"),
    [
        (True, ENDED_BEFORE, ENDED),
        (True, UNKNOWN, ENDED),
        (True, RUNS.replace("{folder}", "/elsewhere"), ENDED),
        (False, UNKNOWN, "8"),
        (False, RUNS.replace("{folder}", "/elsewhere"), "8"),
    ],
)
def test_what_the_controller_says_of_the_number_is_believed(followed, claimed, job, told):
    """It says that the job ended, that it knows none of that number, or that the number is another job's now."""
    assert followed(claimed=claimed, job=job) == (0, told)
