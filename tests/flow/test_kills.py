"""SIGKILL of each part in mid-job. What is counted is the job's own side effect, not a log."""

import json

import pytest
from local_stack import wait_for_node, wait_until
from product import Stack, counting_job, effects_of

pytestmark = [pytest.mark.service("aiida"), pytest.mark.timeout(300), pytest.mark.idempotency("execution-event")]

JOB_SECONDS = 4.0
EVENTS = ["accepted", "running", "completed"]


def begin(stack: Stack) -> tuple[str, object]:
    """Submit a counting job and return when it is in the middle of its work."""
    uri, effects = counting_job(stack.shared, JOB_SECONDS)
    job_id = stack.product.submit(uri)
    wait_until("the job began", lambda: effects_of(effects) == ["began"])
    return job_id, effects


def assert_once(stack: Stack, job_id: str, effects) -> None:
    """The job ended, its effect is there once, and each of its events is in the timeline once, in order."""
    assert stack.product.wait(job_id, timeout_seconds=120)["projection_state"] == "succeeded"
    assert effects_of(effects) == ["began", "ended"]
    events = [entry for entry in stack.product.timeline(job_id) if entry["kind"] == "event"]
    assert [entry["source_execution_state"] for entry in events] == EVENTS


def test_the_gateway_killed_in_mid_job_loses_and_doubles_nothing(stack: Stack) -> None:
    job_id, effects = begin(stack)
    stack.gateway.process.kill()
    wait_until("the job ended while no gateway was there", lambda: effects_of(effects) == ["began", "ended"])
    stack.gateway.start()
    assert_once(stack, job_id, effects)


def test_the_agent_killed_in_mid_job_loses_and_doubles_nothing(stack: Stack) -> None:
    job_id, effects = begin(stack)
    stack.node.process.kill()
    stack.node.start()
    assert_once(stack, job_id, effects)


def test_the_agent_killed_and_back_only_after_the_job_ended_still_tells_everything(stack: Stack) -> None:
    job_id, effects = begin(stack)
    stack.node.process.kill()
    wait_until("the job ended while no agent was there", lambda: effects_of(effects) == ["began", "ended"])
    stack.node.start()
    assert_once(stack, job_id, effects)


def test_aiidas_worker_killed_in_mid_job_loses_and_doubles_nothing(stack: Stack) -> None:
    job_id, effects = begin(stack)
    workers = stack.node.engine_processes("worker")
    assert workers, "no AiiDA worker was found to kill"
    for worker in workers:
        worker.kill()
    assert_once(stack, job_id, effects)


def test_aiidas_whole_daemon_killed_in_mid_job_loses_and_doubles_nothing(stack: Stack) -> None:
    job_id, effects = begin(stack)
    for process in stack.node.engine_processes("daemon"):
        process.kill()
    assert_once(stack, job_id, effects)


def test_the_agent_killed_before_it_acked_takes_the_job_up_again(stack: Stack) -> None:
    stack.node.process.kill()
    uri, effects = counting_job(stack.shared, 0)
    job_id = stack.product.submit(uri)
    stack.node.start()
    wait_for_node(stack.gateway, stack.node, stack.product.token)
    assert_once(stack, job_id, effects)


def test_everything_killed_at_once_in_mid_job_loses_and_doubles_nothing(stack: Stack) -> None:
    job_id, effects = begin(stack)
    stack.gateway.process.kill()
    stack.node.process.kill()
    for process in stack.node.engine_processes("daemon"):
        process.kill()
    stack.gateway.start()
    stack.node.start()
    assert_once(stack, job_id, effects)


def test_the_journal_lost_in_mid_job_is_rebuilt_from_commands_and_labels(stack: Stack) -> None:
    job_id, effects = begin(stack)
    stack.node.process.kill()
    for part in stack.node.home.glob("journal.db*"):
        part.unlink()
    stack.node.start()
    assert_once(stack, job_id, effects)


def test_after_the_loss_of_the_journal_an_untold_end_is_told_before_those_that_were_told(stack: Stack) -> None:
    told = [stack.product.submit(counting_job(stack.shared, 0)[0]) for _ in range(3)]
    for job_id in told:
        stack.product.wait(job_id)
    job_id, effects = begin(stack)
    stack.node.process.kill()
    for part in stack.node.home.glob("journal.db*"):
        part.unlink()
    before = len(stack.node.log.read_bytes())
    wait_until("the engine has ended it", lambda: is_at_rest(stack))
    assert stack.node.verdi("process", "list", "--raw", "--all").stdout.strip()  # it does say what it is asked
    stack.node.start()
    assert_once(stack, job_id, effects)
    wait_until("all are told again", lambda: {job_id, *told} <= set(completed_since(stack, before)))
    ends = completed_since(stack, before)
    assert ends.index(job_id) < min(map(ends.index, told))
    assert len(ends) == len(set(ends))


def is_at_rest(stack: Stack) -> bool:
    """Tell whether AiiDA says that none of its processes goes on."""
    asked = stack.node.verdi("process", "list", "--raw")
    return asked.returncode == 0 and not asked.stdout.strip()


def completed_since(stack: Stack, position: int) -> list[str]:
    """Return the jobs whose completion the agent wrote down, in that order, since its log had so many bytes."""
    lines = stack.node.log.read_bytes()[position:].decode().splitlines()
    told = [json.loads(line) for line in lines if line.startswith("{")]
    return [line["job_id"] for line in told if line["event"] == "event_recorded" and line["state"] == "completed"]
