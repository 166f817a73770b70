"""Protections taken out one by one, and the fault that each is there for: the matrix then finds harm."""

from pathlib import Path

import pytest
from laboratory import QUEUE, Laboratory, Victim, laboratory
from local_stack import wait_until
from matrix import Case, Flow
from product import counting_job, effects_of
from protections import MISSED_SECONDS, PROTECTIONS, Protection
from signed_node import SignedNode
from striking import JOB_SECONDS, REACHED_SECONDS, strike

from slipway_node import keys
from slipway_node.home import Home

pytestmark = [pytest.mark.service("aiida"), pytest.mark.service("slurm"), pytest.mark.timeout(300)]


@pytest.mark.parametrize("protection", PROTECTIONS, ids=lambda protection: protection.name)
def test_a_protection_that_is_taken_out_is_missed(tmp_path: Path, protection: Protection) -> None:
    with laboratory(tmp_path, without=protection.without) as lab:
        wrong = strike(lab, protection.case, ended_seconds=MISSED_SECONDS).wrong
    assert any(text.startswith(protection.harm) for text in wrong), wrong


def test_ids_that_nobody_derives_do_while_the_journal_keeps_them(tmp_path: Path) -> None:
    """What is missed without the derived ones is theirs, and not that the gateway knows these at all."""
    with laboratory(tmp_path, without="ids") as lab:
        assert not strike(lab, Case(Flow.RUN, "after gateway.ingest(accepted)", Victim.AGENT)).wrong


def test_an_agent_whose_node_another_one_has_taken_launches_nothing(tmp_path: Path) -> None:
    """As one on a copy of the machine, or one that was cut off and given up."""
    with laboratory(tmp_path) as lab:
        effects = _submitted_and_taken_over(lab)
        wait_until("the agent gave up", lambda: not lab.stack.node.process.running())
        assert effects_of(effects) == []
        assert lab.slurm_jobs() == set()


def test_without_its_epoch_it_would(tmp_path: Path) -> None:
    with laboratory(tmp_path, without="epoch") as lab:
        effects = _submitted_and_taken_over(lab)
        wait_until("the job ran", lambda: effects_of(effects) == ["began", "ended"])


def _submitted_and_taken_over(lab: Laboratory) -> Path:
    """Submit a job, and let another agent take node and job before this one has told that it has it; let it go on."""
    held = lab.director.arm("before gateway.ack")
    uri, effects = counting_job(lab.stack.shared, JOB_SECONDS)
    lab.stack.product.submit(uri, QUEUE)
    assert held.reached(REACHED_SECONDS)
    _take_the_node(lab)
    held.release()
    return effects


def _take_the_node(lab: Laboratory) -> None:
    """Start as another agent of this node, and take up what it was given."""
    home = Home(lab.stack.node.home)
    other = SignedNode(lab.stack.gateway, keys.load(home.key_file), home.identity().management_node_id)
    asks = {"epoch": other.heartbeat(), "journal_id": "another"}
    path = f"/api/runtime/nodes/{other.node_id}/commands"
    leased = other.post(f"{path}:lease", {**asks, "wait_seconds": 5})["commands"]
    acked = other.post(f"{path}:ack", {**asks, "command_ids": [command["command_id"] for command in leased]})
    assert [outcome["status"] for outcome in acked["outcomes"]] == [200]
