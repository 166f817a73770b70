"""A node that takes itself out of service."""

import json
from datetime import timedelta

import pytest
from lab import now

from slipway_contracts.node_protocol import DrainRequest, NodeState
from slipway_node.cli import stewarding
from slipway_node.ports import Phase


def test_a_drained_node_is_told_to_take_no_new_jobs(lab, steward):
    assert steward.run("drain") == 0
    assert lab.gateway.state is NodeState.DRAINING
    assert steward.out == "node lab takes no new jobs; what it was sent before goes on, and so do cancels\n"


def test_the_end_of_a_drain_lets_jobs_come_again(lab, steward):
    steward.run("drain")
    assert steward.run("drain", "--end") == 0
    assert lab.gateway.state is NodeState.ACTIVE
    assert steward.out == "node lab takes new jobs\n"


@pytest.mark.idempotency("node-protocol")
def test_a_second_drain_changes_nothing(lab, steward):
    assert [steward.run("drain"), steward.run("drain")] == [0, 0]
    assert lab.gateway.state is NodeState.DRAINING


def test_the_answer_is_printed_as_json(steward):
    steward.run("drain", "--json")
    assert json.loads(steward.out) == {"management_node_id": "node-1", "state": "draining"}


async def test_a_running_agent_hears_of_its_drain_and_finishes_what_it_has(lab, steward):
    submission_id = lab.submit()
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(submission_id))
        await stewarding._drain(lab.home, DrainRequest())
        beats = len(lab.gateway.beats)
        await lab.gateway.until(lambda: len(lab.gateway.beats) > beats + 1)
        lab.engine.set(submission_id, Phase.FINISHED)
        await lab.ended(submission_id)
    assert steward.run("status") == 0
    assert "node draining" in steward.out


def test_a_gateway_that_is_down_is_told_of_as_such(lab, steward):
    lab.gateway.down = True
    assert steward.run("drain") == 3
    assert steward.err.startswith("slipway-node: gateway.test: nobody listens (hint: ")


def test_a_revoked_node_is_told_so(lab, steward):
    lab.gateway.state = NodeState.REVOKED
    assert steward.run("drain") == 1
    assert "the node is revoked" in steward.err


def test_a_key_that_is_not_the_node_s_is_told_of_as_such(lab, steward):
    lab.gateway.public_key = "A" * 43
    assert steward.run("drain") == 1
    assert "is HOME/node.key the node's own" in steward.err


@pytest.mark.parametrize("skew", [timedelta(minutes=-10), timedelta(hours=3)], ids=["behind", "ahead"])
def test_a_clock_that_is_wrong_is_corrected_by_the_first_answer(lab, steward, monkeypatch, skew):
    monkeypatch.setattr("slipway_node.cli.stewarding.system_time", lambda: now() + skew)
    assert steward.run("drain") == 0
    assert lab.gateway.calls["drain"] == 2
