"""What AiiDA has in hand outlives the death of who had it, lost tasks and a full disk; and what is killed ends."""

import os
import signal
from pathlib import Path

import pytest

from slipway_node.aiida import brokers, queries, submission, verdicts
from slipway_node.aiida.daemon import Daemon
from slipway_node.aiida.profile import COMPUTER, SchedulerKind
from slipway_node.aiida.supervision import Supervision
from slipway_node.ports import EngineUnavailableError, Phase, Placement

pytestmark = pytest.mark.service("aiida")

SCHEDULER = SchedulerKind.DIRECT
PLACEMENT = Placement(partition=None, account=None, qos=None, cpu=1, memory_mib=256, walltime_seconds=60)


async def test_a_running_job_is_killed_with_its_processes(lab, tmp_path):
    marker = tmp_path / "pid"
    submission_id, execution_id = await lab.run_sh(f"echo $$ > {marker}; exec sleep 60")
    await lab.until_written(submission_id, marker)

    assert await lab.engine.kill(execution_id)
    ended = await lab.until_ended(submission_id)

    assert ended.phase is Phase.KILLED
    extras = await lab.engine._thread.run(lambda: queries.node_of(execution_id).base.extras.all)
    assert extras[verdicts.CANCEL_EXTRA]
    await lab.until(submission_id, lambda _: not _is_alive(int(marker.read_text())))


@pytest.mark.idempotency("cancel-job-command")
async def test_a_second_kill_changes_nothing(lab):
    submission_id, execution_id = await lab.run_sh("sleep 60")
    await lab.engine.kill(execution_id)

    await lab.engine.kill(execution_id)

    assert (await lab.until_ended(submission_id)).phase is Phase.KILLED


@pytest.mark.idempotency("node-protocol")
@pytest.mark.usefixtures("at_once")
async def test_a_process_that_was_stored_and_never_queued_is_continued_once(lab, tmp_path, monkeypatch):
    counter = tmp_path / "counter"
    with monkeypatch.context() as killed_before_the_queue:
        killed_before_the_queue.setattr(submission, "hand_over", lambda _: None)
        submission_id, execution_id = await lab.run_sh(f"echo ran >> {counter}; sleep 1")
    assert (await lab.observed(submission_id)).phase is Phase.CREATED

    monkeypatch.setattr("slipway_node.aiida.submission.SETTLE_SECONDS", 0.0)
    await lab.engine.resume([execution_id])
    monkeypatch.setattr("slipway_node.aiida.submission.SETTLE_SECONDS", 5.0)
    ends = {Phase.FINISHED, Phase.FAILED, Phase.KILLED}
    while (seen := await lab.observed(submission_id)).phase not in ends:
        await lab.engine.resume([execution_id])

    assert seen.phase is Phase.FINISHED
    assert counter.read_text() == "ran\n"


@pytest.mark.usefixtures("at_once")
async def test_a_process_that_was_stored_and_never_queued_can_be_killed(lab, tmp_path, monkeypatch):
    counter = tmp_path / "counter"
    with monkeypatch.context() as killed_before_the_queue:
        killed_before_the_queue.setattr(submission, "hand_over", lambda _: None)
        submission_id, execution_id = await lab.run_sh(f"echo ran >> {counter}")

    await lab.engine.kill(execution_id)

    assert (await lab.until_ended(submission_id)).phase is Phase.KILLED
    assert not counter.exists()


@pytest.mark.parametrize("victims", [["worker"], ["broker"], ["start-circus"], ["worker", "broker", "start-circus"]])
@pytest.mark.usefixtures("at_once")
async def test_a_job_outlives_kill_9_of_the_daemon_and_runs_once(lab, tmp_path, daemon_pids, victims):
    counter = tmp_path / "counter"
    submission_id, _ = await lab.run_sh(f"echo ran >> {counter}; sleep 3")
    await lab.until_written(submission_id, counter)

    pids = [pid for word in victims for pid in daemon_pids(word)]
    assert len(pids) == len(victims)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    ended = await lab.until_ended(submission_id)

    assert ended.phase is Phase.FINISHED
    assert counter.read_text() == "ran\n"
    assert len(daemon_pids("worker")) == 1
    assert len(daemon_pids("stats")) == 1


@pytest.mark.usefixtures("at_once")
async def test_tasks_that_the_broker_has_lost_are_continued_by_the_next_daemon(lab, tmp_path, daemon_pids):
    counter = tmp_path / "counter"
    submission_id, _ = await lab.run_sh(f"echo ran >> {counter}; sleep 3")
    await lab.until_written(submission_id, counter)

    for pid in [pid for word in ("start-circus", "worker", "broker") for pid in daemon_pids(word)]:
        os.kill(pid, signal.SIGKILL)
    _lose_tasks(lab.engine)

    assert (await lab.until_ended(submission_id)).phase is Phase.FINISHED
    assert counter.read_text() == "ran\n"


@pytest.fixture
def next_agent(engine):
    """Have the engine know what one knows that has only just begun, after the last one was killed."""

    def begin() -> None:
        engine._daemon = Daemon(1)
        engine._supervision = Supervision(engine._daemon)

    return begin


def _lose_tasks(engine) -> None:
    tasks = list((engine._home / "aiida" / ".aiida" / "broker").glob("*/storage/tasks/*/*.json"))
    assert tasks
    for task in tasks:
        task.unlink()


@pytest.mark.idempotency("node-protocol")
@pytest.mark.usefixtures("at_once")
async def test_what_was_dropped_is_continued_by_the_next_agent_where_the_last_one_was_killed_before_it_could(
    lab, engine, tmp_path, next_agent
):
    counter, go_on = tmp_path / "counter", tmp_path / "go-on"
    submission_id, _ = await lab.run_sh(f"echo ran >> {counter}; until [ -e {go_on} ]; do sleep 0.1; done")
    await lab.until_written(submission_id, counter)

    await engine._thread.run(engine._daemon.stop)
    _lose_tasks(engine)
    await engine._thread.run(engine._daemon.restart)
    assert engine._daemon.dropped
    go_on.touch()
    next_agent()
    await engine.start()

    assert (await lab.until_ended(submission_id)).phase is Phase.FINISHED
    assert counter.read_text() == "ran\n"


async def test_a_daemon_that_has_dropped_nothing_is_taken_over_as_it_is(lab, engine, tmp_path, daemon_pids, next_agent):
    counter = tmp_path / "counter"
    submission_id, _ = await lab.run_sh(f"echo ran >> {counter}; sleep 1")
    await lab.until_written(submission_id, counter)
    [worker] = daemon_pids("worker")

    next_agent()
    await engine.start()

    assert daemon_pids("worker") == [worker]
    assert (await lab.until_ended(submission_id)).phase is Phase.FINISHED
    assert counter.read_text() == "ran\n"


async def test_a_task_that_the_broker_has_not_taken_is_not_counted_as_queued(lab, engine, daemon_pids, monkeypatch):
    submission_id, execution_id = await lab.run_sh("true")
    await lab.until_ended(submission_id)  # so that a task that comes late does nothing
    pk = await engine._thread.run(lambda: queries.node_of(execution_id).pk)
    monkeypatch.setattr(brokers, "TAKEN_SECONDS", 0.5)
    [broker] = daemon_pids("broker")

    os.kill(broker, signal.SIGSTOP)
    try:
        with pytest.raises(EngineUnavailableError):
            await engine._thread.run(submission.hand_over, pk)
    finally:
        os.kill(broker, signal.SIGCONT)


@pytest.mark.usefixtures("at_once")
async def test_a_daemon_that_a_full_disk_has_failed_is_exchanged_once_there_is_room(
    lab, tmp_path, daemon_pids, monkeypatch
):
    counter = tmp_path / "counter"
    submission_id, _ = await lab.run_sh(f"echo ran >> {counter}; sleep 3")
    await lab.until_written(submission_id, counter)
    [worker] = daemon_pids("worker")

    with monkeypatch.context() as full:
        full.setattr("slipway_node.aiida.engine.why_not_writable", lambda folder: f"{folder} is full")
        with pytest.raises(EngineUnavailableError, match="is full"):
            await lab.engine.health()
        assert daemon_pids("worker") == [worker]

    assert (await lab.until_ended(submission_id)).phase is Phase.FINISHED
    assert counter.read_text() == "ran\n"
    assert worker not in daemon_pids("worker")


def test_the_daemon_stands_where_nothing_lies_that_its_broker_could_remove(daemon_pids):
    pids = [pid for word in ("start-circus", "broker", "worker") for pid in daemon_pids(word)]

    [folder] = {Path(f"/proc/{pid}/cwd").readlink() for pid in pids}

    assert list(folder.iterdir()) == []


@pytest.fixture
async def stored(engine):
    """Have AiiDA know processes in some state, which no worker will ever hear of."""
    from aiida.orm import CalcJobNode, load_computer

    nodes = []

    def store(status: str, *, paused: bool = True, state: str = "waiting"):
        node = CalcJobNode(computer=load_computer(COMPUTER))
        for name, value in {"paused": paused, "process_state": state, "process_status": status}.items():
            node.base.attributes.set(name, value)
        nodes.append(node.store())
        return nodes[-1]

    def end() -> None:
        for node in nodes:
            node.base.attributes.set("process_state", "killed")

    yield store
    await engine._thread.run(end)


async def test_what_aiida_gave_up_goes_on_unless_there_is_no_room_for_it(engine, stored, monkeypatch):
    killed, played = [], []
    monkeypatch.setattr("aiida.engine.processes.control.kill_processes", lambda nodes, **_: killed.extend(nodes))
    monkeypatch.setattr("aiida.engine.processes.control.play_processes", lambda nodes, **_: played.extend(nodes))
    monkeypatch.setattr("slipway_node.aiida.work_directory.why_not_writable", lambda folder: f"{folder} is full")
    gave_up = "Pausing after failed transport task: {} failed 5 times consecutively"

    def see():
        upload, submit = (stored(gave_up.format(f"{task}_calculation")) for task in ("upload", "submit"))
        stored("Paused through `verdi process pause`")
        stored(gave_up.format("upload_calculation"), state="killed")
        stored(gave_up.format("upload_calculation"), paused=False)
        submission.see_to_what_gave_up()
        return ([it.pk for it in nodes] for nodes in ([upload], [submit], killed, played))

    upload, submit, were_killed, were_played = await engine._thread.run(see)

    assert (were_killed, were_played) == (upload, submit)


async def test_health_tells_of_daemon_and_workers(lab):
    health = await lab.engine.health()

    assert health["scheduler"] == "direct"
    assert (health["daemon"], health["workers"], health["broker"]) == ("running", 1, "running")
    assert health["scheduler_answers"] is True


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_of_two_with_one_number_that_one_is_cancelled_whose_cancel_was_asked_for(engine, stored):
    """As where a killed controller has forgotten the one, and given its number to the other."""
    from slipway_node.aiida import slurm_scheduler  # with an engine, whose `verdi` AiiDA looks for as it is imported

    def see():
        nodes = {folder: stored("") for folder in ("/work/lost", "/work/other")}
        for folder, node in nodes.items():
            node.set_job_id("4711")
            node.set_remote_workdir(folder)
        before = slurm_scheduler._folders_to_cancel("4711")
        submission.note_cancel(nodes["/work/lost"].uuid)
        return before, slurm_scheduler._folders_to_cancel("4711"), slurm_scheduler._folders_to_cancel("4712")

    before, after, of_none = await engine._thread.run(see)

    assert sorted(before) == ["/work/lost", "/work/other"]  # somebody's own `verdi process kill`
    assert after == ["/work/lost"]
    assert of_none == []
