"""What the engine says of its Slurm: that it cannot be used, that it is not set up as it has to be, or nothing."""

import threading
from collections.abc import Callable

import pytest

from slipway_contracts.node_policy import NodePolicy
from slipway_node.aiida import engine
from slipway_node.ports import EngineUnavailableError
from slipway_node.slurm import commands
from slipway_node.slurm.cluster import Cluster

WELL = {
    commands.PING: "Slurmctld(primary) at node1 is UP\n",
    commands.PARTITIONS: "main|up|infinite|8|8000\n",
    commands.CONFIGURATION: "ProctrackType           = proctrack/cgroup\n",
}


@pytest.fixture
def said_of(monkeypatch, tmp_path):
    """Return a function that asks an engine what it says of a Slurm whose commands are played."""
    asked = engine.AiidaEngine(tmp_path, NodePolicy(policy_version="1", queues={}))

    async def of(run: Callable[[tuple[str, ...]], str]) -> dict[str, object]:
        monkeypatch.setattr(asked, "_cluster", Cluster(run))
        return await asked._said_of_slurm()

    return of


async def test_of_a_slurm_that_is_well_nothing_is_said(said_of):
    assert await said_of(WELL.__getitem__) == {}


async def test_one_that_misses_processes_answers_and_is_warned_of(said_of):
    missing = WELL | {commands.CONFIGURATION: "ProctrackType           = proctrack/linuxproc\n"}
    [(key, said)] = (await said_of(missing.__getitem__)).items()
    assert key == "scheduler_warning"
    assert "ProctrackType is proctrack/linuxproc" in said


@pytest.mark.parametrize("command", [commands.PARTITIONS, commands.CONFIGURATION], ids=" ".join)
async def test_one_that_talks_nonsense_cannot_be_used(said_of, command):
    [(key, said)] = (await said_of((WELL | {command: "<html>\n"}).__getitem__)).items()
    assert key == "scheduler_trouble"
    assert "not understood: '<html>'" in said


async def test_one_that_is_gone_once_it_was_asked_for_its_partitions_cannot_be_used(said_of):
    def run(command: tuple[str, ...]) -> str:
        if command == commands.CONFIGURATION:
            raise EngineUnavailableError("no controller")
        return WELL[command]

    assert await said_of(run) == {"scheduler_trouble": "no controller"}


@pytest.mark.parametrize("command", WELL, ids=" ".join)
async def test_one_that_takes_long_keeps_no_other_word_from_being_told(monkeypatch, said_of, command):
    answered = threading.Event()

    def run(asked: tuple[str, ...]) -> str:
        if asked == command:
            answered.wait(30)
        return WELL[asked]

    monkeypatch.setattr(engine, "SCHEDULER_SECONDS", 0.5)
    try:
        assert await said_of(run) == {"scheduler_trouble": "it has not answered within 0.5 s"}
    finally:
        answered.set()
