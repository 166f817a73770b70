import uuid

import pytest

from slipway import InputRefusedError
from slipway.completing import complete
from slipway_contracts.node_protocol import NodeState

PAYLOAD = {"payload_ref": {"input_uri": "https://example.org/job.yaml"}}
PLACED = PAYLOAD | {"management_node_id": "lab-id", "execution_profile": {"queue_name": "default"}}


@pytest.fixture
def completed():
    """Complete a draft among the given nodes, with ids drawn in order."""

    def run(draft, nodes=(), **options):
        drawn = iter(uuid.UUID(int=number << 100) for number in range(1, 9))
        return complete(
            draft,
            "eos",
            options,
            scope=lambda: ("t1", "w1", "u1"),
            nodes=lambda: list(nodes),
            draw=lambda: next(drawn),
        )

    return run


def refused(completed, *arguments, **options):
    with pytest.raises(InputRefusedError) as raised:
        completed(*arguments, **options)
    return raised.value


def test_what_a_draft_leaves_out_is_filled_in(completed, said):
    command = completed(PAYLOAD, [said.node()])
    assert (command.tenant_id, command.workspace_id, command.requested_by.user_id) == ("t1", "w1", "u1")
    assert (command.management_node_id, command.execution_profile.queue_name) == ("lab-id", "default")
    assert command.resource_shape.model_dump() == {"cpu": 1, "memory_mib": 1024, "walltime_seconds": 3600}
    assert command.job_id.startswith("eos-")
    assert uuid.UUID(command.idempotency_key)


def test_two_submits_of_one_file_are_two_jobs_unless_told_otherwise():
    def run():
        return complete(PLACED, "eos", {}, scope=lambda: ("t1", "w1", "u1"), nodes=list, draw=uuid.uuid4)

    one, two = run(), run()
    assert one.job_id != two.job_id
    assert one.idempotency_key != two.idempotency_key


def test_an_option_wins_over_the_file_and_the_file_over_the_default(completed):
    draft = PLACED | {"resource_shape": {"cpu": 4, "memory_mib": 2048}, "job_id": "file"}
    command = completed(draft, cpu=8, job_id="option", qos="fast", artifact_bucket="s3://lab/out")
    assert command.resource_shape.model_dump() == {"cpu": 8, "memory_mib": 2048, "walltime_seconds": 3600}
    assert (command.job_id, command.execution_profile.qos) == ("option", "fast")
    assert command.payload_ref.artifact_bucket == "s3://lab/out"


def test_nodes_are_not_asked_for_where_node_and_queue_are_known():
    def asked():
        raise AssertionError("nodes were asked for")

    complete(PLACED, "eos", {}, scope=lambda: ("t1", "w1", "u1"), nodes=asked, draw=uuid.uuid4)


def test_a_whole_command_needs_no_token_to_be_read(said):
    def asked():
        raise AssertionError("claims were asked for")

    draft = said.command().model_dump(exclude_none=True)
    assert complete(draft, "x", {}, scope=asked, nodes=list, draw=uuid.uuid4) == said.command()


def test_one_active_node_is_the_default_and_others_are_not_counted(completed, said):
    nodes = [said.node("old", state=NodeState.REVOKED), said.node("lab"), said.node("idle", state=NodeState.DRAINING)]
    assert completed(PAYLOAD, nodes).management_node_id == "lab-id"


def test_several_active_nodes_are_listed_to_choose_from(completed, said):
    error = refused(completed, PAYLOAD, [said.node("b"), said.node("a")])
    assert error.field == "management_node_id"
    assert "a, b" in error.reason
    assert "--node" in error.hint


def test_no_active_node_is_told_as_the_contract_does(completed):
    assert refused(completed, PAYLOAD, []).code == "management_node_not_found"


@pytest.mark.parametrize("wanted", ["b", "b-id"])
def test_a_node_may_be_chosen_by_name_or_id(wanted, completed, said):
    assert completed(PAYLOAD, [said.node("a"), said.node("b")], node=wanted).management_node_id == "b-id"


def test_a_node_that_is_not_the_tenants_is_for_the_gateway_to_refuse(completed, said):
    assert completed(PAYLOAD, [said.node("a")], node="other").management_node_id == "other"


@pytest.mark.parametrize(("queues", "chosen"), [(["only"], "only"), (["default", "gpu"], "default"), ([], "default")])
def test_the_queue_is_the_nodes_only_one_or_the_one_called_default(queues, chosen, completed, said):
    assert completed(PAYLOAD, [said.node(queues=queues)]).execution_profile.queue_name == chosen


def test_a_queue_that_is_named_is_taken_though_there_are_several(completed, said):
    command = completed(PAYLOAD, [said.node(queues=["long", "gpu"])], node="lab", queue="gpu")
    assert command.execution_profile.queue_name == "gpu"


def test_several_queues_are_listed_to_choose_from(completed, said):
    error = refused(completed, PAYLOAD, [said.node(queues=["long", "gpu"])])
    assert error.field == "execution_profile.queue_name"
    assert "gpu, long" in error.reason


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"resource_shape": {"cpu": 0}}, "resource_shape.cpu"),
        ({"resource_shape": {"cpu": "4"}}, "resource_shape.cpu"),
        ({"resource_shape": 3}, "resource_shape"),
        ({"colour": "red"}, "colour"),
        ({"payload_ref": {"input_uri": "job.yaml"}}, "payload_ref.input_uri"),
        ({"job_id": "a/b"}, "job_id"),
    ],
)
def test_a_field_that_does_not_hold_is_named_before_anything_is_sent(more, field, completed):
    error = refused(completed, PLACED | more)
    assert (error.code, error.field) == ("invalid_request", field)
    assert "docs/" not in error.hint  # an installed client has none
