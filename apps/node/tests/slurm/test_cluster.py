from pathlib import Path

import pytest

from slipway_node.ports import EngineUnavailableError, Placement
from slipway_node.slurm import commands
from slipway_node.slurm.cluster import LOOK_AGAIN_SECONDS, Cluster, NotKnownError, run_command

RECORDINGS = Path(__file__).parent / "recordings"
ANSWERS = {
    commands.PARTITIONS: "sinfo",
    commands.CONFIGURATION: "scontrol_show_config_slurmdbd",
    commands.associations("lab"): "sacctmgr_show_associations",
    commands.QOS: "sacctmgr_show_qos",
}
FITTING = {"partition": "debug", "account": "chem", "qos": "high", "cpu": 2, "memory_mib": 8000}


class Recorded:
    """Answers as Slurm did when it was recorded, and counts how often it was asked for partitions."""

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self, command: tuple[str, ...]) -> str:
        self.looks += command == commands.PARTITIONS
        return (RECORDINGS / f"{ANSWERS[command]}.txt").read_text()


@pytest.fixture(autouse=True)
def _user(monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "lab")


def placement(**changes) -> Placement:
    return Placement(**{"walltime_seconds": 600, **FITTING, **changes})


def test_what_fits_is_not_refused():
    assert Cluster(Recorded()).refusal(placement()) is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"partition": "gpu"}, "partition: Slurm has no gpu; it has debug, short"),
        ({"cpu": 3}, "cpu: a node of debug has 2, not 3"),
        ({"memory_mib": 8001}, "memory_mib: a node of debug has 8000, not 8001"),
        ({"partition": "short", "walltime_seconds": 601}, "walltime_seconds: short allows 600, not 601"),
        ({"account": "physics"}, "account: this node's user has no physics there; it has chem, root"),
        ({"qos": "urgent"}, "qos: Slurm has no urgent; it has normal, high, low"),
        ({"qos": "low"}, "qos: chem may not use low; it may use high, normal"),
    ],
)
def test_what_slurm_could_never_run_is_refused_with_what_it_has(changes, said):
    assert Cluster(Recorded()).refusal(placement(**changes)) == said


def test_a_look_is_remembered_for_a_while():
    slurm, now = Recorded(), [0.0]
    cluster = Cluster(slurm, clock=lambda: now[0])
    cluster.refusal(placement())
    cluster.refusal(placement())
    assert slurm.looks == 1

    now[0] = LOOK_AGAIN_SECONDS + 1
    cluster.refusal(placement())

    assert slurm.looks == 2


def configured(text: str) -> Cluster:
    return Cluster({commands.CONFIGURATION: text}.__getitem__)


@pytest.mark.parametrize("tracking", ["linuxproc", "pgid"])
def test_a_slurm_that_misses_processes_is_warned_of(tracking):
    said = configured(f"ProctrackType           = proctrack/{tracking}\n").warning()
    assert said == (
        f"a job may run on after its cancel: ProctrackType is proctrack/{tracking}, and has to be proctrack/cgroup"
    )


def test_a_slurm_that_tracks_processes_by_control_groups_is_not_warned_of():
    assert configured("ProctrackType           = proctrack/cgroup\n").warning() is None


@pytest.mark.parametrize("text", ["", "ProctrackType           = proctrack/cgr", "<html>\n"])
def test_of_a_configuration_that_is_not_understood_nothing_is_said(text):
    with pytest.raises(EngineUnavailableError, match="not understood"):
        configured(text).warning()


@pytest.mark.service("slurm")
def test_a_real_slurm_tells_how_it_tracks_processes():
    tracks_all = "proctrack/cgroup" in run_command(commands.CONFIGURATION)
    assert (Cluster().warning() is None) is tracks_all


def test_the_configuration_is_read_again_after_a_while():
    now, said = [0.0], ["ProctrackType = proctrack/pgid\n", "ProctrackType = proctrack/cgroup\n"]
    cluster = Cluster(lambda _command: said.pop(0), clock=lambda: now[0])
    assert cluster.warning() == cluster.warning() is not None

    now[0] = LOOK_AGAIN_SECONDS + 1

    assert cluster.warning() is None


def test_a_refusal_is_looked_up_anew_before_it_is_said():
    slurm = Recorded()
    cluster = Cluster(slurm)
    cluster.offer()

    cluster.refusal(placement(partition="gpu"))

    assert slurm.looks == 2


def test_a_job_that_the_controller_has_forgotten_has_no_state():
    def forgotten(_: tuple[str, ...]) -> str:
        raise NotKnownError("Invalid job id specified")

    assert Cluster(forgotten).job_state("7") is None


def forgetful(answers):
    """Return a Slurm whose controller answers, knows no such job, and else says what ``answers`` does."""

    def run(command: tuple[str, ...]) -> str:
        if command == commands.job("7"):
            raise NotKnownError("Invalid job id specified")
        return {commands.PING: "Slurmctld(primary) at node1 is UP\n", **answers}[command]

    return Cluster(run)


KEPT = (RECORDINGS / "scontrol_show_config_slurmdbd.txt").read_text()
NOT_KEPT = "AccountingStorageType   = accounting_storage/none\n"


@pytest.mark.parametrize(
    ("configuration", "accounted", "state"),
    [
        (NOT_KEPT, None, None),
        (KEPT, "", None),
        (KEPT, "RUNNING|/lab/7|node1\n", None),  # as it stays where the controller lost it
        (KEPT, "CANCELLED|/lab/7|node1\n", None),
        (KEPT, "CANCELLED by 0|/lab/7|node1\n", "CANCELLED"),
        (KEPT, "TIMEOUT|/lab/7|node1\n", "TIMEOUT"),
        (KEPT, "TIMEOUT|/lab/another|node1\n", None),
        (KEPT, "COMPLETED|/lab/another|node1\nPREEMPTED|/lab/7|node1\nCANCELLED|/lab/7|node1\n", "PREEMPTED"),
    ],
)
def test_of_what_the_controller_has_forgotten_accounting_is_asked(configuration, accounted, state):
    slurm = forgetful({commands.CONFIGURATION: configuration, commands.accounted("7"): accounted})

    assert slurm.last_state("7", "/lab/7") == state


@pytest.mark.parametrize(
    ("configuration", "accounted", "placed"),
    [
        (NOT_KEPT, None, None),
        (KEPT, "", None),
        (KEPT, "CANCELLED by 0|/lab/7|node1\n", True),
        (KEPT, "CANCELLED by 0|/lab/7|None assigned\n", False),
        (KEPT, "CANCELLED by 0|/lab/another|node1\n", None),
    ],
)
def test_whether_a_forgotten_job_was_given_a_machine_accounting_tells(configuration, accounted, placed):
    slurm = forgetful({commands.CONFIGURATION: configuration, commands.accounted("7"): accounted})

    assert slurm.was_placed("7", "/lab/7") is placed


@pytest.mark.parametrize(
    ("recording", "folder", "placed"),
    [
        ("scontrol_show_job_cancelled_while_running", "/home/lab", True),
        ("scontrol_show_job_cancelled", "/home/lab", False),  # in the queue
        ("scontrol_show_job_cancelled", "/home", None),
    ],
)
def test_whether_a_job_was_given_a_machine_the_controller_tells(recording, folder, placed):
    answers = {commands.job("7"): (RECORDINGS / f"{recording}.txt").read_text(), commands.CONFIGURATION: NOT_KEPT}

    assert Cluster(answers.__getitem__).was_placed("7", folder) is placed


@pytest.mark.parametrize(("folder", "others"), [("/home/lab", False), ("/home", True)])
def test_a_number_is_anothers_whose_job_works_in_another_folder(folder, others):
    said = (RECORDINGS / "scontrol_show_job_cancelled.txt").read_text()

    assert Cluster({commands.PING: "", commands.job("7"): said}.__getitem__).is_anothers("7", folder) is others


def test_a_number_that_nobody_has_any_more_is_not_anothers():
    assert not forgetful({}).is_anothers("7", "/lab/7")


@pytest.mark.parametrize(("folder", "state"), [("/home/lab", "CANCELLED"), ("/home", None), ("/home/lab/7", None)])
def test_the_controllers_word_counts_for_the_job_of_the_folder_alone(folder, state):
    said = (RECORDINGS / "scontrol_show_job_cancelled.txt").read_text()
    answers = {commands.PING: "", commands.job("7"): said, commands.CONFIGURATION: NOT_KEPT}

    assert Cluster(answers.__getitem__).last_state("7", folder) == state


@pytest.mark.parametrize(
    "slurm",
    [
        Cluster(lambda _: ""),
        Cluster(lambda _: "<html>"),
        forgetful({commands.CONFIGURATION: ""}),
        forgetful({commands.CONFIGURATION: KEPT, commands.accounted("7"): "<html>"}),
    ],
)
def test_what_is_not_understood_is_no_word_that_slurm_knows_nothing(slurm):
    with pytest.raises(EngineUnavailableError, match="not understood"):
        slurm.last_state("7", "/lab/7")


def test_a_controller_that_is_away_is_asked_no_more_than_that():
    asked = []

    def away(command: tuple[str, ...]) -> str:
        asked.append(command)
        raise EngineUnavailableError("exit status 1")

    with pytest.raises(EngineUnavailableError):
        Cluster(away).last_state("7", "/lab/7")
    assert asked == [commands.PING]


def test_a_slurm_that_cannot_be_asked_refuses_nothing():
    def away(_: tuple[str, ...]) -> str:
        raise EngineUnavailableError("no route")

    with pytest.raises(EngineUnavailableError):
        Cluster(away).refusal(placement())
    assert not Cluster(away).answers()


def test_a_command_that_is_not_installed_is_unavailable():
    with pytest.raises(EngineUnavailableError, match="not installed"):
        run_command(("slipway-has-no-such-program",))
