from pathlib import Path

import pytest

from slipway_node.slurm import commands
from slipway_node.slurm.commands import Association, Partition

RECORDINGS = Path(__file__).parent / "recordings"


def recording(name: str) -> str:
    return (RECORDINGS / f"{name}.txt").read_text()


def test_partitions_are_read_with_their_limits():
    assert commands.read_partitions(recording("sinfo")) == {
        "debug": Partition("debug", up=True, walltime_seconds=None, node_cpus=2, node_memory_mib=8000),
        "short": Partition("short", up=True, walltime_seconds=600, node_cpus=2, node_memory_mib=8000),
    }


def test_a_partition_of_unlike_nodes_offers_the_most_that_one_of_them_has():
    mixed = "mixed|up|1-00:00:00|8|64000\nmixed|up|1-00:00:00|64|32000\n"

    partition = commands.read_partitions(mixed)["mixed"]

    assert (partition.node_cpus, partition.node_memory_mib, partition.walltime_seconds) == (64, 64000, 86_400)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("infinite", None), ("UNLIMITED", None), ("10:00", 600), ("1:00:00", 3600), ("2-03:04:05", 183_845)],
)
def test_durations_are_read_in_seconds(text, seconds):
    assert commands.read_duration(text) == seconds


def test_what_is_no_duration_is_said_to_be_none():
    with pytest.raises(ValueError, match="not a Slurm duration"):
        commands.read_duration("soon")


def test_accounting_is_read_with_what_it_enforces():
    accounting = commands.read_accounting(recording("scontrol_show_config_slurmdbd"))

    assert accounting.kept
    assert accounting.enforced == {"associations", "limits", "qos"}


def test_a_slurm_without_accounting_enforces_nothing():
    accounting = commands.read_accounting(
        "AccountingStorageEnforce = none\nAccountingStorageType   = accounting_storage/none\n"
    )

    assert not accounting.kept
    assert accounting.enforced == frozenset()


def test_associations_are_read_with_their_qos():
    assert commands.read_associations(recording("sacctmgr_show_associations")) == [
        Association("chem", None, ("high", "normal")),
        Association("root", None, ("normal",)),
    ]


def test_qos_names_are_read():
    assert commands.read_qos(recording("sacctmgr_show_qos")) == ["normal", "high", "low"]


def test_a_job_state_is_read():
    assert commands.read_job_state(recording("scontrol_show_job_cancelled")) == "CANCELLED"


@pytest.mark.parametrize(
    ("told", "status"), [("ExitCode=74:0", 74), ("ExitCode=0:0", 0), ("ExitCode=0:53", None), ("JobState=FAILED", None)]
)
def test_what_a_job_ended_with_is_read_where_no_signal_ended_it(told, status):
    answer = f"JobId=7 JobName=x JobState=FAILED {told} DerivedExitCode=1:0 WorkDir=/lab StdErr=/lab/err\n"
    assert commands.read_exit_status(answer, "/lab") == status
    assert commands.read_exit_status(answer, "/elsewhere") is None


FAILED = "Batch job submission failed: "


@pytest.mark.parametrize(
    ("complaint", "said"),
    [
        (f"sbatch: error: invalid partition specified: x\nsbatch: error: {FAILED}Invalid partition name specified", 0),
        (f"sbatch: error: {FAILED}Invalid account or account/partition combination specified\n", 0),
        (f"sbatch: error: {FAILED}Requested node configuration is not available", 0),
        (f"sbatch: warning: can't honor --x\nsbatch: error: {FAILED}Invalid qos specification", 1),
        (f"sbatch: error: {FAILED}Job violates accounting/QOS policy (job submit limit, user's size)", None),
        (f"sbatch: error: {FAILED}Unable to contact slurm controller (connect failure)", None),
        (f"sbatch: error: {FAILED}Socket timed out on send/recv operation", None),
        ("<html>502 Bad Gateway</html>", None),
        ("", None),
    ],
)
def test_a_refusal_is_final_where_slurm_would_say_it_again(complaint, said):
    line = None if said is None else complaint.splitlines()[said].removeprefix("sbatch: error: ")
    assert commands.final_refusal(complaint) == line
