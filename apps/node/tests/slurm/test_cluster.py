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


def test_a_slurm_that_cannot_be_asked_refuses_nothing():
    def away(_: tuple[str, ...]) -> str:
        raise EngineUnavailableError("no route")

    with pytest.raises(EngineUnavailableError):
        Cluster(away).refusal(placement())
    assert not Cluster(away).answers()


def test_a_command_that_is_not_installed_is_unavailable():
    with pytest.raises(EngineUnavailableError, match="not installed"):
        run_command(("slipway-has-no-such-program",))
