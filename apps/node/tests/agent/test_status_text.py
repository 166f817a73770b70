from datetime import UTC, datetime

import pytest
from test_journal import command

from slipway_contracts.execution_event import ExecutionState
from slipway_node.agent.sighting import SightFile
from slipway_node.journal import CommandState
from slipway_node.lock import this_process
from slipway_node.status import OpenExecution, Status
from slipway_node.status_text import engine_lines, status_text

WELL = {"engine": "aiida", "scheduler": "slurm", "scheduler_answers": True, "daemon": "running", "brought_back": 0}


def test_an_engine_that_is_well_takes_one_line():
    assert engine_lines(WELL) == [
        "engine:        engine aiida, scheduler slurm, scheduler_answers yes, daemon running, brought_back 0"
    ]


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (
            {"scheduler_answers": False, "scheduler_trouble": "sinfo is not installed on this node"},
            "scheduler:     cannot be used: sinfo is not installed on this node",
        ),
        (
            {"scheduler_warning": "ProctrackType is proctrack/pgid"},
            "scheduler:     not set up as it has to be: ProctrackType is proctrack/pgid",
        ),
        ({"silent": {"broker": "it gives no sign of life"}}, "silent:        broker: it gives no sign of life"),
        (
            {"last_brought_back": {"what": "worker", "why": "it was stopped", "at": "2026-01-02T03:04:05+00:00"}},
            "brought back:  last the worker, at 2026-01-02T03:04:05+00:00: it was stopped",
        ),
    ],
)
def test_trouble_has_a_line_of_its_own(told, line):
    first, *others = engine_lines({**WELL, **told})

    assert others == [line]
    assert line.partition(": ")[2].strip() not in first


def test_what_an_older_agent_wrote_is_shown_too():
    assert engine_lines({"engine": "unavailable", "detail": "no daemon"}) == [
        "engine:        engine unavailable, detail no daemon"
    ]


SEEN_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
EXECUTION = OpenExecution(
    **command("c1").model_dump(include={"submission_id", "job_id", "workspace_id"}),
    state=CommandState.LAUNCHED,
    execution_id="e1",
    reported=ExecutionState.ACCEPTED,
    trouble="finish: no room",
)


def status(*, agent_alive: bool | None) -> Status:
    return Status(
        node_name="lab",
        management_node_id="n1",
        tenant_id="t1",
        gateway_url="http://gateway.test",
        read_at=SEEN_AT,
        agent=this_process(),
        agent_alive=agent_alive,
        home_trouble=None,
        seen=SightFile(written_at=SEEN_AT, policy_version="v1", engine=WELL),
        journal_id="i1",
        commands={CommandState.LAUNCHED: 1},
        open_executions=[EXECUTION],
        open_cancels=0,
        outbox={},
        dead_letters=[],
    )


def test_what_a_running_agent_sees_is_told_with_when_it_was_seen():
    text = status_text(status(agent_alive=True))
    assert "seen:          at 2026-01-02T03:04:05+00:00\n" in text
    assert "; tried again: finish: no room" in text


@pytest.mark.parametrize("agent_alive", [False, None])
def test_what_an_agent_saw_that_is_gone_or_perhaps_is_told_as_of_then(agent_alive):
    lines = status_text(status(agent_alive=agent_alive)).splitlines()
    at = lines.index("last seen:     at 2026-01-02T03:04:05+00:00; down to the policy all is as it was then")
    began = [line.partition(":")[0] for line in lines[at + 1 :]]
    assert began[:5] == ["last contact", "lease", "clock", "engine", "policy"]
    assert not {"last contact", "lease", "clock", "engine", "policy"} & {line.partition(":")[0] for line in lines[:at]}
    assert lines[-1].endswith("; was tried again: finish: no room")
