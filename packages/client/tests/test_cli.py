import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from slipway import Slipway
from slipway.cli.endings import Exit
from slipway_contracts.cancel_job_command import CancelAccepted
from slipway_contracts.errors import Code
from slipway_contracts.node_protocol import NodeState
from slipway_contracts.projection_update import ProjectionState
from slipway_contracts.reads import Job, JobChange, JobPage, NodeList

SUBMIT = ("POST", "/api/runtime/jobs:submit")
NODES = ("GET", "/api/runtime/nodes")
TIMELINE = ("GET", "/api/runtime/jobs/j1/timeline")
PROJECTION = ("GET", "/api/runtime/jobs/j1/projection")
COMMANDS = ("login", "submit", "jobs", "show", "watch", "cancel", "outputs", "nodes", "completion")
PAGE = Path(__file__).parents[3] / "docs/how-to/cli.md"
NOWHERE = "http://127.0.0.1:9"  # the discard port: nothing listens


@pytest.fixture
def document(tmp_path):
    path = tmp_path / "eos.yaml"
    path.write_text("slipway: 1\nkind: shell\nprogram: date\n")
    return path


@pytest.fixture
def lab(wire, said):
    """A tenant with one node, whose gateway accepts."""
    return wire.on(*NODES, said.ok(NodeList(nodes=[said.node()]))).on(*SUBMIT, said.ok(said.accepted(), 202))


def is_one_line(text):
    return text.startswith("slipway: ") and text.count("\n") == 1 and text.endswith("\n") and " — " in text


def test_a_submit_tells_the_job_and_the_key_that_was_drawn(cli, lab, document):
    ran = cli("submit", document)
    sent = lab.requests[-1].json
    assert ran.status == Exit.OK
    assert "submitted j1" in ran.out
    assert sent["idempotency_key"] in ran.out
    assert sent["job_id"].startswith("eos-")


def test_a_submit_in_json_is_one_document(cli, lab, document, said):
    ran = cli("submit", document, "--json", "--job-id", "j1", "--idempotency-key", "k1", "--cpu", "2")
    assert ran.json["submission_id"] == said.submission_id
    assert (ran.json["idempotency_key"], ran.json["idempotent_replayed"]) == ("k1", False)
    assert lab.requests[-1].json["resource_shape"]["cpu"] == 2


def test_a_replay_is_told(cli, wire, said, document):
    wire.on(*NODES, said.ok(NodeList(nodes=[said.node()])))
    wire.on(*SUBMIT, said.ok(said.accepted(), 202, {"Idempotent-Replayed": "true"}))
    assert "replayed j1" in cli("submit", document).out


def test_a_refusal_is_one_line_with_code_field_reason_and_hint(cli, lab, said, document):
    lab.script[SUBMIT] = [said.problem(Code.POLICY_REJECTED, errors=[("execution_profile.queue_name", "no queue gpu")])]
    ran = cli("submit", document)
    assert ran.status == Exit.REFUSED
    assert is_one_line(ran.err)
    assert ran.err.startswith("slipway: refused (policy_rejected): execution_profile.queue_name: no queue gpu — ")
    assert ran.out == ""


def test_an_error_in_json_is_one_document_beside_the_line(cli, wire, said):
    wire.on(*PROJECTION, said.problem(Code.JOB_NOT_FOUND))
    ran = cli("outputs", "j1", "--json")
    assert ran.json["error"]["code"] == "job_not_found"
    assert ran.json["error"]["exit_status"] == 1
    assert is_one_line(ran.err)


def test_a_refusal_of_several_lines_is_told_on_one(cli, wire, said):
    wire.on(*NODES, said.problem(Code.FORBIDDEN, detail="first\nsecond \x1b[31mred"))
    ran = cli("nodes")
    assert is_one_line(ran.err)
    assert "\x1b" not in ran.err


def test_a_gateway_that_is_down_ends_with_3(cli):
    ran = cli("nodes", "--url", NOWHERE)
    assert ran.status == Exit.UNREACHABLE
    assert is_one_line(ran.err)
    assert NOWHERE in ran.err


def test_what_answers_and_is_no_gateway_ends_with_3(cli, wire):
    wire.on(*NODES, (404, {"Content-Type": "text/html"}, b"<h1>It works!</h1>"))
    ran = cli("nodes")
    assert ran.status == Exit.UNREACHABLE
    assert is_one_line(ran.err)


def test_a_submit_whose_outcome_is_unknown_tells_how_to_repeat_it(cli, lab, said, document):
    lab.script[SUBMIT] = [said.problem(Code.PRODUCT_STORE_UNAVAILABLE)]
    ran = cli("submit", document)
    sent = lab.requests[-1].json
    assert ran.status == Exit.REFUSED
    assert f"--job-id {sent['job_id']} --idempotency-key {sent['idempotency_key']}" in ran.err
    lab.script[SUBMIT] = [said.ok(said.accepted(), 202)]
    cli("submit", document, "--job-id", sent["job_id"], "--idempotency-key", sent["idempotency_key"])
    assert lab.requests[-1].json == sent


def test_a_submit_that_is_interrupted_tells_how_to_repeat_it(cli, lab, document, monkeypatch):
    sent = []

    def interrupted(_client, command):
        sent.append(command)
        raise KeyboardInterrupt

    monkeypatch.setattr(Slipway, "submit_command", interrupted)
    ran = cli("submit", document)
    assert ran.status == Exit.INTERRUPTED
    assert f"--job-id {sent[0].job_id} --idempotency-key {sent[0].idempotency_key}" in ran.err
    assert len(lab.requests) == 1  # the nodes


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["jobs", "--no-such-option"],
        ["jobs", "--state", "happy"],
        ["jobs", "--limit", "0"],
        ["jobs", "--limit", "many"],
        ["show"],
        ["show", "a job"],
        ["cancel", "j1", "--submission", "a/b"],
        ["submit"],
        ["submit", "absent.yaml"],
        ["submit", "absent.yaml", "--input-uri", "s3://lab/job.yaml"],
        ["submit", "--input-uri", "job.yaml"],
        ["submit", "absent.yaml", "--cpu", "0"],
        ["submit", "absent.yaml", "--job-id", "a/b"],
        ["nodes", "--url", "not a url"],
    ],
)
def test_a_slip_of_the_keyboard_ends_with_2_and_one_line(cli, wire, arguments):
    ran = cli(*arguments)
    assert ran.status == Exit.USAGE
    assert is_one_line(ran.err)
    assert wire.requests == []


def test_an_option_that_does_not_hold_is_usage_though_the_document_does(cli, wire, document):
    ran = cli("submit", document, "--cpu", "0")
    assert ran.status == Exit.USAGE
    assert "--cpu" in ran.err
    assert wire.requests == []


def test_the_page_and_the_help_list_every_exit_status(cli):
    codes = {str(int(status)) for status in Exit}
    assert set(re.findall(r"^\| (\d+) \|", PAGE.read_text(), re.MULTILINE)) == codes
    told = cli("--help").out.partition("Exit status:")[2].partition("Examples:")[0]
    assert set(re.findall(r"\d+", told)) == codes


def test_every_command_but_one_takes_json_as_the_help_says(cli):
    assert "Every command but `completion` takes --json" in " ".join(cli("--help").out.split())
    assert {name for name in COMMANDS if "--json" not in cli(name, "--help").out} == {"completion"}


def test_without_a_token_a_command_ends_with_2_and_names_login(cli, monkeypatch):
    monkeypatch.delenv("SLIPWAY_TOKEN")
    ran = cli("nodes")
    assert ran.status == Exit.USAGE
    assert "slipway login" in ran.err


def test_a_document_that_does_not_hold_ends_with_1_and_is_not_sent(cli, wire, tmp_path):
    (tmp_path / "bad.yaml").write_text("slipway: 1\nkind: [\n")
    ran = cli("submit", tmp_path / "bad.yaml")
    assert ran.status == Exit.REFUSED
    assert ran.err.startswith("slipway: not sent (invalid_payload): bad.yaml line 3: ")
    assert wire.requests == []


def test_a_watched_submit_shows_each_state_and_the_result_with_its_units(cli, lab, said, document):
    result = said.result(
        output_uri="file:///srv/out/j1/",
        metadata_uri="file:///srv/out/j1/provenance.aiida",
        summary={"lattice_constant_angstrom": 3.5898828, "bulk_modulus_gpa": 134.08, "output_tail": "done"},
    )
    lab.on(*TIMELINE, said.ok(said.timeline(said.A, said.R, said.C, result_ref=result)))
    ran = cli("submit", document, "--watch")
    lines = ran.out.splitlines()
    states = [line.split()[1] for line in lines if line.startswith("2030-")]
    assert ran.status == Exit.OK
    assert states == ["queued", "queued", "running", "succeeded"]
    assert ["lattice", "constant", "3.5898828", "Å"] in [line.split() for line in lines]
    assert ["bulk", "modulus", "134.08", "GPa"] in [line.split() for line in lines]
    assert "/srv/out/j1/provenance.aiida" in ran.out


def test_a_watched_submit_in_json_is_a_document_a_line(cli, lab, said, document):
    lab.on(*TIMELINE, said.ok(said.timeline(said.A, said.R, said.C)))
    lab.on(*PROJECTION, said.ok(said.projection()))
    ran = cli("submit", document, "--watch", "--json")
    kinds = [next(iter(json.loads(line))) for line in ran.out.splitlines()]
    assert kinds == ["submission", "entry", "entry", "entry", "entry", "projection"]


@pytest.mark.parametrize("name", ["submit", "watch"])
def test_the_help_and_the_page_say_that_what_is_watched_is_a_document_a_line(name, cli):
    assert "one document a line" in " ".join(cli(name, "--help").out.replace("│", "").split())
    assert "one document a line" in " ".join(PAGE.read_text().split())


def test_a_change_in_json_has_one_form_whether_it_was_looked_up_or_streamed(cli, wire, said):
    first, *streamed = said.timeline(said.A, said.R, said.C).entries
    changes = [JobChange(job_id="j1", **entry.model_dump()) for entry in streamed]
    events = "".join(f"event: change\nid: {each.change}\ndata: {each.model_dump_json()}\n\n" for each in changes)
    wire.on(*TIMELINE, said.ok(said.timeline()))
    wire.on("GET", "/api/runtime/jobs/j1/stream", (200, {"Content-Type": "text/event-stream"}, events.encode()))
    wire.on(*PROJECTION, said.ok(said.projection()))
    ran = cli("watch", "j1", "--json")
    entries = [json.loads(line)["entry"] for line in ran.out.splitlines()[:-1]]
    assert [entry["change"] for entry in entries] == [1, 2, 3, 4]
    assert {frozenset(entry) for entry in entries} == {frozenset(first.model_dump())}


def test_watching_a_job_that_fails_ends_with_1_and_says_what_may_help(cli, wire, said):
    failure = said.failure(code="walltime_exceeded", message="the scheduler ended the job", retryable=False)
    wire.on(*TIMELINE, said.ok(said.timeline(said.A, said.R, said.F, failure=failure)))
    ran = cli("watch", "j1")
    assert ran.status == Exit.REFUSED
    assert "walltime_exceeded: the scheduler ended the job" in ran.out
    assert "--walltime-seconds" in ran.err


def test_watching_a_job_that_is_cancelled_ends_with_1(cli, wire, said):
    wire.on(*TIMELINE, said.ok(said.timeline(kind="cancelled", projection_state=ProjectionState.CANCELLED)))
    assert cli("watch", "j1").status == Exit.REFUSED


def test_jobs_are_listed_and_more_are_told_of(cli, wire, said):
    page = JobPage(jobs=[said.projection(job_id=f"job-{number}") for number in range(3)])
    wire.on("GET", "/api/runtime/jobs", said.ok(page))
    ran = cli("jobs", "--limit", "2", "--state", "succeeded")
    assert "job-1" in ran.out
    assert "job-2" not in ran.out
    assert "--all" in ran.err
    assert wire.requests[0].query == {"state": ["succeeded"], "limit": ["3"]}


@pytest.mark.parametrize("node", ["lab", "lab-id"])
def test_jobs_of_one_node_are_listed_by_its_name_or_id(node, cli, wire, said):
    wire.on(*NODES, said.ok(NodeList(nodes=[said.node("lab"), said.node("mars")])))
    wire.on("GET", "/api/runtime/jobs", said.ok(JobPage(jobs=[said.projection()])))
    assert cli("jobs", "--node", node).status == Exit.OK
    assert wire.requests[-1].query["management_node_id"] == ["lab-id"]


def test_jobs_of_a_node_that_is_none_are_refused_with_those_there_are(cli, wire, said):
    revoked = said.node("gone", state=NodeState.REVOKED)
    wire.on(*NODES, said.ok(NodeList(nodes=[said.node("mars"), said.node("lab"), revoked])))
    ran = cli("jobs", "--node", "venus")
    assert ran.status == Exit.REFUSED
    assert is_one_line(ran.err)
    assert ran.err.startswith(
        "slipway: refused (management_node_not_found): --node: no node is called venus; there are: lab, mars — "
    )


def test_all_jobs_are_read_to_the_last_page(cli, wire, said):
    pages = [JobPage(jobs=[said.projection(job_id="a")], next_cursor="c"), JobPage(jobs=[said.projection(job_id="b")])]
    wire.on("GET", "/api/runtime/jobs", *(said.ok(page) for page in pages))
    ran = cli("jobs", "--all", "--json")
    assert [job["job_id"] for job in ran.json["jobs"]] == ["a", "b"]
    assert ran.json["more"] is False


def test_a_job_is_shown_with_its_command_timeline_failure_and_hint(cli, wire, said):
    failure = said.failure(code="node_failure", message="a machine failed", retryable=True)
    job = Job(projection=said.projection(ProjectionState.FAILED, failure=failure), command=said.command())
    wire.on("GET", "/api/runtime/jobs/j1", said.ok(job)).on(*TIMELINE, said.ok(said.timeline(said.A, said.R, said.F)))
    ran = cli("show", "j1")
    for part in ["attempt 1", "1024 MiB", "https://example.org/job.yaml", "node_failure", "may help"]:
        assert part in ran.out
    assert ran.err.startswith("hint: ")
    shown = cli("show", "j1", "--json").json
    assert shown["projection"]["failure"]["retryable"] is True
    assert len(shown["timeline"]) == 4


def test_a_job_that_succeeded_is_shown_with_the_end_of_what_it_printed(cli, wire, said):
    result = said.result(output_uri="s3://lab/j1/", summary={"output_tail": "6 times 7:\n42"})
    job = Job(projection=said.projection(result_ref=result), command=said.command())
    wire.on("GET", "/api/runtime/jobs/j1", said.ok(job))
    wire.on(*TIMELINE, said.ok(said.timeline(said.A, said.R, said.C, result_ref=result)))
    assert "\n6 times 7:\n42\n" in cli("show", "j1").out
    assert "\n6 times 7:\n42\n" in cli("watch", "j1").out


def test_a_cancel_tells_whether_it_took_effect_at_once(cli, wire, said):
    def answer(state):
        return said.ok(
            CancelAccepted(
                job_id="j1",
                submission_id=said.submission_id,
                projection_state=state,
                requested_at=said.moment,
                trace_id="a" * 32,
            ),
            202,
        )

    wire.on("POST", "/api/runtime/jobs/j1:cancel", answer(ProjectionState.CANCELLED), answer(ProjectionState.RUNNING))
    assert cli("cancel", "j1").out == "j1 is cancelled\n"
    assert "its node is told" in cli("cancel", "j1").out


def test_nodes_are_listed_with_their_queues(cli, wire, said):
    wire.on(*NODES, said.ok(NodeList(nodes=[said.node("lab", ["short", "long"], overdue=True)])))
    out = cli("nodes").out
    assert "long, short" in out
    assert "active, overdue" in out
    assert cli("nodes", "--json").json["nodes"][0]["node_name"] == "lab"


def test_what_others_wrote_reaches_no_terminal_as_a_command(cli, wire, said):
    evil = said.projection(display_message="\x1b]0;owned\x07 [red]markup[/red]")
    wire.on("GET", "/api/runtime/jobs", said.ok(JobPage(jobs=[evil])))
    out = cli("jobs").out
    assert "\x1b" not in out
    assert "[red]markup[/red]" in out


def test_outputs_are_listed_and_copied_where_they_can_be_read(cli, wire, said, tmp_path):
    lying, target = tmp_path / "a job", tmp_path / "results"
    (lying / "plots").mkdir(parents=True)
    (lying / "eos.json").write_text("{}")
    (lying / "plots/eos.png").write_bytes(b"png")
    wire.on(*PROJECTION, said.ok(said.projection(result_ref=said.result(output_uri=lying.as_uri() + "/"))))
    assert "plots/eos.png" in cli("outputs", "j1").out
    assert cli("outputs", "j1", "--to", target).status == Exit.OK
    assert (target / "plots/eos.png").read_bytes() == b"png"
    (target / "eos.json").write_text("mine")
    again = cli("outputs", "j1", "--to", target)
    assert again.status == Exit.REFUSED
    assert is_one_line(again.err)
    assert again.err.startswith("slipway: refused (file_exists): ")
    assert (target / "eos.json").read_text() == "mine"


def test_outputs_into_a_file_are_refused_as_what_it_is(cli, wire, said, tmp_path, document):
    wire.on(*PROJECTION, said.ok(said.projection(result_ref=said.result(output_uri=tmp_path.as_uri() + "/"))))
    ran = cli("outputs", "j1", "--to", document)
    assert ran.status == Exit.REFUSED
    assert f"--to: {document} is a file and no folder — choose another folder" in ran.err


def test_a_folder_that_cannot_be_made_is_told_without_asking_for_a_file(cli, wire, said, tmp_path, document):
    wire.on(*PROJECTION, said.ok(said.projection(result_ref=said.result(output_uri=tmp_path.as_uri() + "/"))))
    ran = cli("outputs", "j1", "--to", document / "results")
    assert ran.status == Exit.USAGE
    assert "is the path right" in ran.err


def test_outputs_elsewhere_are_told_and_not_pretended_to_be_copied(cli, wire, said, tmp_path):
    wire.on(*PROJECTION, said.ok(said.projection(result_ref=said.result(output_uri="s3://lab/j1/"))))
    assert "s3://lab/j1/" in cli("outputs", "j1").out
    assert cli("outputs", "j1", "--json").json["reachable"] is False
    assert cli("outputs", "j1", "--to", tmp_path / "results").status == Exit.REFUSED
    assert not (tmp_path / "results").exists()


def test_a_job_without_outputs_is_refused_with_what_to_do(cli, wire, said):
    wire.on(*PROJECTION, said.ok(said.projection(ProjectionState.RUNNING)))
    ran = cli("outputs", "j1")
    assert ran.status == Exit.REFUSED
    assert ran.err.startswith("slipway: refused (no_outputs): j1: ")
    assert "slipway watch j1" in ran.err


def test_login_checks_the_token_and_stores_it_for_this_user_alone(cli, wire, said, tmp_path, monkeypatch):
    wire.on(*NODES, said.ok(NodeList(nodes=[said.node()])))
    assert "u1 in workspace w1 of tenant t1" in cli("login").out
    stored = tmp_path / "config/slipway/credentials.json"
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600
    monkeypatch.delenv("SLIPWAY_TOKEN")
    monkeypatch.delenv("SLIPWAY_URL")
    assert cli("nodes").status == Exit.OK
    assert wire.requests[-1].headers["authorization"] == f"Bearer {said.token()}"


def test_login_stores_nothing_that_the_gateway_refuses(cli, wire, said, tmp_path):
    wire.on(*NODES, said.problem(Code.UNAUTHORIZED))
    assert cli("login").status == Exit.REFUSED
    assert not (tmp_path / "config/slipway/credentials.json").exists()


def test_login_asks_for_a_workspace_where_the_token_has_several(cli, wire, said):
    wire.on(*NODES, said.ok(NodeList(nodes=[])))
    many = said.token(("w1", "w2"))
    assert "w1, w2" in cli("login", "--token", many).err
    assert "w3" in cli("login", "--token", many, "--workspace", "w3").err
    assert cli("login", "--token", many, "--workspace", "w2").status == Exit.OK


def test_help_has_examples_for_every_command(cli):
    for name in ["login", "submit", "jobs", "show", "watch", "cancel", "outputs", "nodes"]:
        ran = cli(name, "--help")
        assert ran.status == Exit.OK
        assert f"  slipway {name}" in ran.out
        assert "--json" in ran.out


def test_the_program_itself_exits_with_the_status(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", "from slipway.cli import main; main()", "nodes", "--url", NOWHERE, "--token", "a.b.c"],
        env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == Exit.UNREACHABLE
    assert is_one_line(ran.stderr)
