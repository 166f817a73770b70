"""One command from lease to last event, with an engine that does as the test says."""

import httpx
import pytest
from lab import POLICY, Lab

from slipway_contracts.execution_event import ExecutionState
from slipway_node.agent.agent import Agent, StopTiming
from slipway_node.ports import Phase, RefusedJobError

ACCEPTED, RUNNING, COMPLETED, FAILED, CANCELLED = (
    ExecutionState.ACCEPTED,
    ExecutionState.RUNNING,
    ExecutionState.COMPLETED,
    ExecutionState.FAILED,
    ExecutionState.CANCELLED,
)


async def test_a_job_goes_through_every_state_in_order(lab):
    submission_id = lab.submit()
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(submission_id) == [ACCEPTED])
        lab.engine.set(submission_id, Phase.RUNNING)
        await lab.gateway.until(lambda: RUNNING in lab.gateway.states(submission_id))
        lab.engine.set(submission_id, Phase.FINISHED)
        await lab.ended(submission_id)
    assert lab.gateway.states(submission_id) == [ACCEPTED, RUNNING, COMPLETED]


async def test_nothing_starts_before_its_ack_was_answered(lab):
    submission_id = lab.submit()
    lab.gateway.answer_with = lambda call: httpx.Response(502, text="<html>") if call == "ack" else None
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.calls["ack"] >= 3)
        assert lab.engine.asked["launch"] == 0
        lab.gateway.answer_with = None
        await lab.gateway.until(lambda: lab.gateway.states(submission_id) == [ACCEPTED])


@pytest.mark.idempotency("node-protocol")
async def test_a_command_that_is_leased_twice_makes_one_process(lab):
    submission_id = lab.submit()
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(submission_id) == [ACCEPTED])
        held = lab.gateway.commands[lab.gateway.targets[submission_id].command_id]
        held.state = "pending"  # as if its ack had been lost with a gateway's backup
        await lab.gateway.until(lambda: held.state == "acked")
        lab.engine.set(submission_id, Phase.FINISHED)
        await lab.ended(submission_id)
    assert lab.engine.launched[submission_id] == 1


async def test_a_job_that_ends_between_two_looks_is_still_told_to_have_run(lab):
    lab.engine.first_phase = Phase.FINISHED
    submission_id = lab.submit()
    await lab.run_to_the_end(submission_id)
    assert lab.gateway.states(submission_id) == [ACCEPTED, RUNNING, COMPLETED]
    running = lab.gateway.applied[1]
    assert running.scheduler_ref.slurm_job_id == "1000"
    assert running.status_detail.startswith("scheduler job 1000 ran it, and it ended at ")
    assert running.occurred_at <= lab.gateway.applied[2].occurred_at


async def test_accepted_carries_no_scheduler_reference_and_what_follows_does(lab):
    lab.engine.first_phase = Phase.FINISHED
    submission_id = lab.submit(execution_profile={"queue_name": "narrow"})
    await lab.run_to_the_end(submission_id)
    accepted, *later = lab.gateway.applied
    assert accepted.scheduler_ref is None
    assert {event.scheduler_ref.partition for event in later} == {"thin"}


async def test_results_are_published_and_told_with_their_summary(lab):
    lab.engine.first_phase = Phase.FINISHED
    submission_id = lab.submit()
    await lab.run_to_the_end(submission_id)
    result = lab.gateway.applied[-1].result_ref
    assert result.output_uri == f"{lab.home.artifacts.as_uri()}/t1/w1/j1/{submission_id}/"
    assert result.summary == {"energy_ev": -213.03195}
    assert (lab.home.artifacts / "t1/w1/j1" / submission_id / "results.json").is_file()


async def test_nothing_of_an_ended_job_is_left_in_the_home(lab):
    lab.engine.first_phase = Phase.FINISHED
    submission_id = lab.submit()
    await lab.run_to_the_end(submission_id)
    assert not lab.home.workspace(submission_id).exists()
    assert not lab.home.collected(submission_id).exists()


async def test_a_failed_job_is_told_with_its_reason_and_what_it_left(lab):
    lab.engine.first_phase = Phase.FAILED
    submission_id = lab.submit()
    await lab.run_to_the_end(submission_id)
    assert lab.gateway.states(submission_id) == [ACCEPTED, FAILED]
    failed = lab.gateway.applied[-1]
    assert failed.error.code == "exit_310"
    assert failed.result_ref.output_uri.endswith(f"{submission_id}/")


async def test_a_refused_document_fails_the_job_with_its_own_code(lab):
    lab.engine.refusal = RefusedJobError("invalid_payload", "slipway.yaml:3: program: is missing")
    submission_id = lab.submit()
    await lab.run_to_the_end(submission_id)
    failed = lab.gateway.applied[0]
    assert (failed.state, failed.error.code) == (FAILED, "invalid_payload")
    assert failed.error.message == "slipway.yaml:3: program: is missing"
    assert failed.execution_id == submission_id


async def test_a_command_is_checked_again_with_the_policy_of_now(lab):
    submission_id = lab.submit(resource_shape={"cpu": 5, "memory_mib": 1, "walltime_seconds": 1})
    await lab.run_to_the_end(submission_id)
    failed = lab.gateway.applied[0]
    assert failed.error.code == "policy_rejected"
    assert failed.error.message == "resource_shape.cpu: 5 is over the queue's limit; allowed: 1..4"
    assert lab.engine.asked["launch"] == 0
    assert lab.fetched == []


async def test_a_payload_is_fetched_under_the_policy_s_prefixes_alone(lab):
    lab.engine.first_phase = Phase.FINISHED
    await lab.run_to_the_end(lab.submit())
    assert lab.fetched == [("data:,slipway", ("data:", "file:///inputs"))]


async def test_a_queue_runs_as_many_jobs_at_once_as_its_limit_says(lab):
    first, second = (lab.submit(job, execution_profile={"queue_name": "narrow"}) for job in ("j1", "j2"))
    other = lab.submit("j3")
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(first) and lab.gateway.states(other))
        assert lab.engine.launched[second] == 0
        lab.engine.set(first, Phase.FINISHED)
        await lab.gateway.until(lambda: lab.gateway.states(second) == [ACCEPTED])


async def test_a_job_that_was_cancelled_before_it_ran_is_not_told_to_have_run(lab):
    submission_id = lab.submit()
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(submission_id))
        looks = lab.engine.asked["observe"]
        lab.engine.set(submission_id, Phase.RETRIEVING)
        await lab.gateway.until(lambda: lab.engine.asked["observe"] > looks + 1)
        lab.engine.set(submission_id, Phase.KILLED)
        await lab.ended(submission_id)
    assert lab.gateway.states(submission_id) == [ACCEPTED, CANCELLED]


async def test_a_job_whose_results_are_being_fetched_leaves_its_place_to_the_next(lab):
    first, second, third = (lab.submit(job, execution_profile={"queue_name": "narrow"}) for job in ("j1", "j2", "j3"))
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(first))
        lab.engine.set(first, Phase.RETRIEVING)
        await lab.gateway.until(lambda: lab.gateway.states(second) == [ACCEPTED])
        lab.engine.set(first, Phase.FINISHED)
        await lab.gateway.until(lambda: lab.gateway.states(first) == [ACCEPTED, RUNNING, COMPLETED])
        assert lab.engine.launched[third] == 0
        lab.engine.set(second, Phase.RETRIEVING)
        await lab.gateway.until(lambda: lab.gateway.states(third) == [ACCEPTED])


async def test_the_engine_s_workers_are_given_no_more_than_they_can_have_in_hand(lab):
    lab.engine.first_phase = Phase.RETRIEVING
    bound = lab.timing.in_hand
    submissions = [lab.submit(f"j{number}") for number in range(bound + 2)]
    async with lab.agent():
        await lab.gateway.until(lambda: all(lab.gateway.states(key) for key in submissions[:bound]))
        assert lab.engine.launched.total() == bound
        lab.engine.set(submissions[0], Phase.FINISHED)
        await lab.gateway.until(lambda: lab.gateway.states(submissions[bound]))
        assert lab.engine.launched.total() == bound + 1


async def test_what_the_scheduler_has_is_in_no_worker_s_hand(lab):
    submissions = [lab.submit(f"j{number}") for number in range(20)]
    async with lab.agent():  # where each is pending from its launch on
        await lab.gateway.until(lambda: all(lab.gateway.states(key) == [ACCEPTED] for key in submissions))


async def test_a_wider_limit_in_the_policy_file_lets_the_next_job_start(lab):
    first, second = (lab.submit(job, execution_profile={"queue_name": "narrow"}) for job in ("j1", "j2"))
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(first))
        lab.write_policy(POLICY.replace("jobs: 1", "jobs: 2"))
        await lab.gateway.until(lambda: lab.gateway.states(second) == [ACCEPTED])


async def test_the_engine_is_told_of_programs_that_the_policy_gains(lab):
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.beats)
        lab.write_policy(POLICY.replace("python3: }", "python3: , lmp: /opt/lmp}"))
        await lab.gateway.until(lambda: lab.engine.program_paths == {"lmp": "/opt/lmp"})
    assert lab.engine.policy.programs == ["lmp", "python3"]


async def test_a_policy_file_that_does_not_hold_changes_nothing_and_is_told(lab):
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.beats)
        version = lab.gateway.beats[-1].policy.policy_version
        lab.write_policy("queues: 7")
        await lab.gateway.until(lambda: "policy_error" in lab.gateway.beats[-1].health)
        assert lab.gateway.beats[-1].policy.policy_version == version
        lab.submit()
        await lab.gateway.until(lambda: lab.gateway.applied)


async def test_an_engine_that_cannot_be_asked_changes_nothing(lab):
    submission_id = lab.submit()
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(submission_id) == [ACCEPTED])
        lab.engine.unavailable = True
        asked = lab.engine.asked["observe"]
        await lab.gateway.until(lambda: lab.engine.asked["observe"] > asked + 2)
        assert lab.gateway.states(submission_id) == [ACCEPTED]
        lab.engine.unavailable = False
        lab.engine.set(submission_id, Phase.FINISHED)
        await lab.ended(submission_id)


async def test_an_engine_that_comes_up_late_is_waited_for(lab):
    lab.engine.unavailable = True
    submission_id = lab.submit()
    async with lab.agent():
        await lab.gateway.until(lambda: lab.engine.asked["start"] >= 3)
        await lab.gateway.until(lambda: lab.gateway.beats[-1].health.get("engine") == "unavailable")
        assert lab.gateway.calls["lease"] == 0
        lab.engine.unavailable = False
        await lab.gateway.until(lambda: lab.gateway.states(submission_id) == [ACCEPTED])


async def test_a_process_that_was_never_taken_up_is_resumed(lab):
    lab.engine.first_phase = Phase.CREATED
    submission_id = lab.submit()
    async with lab.agent():
        await lab.gateway.until(lambda: lab.engine.processes and lab.engine.asked["resume"])
        lab.engine.set(submission_id, Phase.FINISHED)
        await lab.ended(submission_id)


async def test_a_process_that_the_engine_does_not_know_is_no_failure(lab):
    submission_id = lab.submit()
    async with lab.agent() as agent:
        await lab.gateway.until(lambda: lab.gateway.states(submission_id) == [ACCEPTED])
        process = lab.engine.processes.pop(submission_id)
        await lab.gateway.until(lambda: submission_id in agent._context.sight.troubles.told())
        assert lab.gateway.states(submission_id) == [ACCEPTED]
        lab.engine.processes[submission_id] = process
        lab.engine.set(submission_id, Phase.FINISHED)
        await lab.ended(submission_id)
        await lab.gateway.until(lambda: not agent._context.sight.troubles.told())


async def test_why_an_end_is_not_told_yet_is_told_until_it_is(lab):
    submission_id = lab.submit()
    async with lab.agent() as agent:
        await lab.gateway.until(lambda: lab.gateway.states(submission_id) == [ACCEPTED])
        lab.engine.set(submission_id, Phase.RETRIEVING, trouble="sacct: no route")
        told = agent._context.sight.troubles.told
        await lab.gateway.until(lambda: told() == {submission_id: "watch: sacct: no route"})
        lab.engine.set(submission_id, Phase.FINISHED)
        await lab.ended(submission_id)
        assert not told()


async def test_a_fault_in_one_job_leaves_the_others_alone(lab):
    async def fetch(uri, workspace, prefixes):
        if workspace.name == broken:
            raise ZeroDivisionError
        await Lab.fetch(lab, uri, workspace, prefixes)

    lab.fetch = fetch
    broken, sound = lab.submit("j1"), lab.submit("j2")
    async with lab.agent() as agent:
        await lab.gateway.until(lambda: lab.gateway.states(sound) == [ACCEPTED])
        await lab.gateway.until(lambda: broken in agent._context.sight.troubles.told())
    assert lab.gateway.states(broken) == []


async def test_two_hundred_jobs_go_through(lab):
    lab.engine.first_phase = Phase.FINISHED
    submissions = [lab.submit(f"j{number}") for number in range(200)]
    async with lab.agent():
        await lab.gateway.until(lambda: all(COMPLETED in lab.gateway.states(held) for held in submissions[-1:]), 60)
        for submission_id in submissions:
            await lab.ended(submission_id)
    assert set(lab.engine.launched.values()) == {1}
    assert lab.gateway.refused == []


async def test_a_stopped_agent_has_delivered_and_leaves_no_engine_running(lab):
    submission_id = lab.submit()
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(submission_id) == [ACCEPTED])
    assert lab.engine.asked["stop"] == 1


async def test_an_engine_that_is_to_be_left_running_is_left(lab):
    async with lab.context() as context:

        def stop() -> None:
            agent.stop()

        agent = Agent(context, stop=StopTiming(keep_engine=True), on_ready=stop)
        await agent.run()
    assert lab.engine.asked["stop"] == 0


async def test_an_agent_that_is_stopped_before_its_engine_is_up_stops_at_once(lab):
    lab.engine.unavailable = True
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.beats)
    assert lab.engine.asked["stop"] == 1
