from datetime import UTC, datetime

import pytest

from slipway import ConfigurationError, InputRefusedError, Slipway
from slipway.batches import batches
from slipway_contracts.cancel_job_command import CancelAccepted
from slipway_contracts.projection_update import ProjectionState
from slipway_contracts.reads import Job, JobPage, NodeList
from slipway_contracts.submit_job_command import BATCH_MAX_BYTES, BatchSubmitResponse, SubmitJobCommand, SubmitOutcome

SUBMIT = ("POST", "/api/runtime/jobs:submit")


def test_a_submit_sends_the_whole_command_with_the_bearers_token(client, wire, said):
    wire.on(*SUBMIT, said.ok(said.accepted(), 202))
    submission = client.submit_command(said.command())
    (request,) = wire.requests
    assert SubmitJobCommand.model_validate_json(request.content) == said.command()
    assert request.headers["authorization"] == f"Bearer {said.token()}"
    assert submission.idempotency_key == "k1"
    assert not submission.idempotent_replayed


def test_a_replay_is_told_from_a_first_acceptance(client, wire, said):
    wire.on(*SUBMIT, said.ok(said.accepted(), 202, {"Idempotent-Replayed": "true"}))
    assert client.submit_command(said.command()).idempotent_replayed


def test_a_file_is_packed_completed_and_submitted_in_one_call(client, wire, said, tmp_path):
    (tmp_path / "eos.yaml").write_text("slipway: 1\nkind: shell\nprogram: date\n")
    wire.on("GET", "/api/runtime/nodes", said.ok(NodeList(nodes=[said.node()])))
    wire.on(*SUBMIT, said.ok(said.accepted(), 202))
    client.submit(tmp_path / "eos.yaml", cpu=2)
    sent = wire.requests[-1].json
    assert sent["tenant_id"] == "t1"
    assert sent["requested_by"] == {"user_id": "u1"}
    assert sent["resource_shape"]["cpu"] == 2
    assert sent["payload_ref"]["input_uri"].startswith("data:application/gzip;base64,")


def test_a_prepared_command_is_the_one_that_is_sent(client, wire, said, tmp_path):
    (tmp_path / "eos.yaml").write_text("slipway: 1\nkind: shell\nprogram: date\n")
    wire.on("GET", "/api/runtime/nodes", said.ok(NodeList(nodes=[said.node()])))
    wire.on(*SUBMIT, said.ok(said.accepted(), 202))
    command = client.prepare(tmp_path / "eos.yaml")
    client.submit_command(command)
    client.submit_command(command)
    assert wire.requests[-1].content == wire.requests[-2].content


def test_neither_or_both_of_file_and_input_uri_are_refused_before_anything_is_sent(client, wire):
    with pytest.raises(InputRefusedError):
        client.submit()
    with pytest.raises(InputRefusedError):
        client.submit("eos.yaml", input_uri="https://example.org/eos.yaml")
    assert wire.requests == []


def test_a_field_that_a_newer_gateway_adds_to_an_answer_is_ignored(client, wire, said):
    wire.on("GET", "/api/runtime/jobs/j1/projection", said.ok(said.projection(), mood="sunny"))
    assert client.projection("j1").model_dump() == said.projection().model_dump()


def test_a_job_is_read_with_its_command(client, wire, said):
    job = Job(projection=said.projection(), command=said.command())
    wire.on("GET", "/api/runtime/jobs/j1", said.ok(job))
    assert client.job("j1").model_dump() == job.model_dump()


def test_jobs_are_read_page_after_page_and_no_further_than_asked_for(client, wire, said):
    pages = [JobPage(jobs=[said.projection(job_id="a")], next_cursor="c1"), JobPage(jobs=[said.projection(job_id="b")])]
    wire.on("GET", "/api/runtime/jobs", *(said.ok(page) for page in pages))
    found = client.jobs(
        states=[ProjectionState.FAILED, ProjectionState.CANCELLED],
        management_node_id="n1",
        submitted_after=datetime(2030, 1, 1, tzinfo=UTC),
    )
    assert next(found).job_id == "a"
    assert len(wire.requests) == 1
    assert [job.job_id for job in found] == ["b"]
    first, second = wire.requests
    assert first.query == {
        "state": ["failed", "cancelled"],
        "management_node_id": ["n1"],
        "submitted_after": ["2030-01-01T00:00:00.000000Z"],
        "limit": ["200"],
    }
    assert second.query["cursor"] == ["c1"]


@pytest.mark.parametrize("states", [["cancelled", ProjectionState.FAILED], ("cancelled", "failed")])
def test_states_may_be_words(states, client, wire, said):
    wire.on("GET", "/api/runtime/jobs", said.ok(JobPage(jobs=[])))
    assert list(client.jobs(states=states)) == []
    assert wire.requests[0].query["state"] == ["cancelled", "failed"]


def test_a_single_word_is_one_state(client, wire, said):
    wire.on("GET", "/api/runtime/jobs", said.ok(JobPage(jobs=[])))
    assert list(client.jobs(states="failed")) == []
    assert wire.requests[0].query["state"] == ["failed"]


def test_a_state_that_is_none_is_refused_with_those_there_are_before_anything_is_sent(client, wire):
    with pytest.raises(
        InputRefusedError, match="'happy' is none of queued, running, succeeded, failed, cancelled"
    ) as no:
        next(client.jobs(states=["failed", "happy"]))
    assert no.value.field == "states"
    assert wire.requests == []


def test_a_chosen_workspace_is_named_on_reads_and_cancels(wire, said):
    wire.on("GET", "/api/runtime/jobs/j1/projection", said.ok(said.projection()))
    wire.on("POST", "/api/runtime/jobs/j1:cancel", said.ok(_cancelled(said), 202))
    client = Slipway("http://gateway.test/", said.token(("w1", "w2")), workspace_id="w2", transport=wire.transport())
    client.projection("j1")
    client.cancel("j1")
    assert [request.query for request in wire.requests] == [{"workspace_id": ["w2"]}] * 2


def test_the_tenants_nodes_are_asked_for_without_a_workspace(wire, said):
    """The gateway refuses a parameter that a call does not have."""
    wire.on("GET", "/api/runtime/nodes", said.ok(NodeList(nodes=[said.node()])))
    client = Slipway("http://gateway.test/", said.token(("w1", "w2")), workspace_id="w2", transport=wire.transport())
    assert [node.node_name for node in client.nodes()] == ["lab"]
    assert wire.requests[-1].query == {}


def test_a_token_of_several_workspaces_must_be_told_which_to_submit_in(wire, said):
    client = Slipway("http://gateway.test", said.token(("w1", "w2")), transport=wire.transport())
    with pytest.raises(ConfigurationError, match="w1, w2"):
        client.prepare(input_uri="https://example.org/a.yaml", node="n1", queue="q")


def test_a_cancel_names_its_submission_only_when_told_to(client, wire, said):
    wire.on("POST", "/api/runtime/jobs/j1:cancel", said.ok(_cancelled(said), 202))
    client.cancel("j1")
    client.cancel("j1", submission_id="s1")
    assert wire.requests[0].content == b""
    assert wire.requests[1].json == {"submission_id": "s1"}


@pytest.mark.parametrize("job_id", ["", "..", "a/b", "a b", "x" * 129, "a?b", "j\n"])
def test_what_is_no_id_never_becomes_part_of_a_path(job_id, client, wire):
    with pytest.raises(InputRefusedError, match="job_id"):
        client.projection(job_id)
    assert wire.requests == []


def test_a_batch_is_cut_at_500_commands_and_keeps_their_order(client, wire, said):
    def answer(count):
        return said.ok(BatchSubmitResponse(outcomes=[SubmitOutcome(status=202, accepted=said.accepted())] * count))

    wire.on("POST", "/api/runtime/jobs:batchSubmit", answer(500), answer(1))
    commands = [said.command(job_id=f"j{number}", idempotency_key=f"k{number}") for number in range(501)]
    assert len(client.submit_many(commands)) == 501
    sent = [command["job_id"] for request in wire.requests for command in request.json["commands"]]
    assert sent == [f"j{number}" for number in range(501)]
    assert [len(request.json["commands"]) for request in wire.requests] == [500, 1]


def test_what_is_no_command_is_refused_by_its_place_before_any_is_sent(client, wire, said):
    with pytest.raises(TypeError, match=r"commands\[1\] is a str and no SubmitJobCommand"):
        client.submit_many([said.command(), "eos.yaml"])
    assert wire.requests == []


def test_a_batch_is_cut_before_it_is_over_its_size(said):
    inline = {"input_uri": "data:application/gzip;base64," + "A" * 43_000}
    commands = [said.command(job_id=f"j{number}", payload_ref=inline) for number in range(400)]
    bodies = list(batches(commands))
    assert len(bodies) > 1
    assert all(len(body.encode()) <= BATCH_MAX_BYTES for body in bodies)


@pytest.mark.parametrize("url", ["", "gateway", "ftp://g", "http://", "http://u:p@g", "http://g/?a=b", "http://g\n"])
def test_what_is_no_gateways_url_is_refused(url, said):
    with pytest.raises(ConfigurationError):
        Slipway(url, said.token())


@pytest.mark.parametrize("token", ["", "a b", "a\nb", "tökén"])
def test_what_no_token_has_is_refused_before_it_becomes_a_header(token):
    with pytest.raises(ConfigurationError):
        Slipway("http://gateway.test", token)


def _cancelled(said):
    return CancelAccepted(
        job_id="j1",
        submission_id=said.submission_id,
        projection_state=ProjectionState.CANCELLED,
        requested_at=said.moment,
        trace_id="a" * 32,
    )
