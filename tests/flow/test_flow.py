"""From submit to visible result: real gateway process, real agent process, real AiiDA."""

import concurrent.futures
import contextlib
import json
import sqlite3
import tempfile
import zipfile
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest
from local_stack import Gateway, wait_until
from product import Product, Stack, counting_job, document, effects_of

pytestmark = [pytest.mark.service("aiida"), pytest.mark.timeout(240)]


def folder_of(uri: str) -> Path:
    return Path(url2pathname(urlsplit(uri).path))


def states(product: Product, job_id: str) -> list[str]:
    return [entry["source_execution_state"] for entry in product.timeline(job_id) if entry["kind"] == "event"]


def test_a_shell_job_runs_and_its_result_is_visible(stack: Stack) -> None:
    uri = document(
        stack.shared / "sum",
        """\
        slipway: 1
        kind: shell
        program: python3
        arguments: ["{script}"]
        files: {script: {uri: sum.py}}
        outputs: [answer.json]
        """,
        sum__py="import json; json.dump({'answer': 6 * 7}, open('answer.json', 'w')); print('done summing')",
    )
    job_id = stack.product.submit(uri)
    seen = stack.product.wait(job_id)
    assert seen["projection_state"] == "succeeded", seen
    assert states(stack.product, job_id) == ["accepted", "running", "completed"]
    output = folder_of(seen["result_ref"]["output_uri"])
    assert json.loads((output / "answer.json").read_text()) == {"answer": 42}
    assert (output / "results.json").exists()
    archive = folder_of(seen["result_ref"]["metadata_uri"])
    assert archive.stat().st_size > 0
    assert "done summing" in json.dumps(seen["result_ref"]["summary"])
    assert seen["execution_id"]


def test_the_provenance_archive_holds_the_process(stack: Stack) -> None:
    uri, _ = counting_job(stack.shared, 0)
    seen = stack.product.wait(stack.product.submit(uri))
    archive = folder_of(seen["result_ref"]["metadata_uri"])
    with zipfile.ZipFile(archive) as content, tempfile.TemporaryDirectory() as folder:
        database = content.extract("db.sqlite3", folder)
        with contextlib.closing(sqlite3.connect(database)) as connection:
            found = dict(connection.execute("SELECT uuid, label FROM db_dbnode"))
    assert found[seen["execution_id"]] == seen["submission_id"]


@pytest.mark.idempotency("submit-job-command")
def test_concurrent_identical_submits_are_one_job_with_one_effect(stack: Stack) -> None:
    uri, effects = counting_job(stack.shared, 0)
    command = stack.product.command(uri)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: stack.product.request("POST", "/jobs:submit", command), range(16)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["submission_id"] for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert stack.product.wait(str(command["job_id"]))["projection_state"] == "succeeded"
    assert effects_of(effects) == ["began", "ended"]


def test_a_job_that_exits_non_zero_fails_with_its_exit_and_what_it_said(stack: Stack) -> None:
    uri = document(
        stack.shared / "bad",
        """\
        slipway: 1
        kind: shell
        program: python3
        arguments: ["{script}"]
        files: {script: {uri: bad.py}}
        """,
        bad__py="raise SystemExit('no convergence in sight')",
    )
    seen = stack.product.wait(stack.product.submit(uri))
    assert seen["projection_state"] == "failed"
    assert seen["failure"]["code"] == "exit_400"
    assert "no convergence in sight" in seen["failure"]["message"]


def test_a_malformed_document_fails_the_job_naming_the_line(stack: Stack) -> None:
    uri = document(
        stack.shared / "malformed",
        """\
        slipway: 1
        kind: shell
        program: python3
        arguments: "not a list"
        """,
    )
    seen = stack.product.wait(stack.product.submit(uri))
    assert seen["projection_state"] == "failed"
    assert seen["failure"]["code"] == "invalid_payload"
    assert "line 4" in seen["failure"]["message"]
    assert "arguments" in seen["failure"]["message"]


def test_a_program_off_the_policys_list_is_not_run(stack: Stack) -> None:
    uri = document(stack.shared / "forbidden", "slipway: 1\nkind: shell\nprogram: shutdown\narguments: []\n")
    seen = stack.product.wait(stack.product.submit(uri))
    assert seen["projection_state"] == "failed"
    assert seen["failure"]["code"] == "policy_rejected"
    assert "shutdown" in seen["failure"]["message"]


def test_the_nodes_policy_refuses_a_queue_it_does_not_have(stack: Stack) -> None:
    uri, effects = counting_job(stack.shared, 0)
    command = stack.product.command(uri, "no-such-queue")
    answer = stack.product.request("POST", "/jobs:submit", command)
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["code"] == "policy_rejected"
    assert problem["errors"][0]["field"] == "execution_profile.queue_name"
    assert "default" in problem["errors"][0]["message"]
    assert stack.product.request("GET", f"/jobs/{command['job_id']}").status_code == 404
    assert effects_of(effects) == []


def test_a_running_job_is_cancelled_and_never_ends(stack: Stack) -> None:
    uri, effects = counting_job(stack.shared, 60)
    job_id = stack.product.submit(uri)
    wait_until("the job began", lambda: effects_of(effects) == ["began"])
    assert stack.product.request("POST", f"/jobs/{job_id}:cancel").status_code == 202
    assert stack.product.wait(job_id)["projection_state"] == "cancelled"
    assert effects_of(effects) == ["began"]


@pytest.mark.tenant_boundary("reads")
def test_another_tenants_product_is_not_told_that_the_job_exists(stack: Stack) -> None:
    uri, _ = counting_job(stack.shared, 0)
    job_id = stack.product.submit(uri)
    stranger = Product(stack.gateway.url, stack.gateway.token(tenant="rival"), stack.product.node_id)
    for path in ("", "/projection", "/timeline"):
        assert stranger.request("GET", f"/jobs/{job_id}{path}").status_code == 404
    assert stranger.request("POST", f"/jobs/{job_id}:cancel").status_code == 404
    assert stranger.request("GET", "/nodes").json()["nodes"] == []
    stack.product.wait(job_id)


def test_two_gateways_on_one_store_serve_one_node_and_one_product(stack: Stack) -> None:
    second = Gateway(stack.gateway.data_dir, stack.gateway.data_dir.parent / "second.log")
    second.start()
    try:
        elsewhere = Product(second.url, stack.gateway.token(), stack.product.node_id)
        uri, effects = counting_job(stack.shared, 0)
        command = stack.product.command(uri)
        products = [stack.product, elsewhere] * 8
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda product: product.request("POST", "/jobs:submit", command), products))
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.json()["submission_id"] for answer in answers}) == 1
        assert elsewhere.wait(str(command["job_id"]))["projection_state"] == "succeeded"
        assert effects_of(effects) == ["began", "ended"]
        assert states(stack.product, str(command["job_id"])) == ["accepted", "running", "completed"]
    finally:
        second.process.stop()
