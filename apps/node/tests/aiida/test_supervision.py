"""What lives and does nothing is noticed and brought back, and the job that was under way runs once."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable

import pytest

from slipway_node.aiida import supervision
from slipway_node.aiida.profile import SchedulerKind
from slipway_node.ports import Phase, Placement

pytestmark = pytest.mark.service("aiida")

SCHEDULER = SchedulerKind.DIRECT
PLACEMENT = Placement(partition=None, account=None, qos=None, cpu=1, memory_mib=256, walltime_seconds=60)

# On SIGUSR1 a worker's loop stands still, while its threads go on; on SIGUSR2 it waits for a program.
HANGS_WHEN_TOLD = """import signal, subprocess, sys, time
if "worker" in sys.argv:
    signal.signal(signal.SIGUSR1, lambda *_: time.sleep(3600))
    signal.signal(signal.SIGUSR2, lambda *_: subprocess.run(["sleep", "8"]))
"""


@pytest.fixture(scope="module", autouse=True)
def _workers_that_can_hang(tmp_path_factory: pytest.TempPathFactory, _services):
    folder = tmp_path_factory.mktemp("hanging")
    (folder / "sitecustomize.py").write_text(HANGS_WHEN_TOLD)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)  # AiiDA hands it on to what it starts
        yield


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have silences believed after seconds; on a machine that serves nobody else they are as sure."""
    monkeypatch.setattr("slipway_node.aiida.engine.SUPERVISE_SECONDS", 0.5)
    for name, seconds in {
        "SUPERVISOR_SECONDS": 2.0,
        "BROKER_STALE_SECONDS": 7.5,  # it writes every 5 to 6
        "BROKER_SECONDS": 1.0,
        "STOPPED_SECONDS": 0.5,
        "PROCESS_ASK_SECONDS": 1.0,
        "PROCESS_SECONDS": 2.0,
        "DROPPED_SECONDS": 2.0,
    }.items():
        monkeypatch.setattr(supervision, name, seconds)


@pytest.mark.parametrize(
    ("victim", "number", "told"),
    [
        ("start-circus", signal.SIGSTOP, ("daemon", "its supervisor lived and did not answer")),
        ("broker", signal.SIGSTOP, ("broker", "it lived and did not answer")),
        ("worker", signal.SIGSTOP, ("worker", "it was stopped")),
        ("worker", signal.SIGUSR1, ("worker", "its processes did not answer, and it did nothing")),
        ("worker", signal.SIGKILL, ("worker", "it had ended")),
    ],
)
@pytest.mark.idempotency("node-protocol")
@pytest.mark.usefixtures("impatient")
async def test_what_went_deaf_in_mid_job_is_brought_back_and_the_job_runs_once(
    lab, tmp_path, daemon_pids, victim, number, told
):
    counter, go_on = tmp_path / "counter", tmp_path / "go-on"
    submission_id, _ = await lab.run_sh(f"echo ran >> {counter}; while [ ! -e {go_on} ]; do sleep 0.1; done")
    await lab.until_written(submission_id, counter)
    before = (await lab.engine.health())["brought_back"]
    [pid] = daemon_pids(victim)

    os.kill(pid, number)
    while (health := await lab.engine.health())["brought_back"] == before:
        await lab.observed(submission_id)
    go_on.touch()
    ended = await lab.until_ended(submission_id)

    assert health["brought_back"] == before + 1
    assert (health["last_brought_back"]["what"], health["last_brought_back"]["why"]) == told
    assert ended.phase is Phase.FINISHED
    assert counter.read_text() == "ran\n"
    assert pid not in daemon_pids(victim)


@pytest.mark.usefixtures("impatient")
async def test_a_worker_that_waits_for_a_program_is_let_wait(lab, tmp_path, daemon_pids):
    started, go_on = tmp_path / "started", tmp_path / "go-on"
    submission_id, _ = await lab.run_sh(f"touch {started}; while [ ! -e {go_on} ]; do sleep 0.1; done")
    await lab.until_written(submission_id, started)
    before = await lab.engine.health()
    [pid] = daemon_pids("worker")

    os.kill(pid, signal.SIGUSR2)
    while "processes" not in (await lab.engine.health()).get("silent", {}):
        await lab.engine.changed(0.5)
    go_on.touch()
    ended = await lab.until_ended(submission_id)

    assert ended.phase is Phase.FINISHED
    assert daemon_pids("worker") == [pid]
    assert (await lab.engine.health())["brought_back"] == before["brought_back"]


@pytest.mark.usefixtures("impatient")
@pytest.mark.idempotency("node-protocol")
async def test_a_job_is_not_lost_where_somebody_holds_the_record_locked(lab, tmp_path):
    """Its worker's write fails after the driver's five seconds: the worker lives, answers, and has the job no more."""
    counter = tmp_path / "counter"
    submission_id, _ = await lab.run_sh(f"echo ran >> {counter}; sleep 2")
    await lab.until_written(submission_id, counter)
    [database] = (lab.engine._home / "aiida").rglob("database.sqlite")
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as somebody:
        somebody.execute("BEGIN IMMEDIATE")
        await asyncio.sleep(9.0)
        somebody.execute("ROLLBACK")

    ended = await lab.until_ended(submission_id)

    assert ended.phase is Phase.FINISHED
    assert counter.read_text() == "ran\n"


@pytest.fixture
def set_ahead(lab) -> Callable[[str, int], None]:
    """Let the record say that a process changed so many hours later, as by a clock that was ahead."""
    [database] = (lab.engine._home / "aiida").rglob("database.sqlite")

    def set_by(execution_id: str, hours: int) -> None:
        with contextlib.closing(sqlite3.connect(database)) as connection, connection:
            change = "update db_dbnode set mtime = datetime(mtime, ? || ' hours') where uuid = ?"
            connection.execute(change, (hours, execution_id))

    return set_by


@pytest.mark.usefixtures("impatient")
async def test_workers_are_exchanged_once_after_a_clock_was_ahead_for_a_moment(lab, daemon_pids, set_ahead):
    (first, execution_id), (second, execution_of_second) = await lab.run_sh("true"), await lab.run_sh("true")
    await lab.until_ended(first)
    await lab.until_ended(second)
    before, [worker] = (await lab.engine.health())["brought_back"], daemon_pids("worker")

    set_ahead(execution_id, +1)
    set_ahead(execution_of_second, +2)
    try:
        while (health := await lab.engine.health())["brought_back"] == before:
            await lab.engine.changed(0.5)
        while daemon_pids("worker") in ([], [worker]):
            await lab.engine.changed(0.5)
        set_ahead(execution_of_second, -2)  # as a worker that has it in work writes it again
        again, _ = await lab.run_sh("true")
        await lab.until_ended(again)
        await lab.engine.start()
        after = await lab.engine.health()
        kept = daemon_pids("worker")
        set_ahead(execution_id, +2)
        await lab.engine.start()
        while (exchanged := daemon_pids("worker")) in ([], kept):
            await lab.engine.changed(0.5)
    finally:
        set_ahead(execution_id, -3)

    assert "the clock was set back by 7" in health["last_brought_back"]["why"]
    assert after["brought_back"] == before + 1
    assert len(kept) == len(exchanged) == 1
    assert kept != [worker]


@pytest.mark.parametrize("how", ["linked", "copied"])
async def test_a_second_home_is_kept_off_the_profile_that_an_agent_serves(lab, tmp_path, daemon_pids, how):
    """A copied profile goes on with the record of the one that it was copied from: AiiDA keeps its whole path."""
    ours, other = lab.engine._home / "aiida", tmp_path / "aiida"
    if how == "linked":
        other.symlink_to(ours)
    else:
        # In a process of its own: to close a database's file here would end this process's locks on it.
        await asyncio.to_thread(subprocess.run, ["cp", "-r", ours, other], check=True)
    code = (
        "import asyncio, sys; from pathlib import Path; from slipway_contracts.node_policy import NodePolicy;"
        "from slipway_node.aiida.engine import AiidaEngine;"
        "engine = AiidaEngine(Path(sys.argv[1]), NodePolicy(policy_version='1', queues={}))\n"
        "async def run():\n try: await engine.start()\n finally: await engine.stop()\n"
        "asyncio.run(run())"
    )
    before = daemon_pids("worker")

    tried = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True
    )

    assert f"EngineUnavailableError: the agent with pid {os.getpid()} on" in tried.stderr
    assert daemon_pids("worker") == before
