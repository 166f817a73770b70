"""AiiDA on the admin's RabbitMQ, which may go and come back, and give a task twice."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path

import pytest

from slipway_node.aiida import brokers, queries, submission
from slipway_node.aiida.profile import SchedulerKind
from slipway_node.amqp_address import amqp_address
from slipway_node.ports import EngineUnavailableError, Phase, Placement

pytestmark = [
    pytest.mark.service("aiida"),
    pytest.mark.service("slurm"),
    pytest.mark.service("rabbitmq"),
    pytest.mark.parametrize("broker", ["rabbitmq"], indirect=True, scope="module"),
]

SCHEDULER = SchedulerKind.SLURM
PLACEMENT = Placement(partition=None, account=None, qos=None, cpu=1, memory_mib=100, walltime_seconds=60)


async def test_a_job_runs_to_its_end(lab, here, tmp_path):
    submission_id, execution_id = await lab.run_sh("echo here I am", **here)

    ended = await lab.until_ended(submission_id)
    collected = await lab.engine.collect(execution_id, tmp_path / "results")

    assert ended.phase is Phase.FINISHED
    assert collected.summary["output_tail"] == "here I am"


async def test_health_tells_the_broker_and_whether_it_answers(lab):
    health = await lab.engine.health()

    assert (health["broker_kind"], health["broker"], health["workers"]) == ("rabbitmq", "running", 1)


@pytest.mark.idempotency("node-protocol")
@pytest.mark.usefixtures("at_once")
async def test_a_process_that_was_stored_and_never_queued_is_continued_once(lab, here, tmp_path, monkeypatch):
    counter = tmp_path / "counter"
    with monkeypatch.context() as killed_before_the_queue:
        killed_before_the_queue.setattr(submission, "hand_over", lambda _: None)
        submission_id, execution_id = await lab.run_sh(f"echo ran >> {counter}; sleep 1", **here)

    while (await lab.observed(submission_id)).phase is Phase.CREATED:
        await lab.engine.resume([execution_id])

    assert (await lab.until_ended(submission_id)).phase is Phase.FINISHED
    assert counter.read_text() == "ran\n"


@pytest.mark.usefixtures("at_once")
async def test_a_process_whose_task_waits_in_the_queue_is_not_continued(lab, engine, here, tmp_path):
    counter = tmp_path / "counter"
    await engine._thread.run(engine._daemon.stop)
    submission_id, execution_id = await lab.run_sh(f"echo ran >> {counter}", **here)

    left_behind = await engine._thread.run(submission.left_behind, [execution_id])
    looked_again = await engine._thread.run(submission.left_behind, [execution_id])

    assert left_behind == looked_again == []
    assert (await lab.until_ended(submission_id)).phase is Phase.FINISHED
    assert counter.read_text() == "ran\n"


@pytest.mark.idempotency("node-protocol")
async def test_a_process_that_is_handed_over_twice_runs_once(lab, engine, here, tmp_path):
    counter = tmp_path / "counter"
    submission_id, execution_id = await lab.run_sh(f"echo ran >> {counter}; sleep 1", **here)
    pk = await engine._thread.run(lambda: queries.node_of(execution_id).pk)

    await engine._thread.run(submission.hand_over, pk)
    ended = await lab.until_ended(submission_id)

    assert ended.phase is Phase.FINISHED
    assert counter.read_text() == "ran\n"
    await lab.until(submission_id, lambda _: not in_hand(pk))  # the second task is done with too


@pytest.mark.usefixtures("at_once")
async def test_a_job_that_outlasts_rabbitmqs_patience_runs_once_also_when_its_worker_dies_then(
    lab, here, tmp_path, rabbitmq, daemon_pids
):
    counter = tmp_path / "counter"
    (hold := tmp_path / "hold").touch()
    submission_id, _ = await lab.run_sh(f"echo ran >> {counter}; while [ -e {hold} ]; do sleep 0.2; done", **here)
    before = rabbitmq.times_out_of_patience()
    await lab.until(submission_id, lambda _: rabbitmq.times_out_of_patience() > before)

    [worker] = daemon_pids("worker")
    os.kill(worker, signal.SIGKILL)
    hold.unlink()
    ended = await lab.until_ended(submission_id)

    assert ended.phase is Phase.FINISHED
    assert counter.read_text() == "ran\n"


@pytest.mark.parametrize("with_it", [[], ["worker", "start-circus"]], ids=["RabbitMQ", "RabbitMQ and the daemon"])
@pytest.mark.usefixtures("at_once")
async def test_a_job_outlives_kill_9_of_rabbitmq_and_runs_once(lab, here, tmp_path, rabbitmq, daemon_pids, with_it):
    counter = tmp_path / "counter"
    submission_id, _ = await lab.run_sh(f"echo ran >> {counter}; sleep 3", **here)
    await lab.until_written(submission_id, counter)

    await asyncio.to_thread(rabbitmq.kill)
    for word in with_it:
        [os.kill(pid, signal.SIGKILL) for pid in daemon_pids(word)]
    away = await lab.engine.health()
    seen = await lab.observed(submission_id)
    with pytest.raises(EngineUnavailableError):
        await lab.run_sh("true", **here)
    await asyncio.to_thread(rabbitmq.start)
    ended = await lab.until_ended(submission_id)
    after, _ = await lab.run_sh("true", **here)

    assert away["broker"] == "down"
    assert seen.phase in (Phase.PENDING, Phase.RUNNING)
    assert ended.phase is Phase.FINISHED
    assert counter.read_text() == "ran\n"
    assert (await lab.until_ended(after)).phase is Phase.FINISHED


def test_the_password_stands_in_aiidas_configuration_and_nowhere_else(engine, rabbitmq):
    password = amqp_address(rabbitmq.url).password
    # In a process of its own: to close a database's file here would end this process's locks on it. SQLite then takes
    # its log away when the workers die, and this process reads the old one for ever.
    found = subprocess.run(["grep", "-rlF", password, engine._home], capture_output=True, text=True, check=True)
    files = [Path(line) for line in found.stdout.splitlines()]

    assert {file.name.partition(".json")[0] for file in files} == {"config"}  # AiiDA keeps copies of older ones
    assert not any(file.stat().st_mode & 0o077 for file in files)


def in_hand(pk: int) -> bool:
    return bool(brokers.of_profile().in_hand([pk]))
