"""The lines that tell of a job carry the contract's fields, also where the gateway refused it or took it back."""

from collections.abc import Mapping
from typing import Any

import httpx
from structlog.testing import capture_logs
from wire_gateway import WireGateway, problem_outcome

from slipway_contracts.errors import Code
from slipway_contracts.execution_event import ExecutionState
from slipway_node.agent.logs import fields_of


def line_of(lines: list[Mapping[str, Any]], event: str) -> Mapping[str, Any]:
    (line,) = [line for line in lines if line["event"] == event]
    return line


def flow_of(gateway: WireGateway, submission_id: str) -> dict[str, str]:
    return fields_of(gateway.targets[submission_id])


async def test_a_dead_letters_line_names_the_job_and_the_event(lab):
    refusal = httpx.Response(200, json={"outcomes": [problem_outcome(Code.INVALID_EVENT)]})
    lab.gateway.answer_with = lambda call: refusal if call == "batchIngest" else None
    submission_id = lab.submit()
    with capture_logs() as lines:
        async with lab.agent():
            await lab.gateway.until(lambda: lab.gateway.calls["batchIngest"] >= 1)
    line = line_of(lines, "dead_letter")
    recorded = line_of(lines, "event_recorded")
    assert line.items() >= flow_of(lab.gateway, submission_id).items()
    assert {name: line[name] for name in ("execution_id", "event_id", "state")} == {
        name: recorded[name] for name in ("execution_id", "event_id", "state")
    }


async def test_a_dropped_commands_line_names_its_job(lab):
    withdrawn, later = lab.submit("j1"), lab.submit("j2")

    async def cancel_first(call: str) -> None:
        if call == "ack":
            lab.gateway.cancel(withdrawn)

    lab.gateway.before = cancel_first
    with capture_logs() as lines:
        async with lab.agent():
            await lab.gateway.until(lambda: lab.gateway.states(later) == [ExecutionState.ACCEPTED])
    line = line_of(lines, "command_dropped")
    assert line.items() >= flow_of(lab.gateway, withdrawn).items()
    assert (line["kind"], line["command_id"]) == ("submit", lab.gateway.targets[withdrawn].command_id)
