"""The points that an agent's step is at."""

import json

from matrix import AGENT_STEPS, Flow
from subjects import Subjects

from slipway_contracts.execution_event import ExecutionEvent, ExecutionState
from slipway_contracts.node_protocol import CommandKind, NodeCommand
from slipway_node.journal import Delivery, OutboxState

SUBMIT = NodeCommand.model_construct(command_id="c1", kind=CommandKind.SUBMIT)
CANCEL = NodeCommand.model_construct(command_id="c2", kind=CommandKind.CANCEL)
STATES = list(ExecutionState)
EVENTS = [ExecutionEvent.model_construct(event_id=f"e-{state}", state=state) for state in STATES]
ACCEPTED, RUNNING, *ENDS = EVENTS


def bodies(*events: ExecutionEvent) -> list[str]:
    return [json.dumps({"event_id": event.event_id, "state": event.state}) for event in events]


def delivered(*events: ExecutionEvent) -> list[Delivery]:
    return [Delivery(event.event_id, OutboxState.DELIVERED) for event in events]


def test_a_point_has_the_subject_of_its_step_however_often_that_was_taken() -> None:
    subjects = Subjects()
    assert subjects.of_journal("record_leased", [[SUBMIT, CANCEL]]) == ["journal.record_leased"]
    assert subjects.of_journal("record_acks", [["c1"], []]) == ["journal.record_acks(submit)"]
    assert subjects.of_journal("record_acks", [[], ["c2"]]) == ["journal.record_acks(cancel)"]
    assert subjects.of_journal("record_launch", [SUBMIT, ACCEPTED]) == ["journal.record_launch"]
    assert subjects.of_journal("record_deliveries", [delivered(ACCEPTED)]) == ["journal.record_deliveries(accepted)"]
    for end in ENDS:  # with nobody having seen it run
        assert subjects.of_journal("record_events", [[end]]) == ["journal.record_events(end)"]
        assert [subjects.of_ingest(bodies(end)) for _ in range(2)] == [["gateway.ingest(end)"]] * 2
        assert subjects.of_journal("record_deliveries", [delivered(end)]) == ["journal.record_deliveries(end)"]


def test_a_step_that_is_about_several_is_at_the_point_of_each() -> None:
    subjects = Subjects()
    assert subjects.of_ingest(bodies(ACCEPTED, RUNNING)) == ["gateway.ingest(accepted)", "gateway.ingest(running)"]
    assert subjects.of_ingest(bodies(*ENDS)) == ["gateway.ingest(end)"]
    assert subjects.of_journal("record_deliveries", [delivered(ACCEPTED, ENDS[0])]) == [
        "journal.record_deliveries(accepted)",
        "journal.record_deliveries(end)",
    ]


def test_what_another_process_has_met_has_no_subject_here() -> None:
    assert Subjects().of_journal("record_acks", [["c1"], []]) == ["journal.record_acks"]


def test_no_flow_has_a_point_twice() -> None:
    for flow in Flow:
        assert len(set(AGENT_STEPS[flow])) == len(AGENT_STEPS[flow])
