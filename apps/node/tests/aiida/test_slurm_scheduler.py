"""What AiiDA's worker hears of a Slurm that does not answer in time; its transport is played, and no Slurm is there."""

from types import SimpleNamespace

import pytest
from aiida.schedulers import SchedulerError
from aiida.schedulers.datastructures import JobState

from slipway_node.aiida import slurm_scheduler
from slipway_node.aiida.slurm_scheduler import SlipwaySlurmScheduler
from slipway_node.slurm.patience import ANSWER_SECONDS, TRY_AGAIN_STATUS, Rests, in_time
from slipway_node.slurm.submit_once import ENDED

WELL = (0, "", "")
SILENT = (TRY_AGAIN_STATUS, "", "it did not answer")
FOLDER = "/work/7"


class Transport:
    """Answers each command as is set for a word in it; one that is not answered takes as long as it is waited for."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.answers: dict[str, tuple[int, str, str]] = {}
        self.asked: list[str] = []

    def __enter__(self):
        return self

    def __exit__(self, *_error) -> None:
        pass

    def exec_command_wait(self, command: str, **_where) -> tuple[int, str, str]:
        self.asked.append(command)
        answer = next((answer for word, answer in self.answers.items() if word in command), WELL)
        self.now += ANSWER_SECONDS if answer == SILENT else 0.01
        return answer

    def times(self, word: str) -> int:
        return sum(word in command for command in self.asked)


@pytest.fixture
def transport(monkeypatch) -> Transport:
    played = Transport()
    monkeypatch.setattr(SlipwaySlurmScheduler, "_rests", Rests(lambda: played.now))
    calculation = SimpleNamespace(get_option=lambda _: "job.sh", get_remote_workdir=lambda: FOLDER)
    monkeypatch.setattr(slurm_scheduler, "_calculations_of", lambda ids: dict.fromkeys(ids, calculation))
    monkeypatch.setattr(slurm_scheduler, "_folders_to_cancel", lambda _: [FOLDER])
    return played


@pytest.fixture
def slurm(transport) -> SlipwaySlurmScheduler:
    made = SlipwaySlurmScheduler()
    made.set_transport(transport)
    return made


LIST, ACCOUNT, KILL, SUBMIT = "squeue --noheader -o", "sacct --format", "scancel 7", "script='job.sh'\n"
FOLLOW = "script=job.sh id="


@pytest.mark.parametrize(
    ("what", "ask"),
    [
        (LIST, lambda slurm: slurm.get_jobs(jobs=[], as_dict=True)),
        (ACCOUNT, lambda slurm: slurm.get_detailed_job_info("7")),
        (KILL, lambda slurm: slurm.kill_job("7")),
    ],
)
def test_each_of_aiidas_own_commands_is_ended_in_time(slurm, transport, what, ask):
    ask(slurm)

    [asked] = transport.asked
    assert what in asked
    assert asked.startswith(in_time(""))


ASK = {
    SUBMIT: lambda slurm: slurm.submit_job(FOLDER, "job.sh"),
    LIST: lambda slurm: slurm.get_jobs(jobs=["7"], as_dict=True),
}


@pytest.mark.parametrize("what", ASK)
def test_what_got_no_answer_is_not_asked_again_by_each_other_job_at_once(slurm, transport, what):
    transport.answers = {what: SILENT}
    for _ in range(10):
        with pytest.raises(SchedulerError):
            ASK[what](slurm)
    assert transport.times(what) == 1

    transport.now += ANSWER_SECONDS
    with pytest.raises(SchedulerError):
        ASK[what](slurm)
    assert transport.times(what) == 2


def test_a_kill_that_got_no_answer_has_killed_nothing_and_rests(slurm, transport):
    transport.answers = {KILL: SILENT}

    assert slurm.kill_job("7") is False
    with pytest.raises(SchedulerError, match="is asked again in 60 s"):
        slurm.kill_job("7")

    transport.now += ANSWER_SECONDS
    transport.answers = {}
    assert slurm.kill_job("7") is True


def test_where_it_is_not_answered_what_became_of_a_job_the_other_missing_ones_wait_unasked(slurm, transport):
    jobs = [str(number) for number in range(20)]
    transport.answers = {FOLLOW: SILENT}

    found = slurm.get_jobs(jobs=jobs, as_dict=True)

    assert transport.times(FOLLOW) == 1
    assert {job_id: job.job_state for job_id, job in found.items()} == dict.fromkeys(jobs, JobState.QUEUED)

    transport.now += ANSWER_SECONDS
    transport.answers = {FOLLOW: (0, f"{ENDED}\n", "")}
    assert slurm.get_jobs(jobs=jobs, as_dict=True) == {}


def test_accounting_that_is_silent_keeps_one_result_waiting_and_no_other(slurm, transport):
    transport.answers = {ACCOUNT: SILENT}

    told = [slurm.get_detailed_job_info("7") for _ in range(5)]

    assert transport.times(ACCOUNT) == 1
    assert {info["retval"] for info in told} == {TRY_AGAIN_STATUS}
