"""One command from lease to last event, with an engine that does as the test says."""

from slipway_contracts.execution_event import ExecutionState
from slipway_node.ports import Phase

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
