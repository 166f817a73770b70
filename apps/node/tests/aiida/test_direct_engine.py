import asyncio
import json
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import StatementError

from slipway_node.aiida import queries, submission
from slipway_node.aiida.profile import SchedulerKind
from slipway_node.payloads import fetch
from slipway_node.ports import Phase, Placement, RefusedJobError

pytestmark = pytest.mark.service("aiida")

SCHEDULER = SchedulerKind.DIRECT
SH = "slipway: 1\nkind: shell\nprogram: sh\narguments: ['{script}']\nfiles: {script: {uri: job.sh}}\n"
PLACEMENT = Placement(partition=None, account=None, qos=None, cpu=1, memory_mib=256, walltime_seconds=60)

COUNT = """slipway: 1
kind: shell
program: python3
arguments: ["{script}", "--times", 3]
files: {script: {uri: count.py}}
outputs: ["answer.json", "*.txt", "deep/er/*.dat"]
"""
COUNT_PY = """import json, os, sys
print("counting", *sys.argv[1:])
print("a mere warning", file=sys.stderr)
os.makedirs("deep/er")
for name in ("a-1.txt", "a_1.txt", "deep/er/x.dat"):
    open(name, "w").write(name)
json.dump({"bulk_modulus_gpa": 134.2, "many": [1, 2]}, open("answer.json", "w"))
"""


async def test_a_shell_job_runs_and_its_results_and_provenance_are_collected(lab, tmp_path):
    submission_id, execution_id = await lab.launch(COUNT, files={"count.py": COUNT_PY})

    ended = await lab.until_ended(submission_id)
    collected = await lab.engine.collect(execution_id, tmp_path / "results")

    assert ended.phase is Phase.FINISHED
    assert ended.execution_id == execution_id
    assert collected.summary["bulk_modulus_gpa"] == 134.2
    assert "counting --times 3" in collected.summary["output_tail"]
    for name in ("a-1.txt", "a_1.txt", "deep/er/x.dat"):
        assert (collected.folder / name).read_text() == name
    assert json.loads((collected.folder / "results.json").read_text())["exit_status"] == 0
    assert (collected.folder / "stderr").read_text() == "a mere warning\n"
    assert zipfile.is_zipfile(collected.archive)


async def test_the_label_and_the_envelope_are_stored_with_the_process(lab):
    envelope = lab.envelope()
    sent, _ = await lab.run_sh("true", cpu=1, memory_mib=77)

    seen = await lab.observed(sent)

    assert seen.envelope.command.submission_id == sent
    assert seen.envelope.placement.memory_mib == 77
    assert submission.envelope_from(submission.envelope_json(envelope)) == envelope


@pytest.mark.idempotency("node-protocol")
async def test_a_second_launch_returns_the_first_execution(lab, tmp_path):
    counter = tmp_path / "counter"
    envelope, workspace = lab.envelope(), tmp_path / "workspace"
    (tmp_path / "job.sh").write_text(f"echo ran >> {counter}")
    (tmp_path / "slipway.yaml").write_text(SH)
    await fetch((tmp_path / "slipway.yaml").as_uri(), workspace, [tmp_path.as_uri()])

    first = await lab.engine.launch(envelope, workspace)

    assert await lab.engine.launch(envelope, workspace) == first
    await lab.until_ended(envelope.command.submission_id)
    assert counter.read_text() == "ran\n"


@pytest.mark.idempotency("node-protocol")
async def test_a_launch_that_is_cut_short_leaves_no_process_behind(lab, engine, monkeypatch):
    await lab.run_sh("true")  # which stores the program's code
    before = await engine._thread.run(_process_count)
    monkeypatch.setattr(submission, "envelope_json", lambda _: object())  # fails in the transaction's last write
    with pytest.raises(StatementError):
        await lab.run_sh("true")
    monkeypatch.undo()
    assert await engine._thread.run(_process_count) == before
    submission_id, _ = await lab.run_sh("true")
    assert (await lab.until_ended(submission_id)).phase is Phase.FINISHED


async def test_find_names_the_execution_of_a_label_and_of_no_other(lab):
    submission_id, execution_id = await lab.run_sh("true")

    assert await lab.engine.find([submission_id, "unknown"]) == {submission_id: execution_id}


async def test_executions_are_recalled_with_their_command_but_none_that_is_known(lab):
    began = datetime.now(UTC)
    left_running = {it.envelope.command.submission_id for it in await lab.engine.launched_since(began, ())}
    lost, execution_id = await lab.run_sh("true")
    known, _ = await lab.run_sh("true")
    for submission_id in (lost, known):
        await lab.until_ended(submission_id)
    known_ones = {known} | left_running  # by other tests of this module

    recalled = {it.envelope.command.submission_id: it for it in await lab.engine.launched_since(began, known_ones)}

    assert recalled.keys() == {lost}
    assert recalled[lost].execution_id == execution_id
    assert recalled[lost].ended_at is not None
    assert began < recalled[lost].ended_at < datetime.now(UTC)
    assert recalled[lost].envelope == (await lab.observed(lost)).envelope


async def test_what_ended_before_is_not_recalled_and_what_still_runs_is(lab, tmp_path):
    marker = tmp_path / "runs"
    ended, _ = await lab.run_sh("true")
    running, execution_id = await lab.run_sh(f"touch {marker}; sleep 60")
    await lab.until_ended(ended)
    await lab.until_written(running, marker)

    recalled = await lab.engine.launched_since(datetime.now(UTC) + timedelta(days=1), ())

    await lab.engine.kill(execution_id)
    ended_at = {it.envelope.command.submission_id: it.ended_at for it in recalled}
    assert running in ended_at
    assert ended_at[running] is None
    assert ended not in ended_at


async def test_somebody_else_s_processes_are_not_recalled(lab, monkeypatch):
    began = datetime.now(UTC)
    monkeypatch.setattr(submission, "envelope_json", lambda _: "my own trial")
    theirs, _ = await lab.run_sh("true")

    recalled = await lab.engine.launched_since(began, ())

    assert theirs not in {it.envelope.command.submission_id for it in recalled}


async def test_somebody_else_s_processes_are_not_continued(lab, tmp_path, monkeypatch):
    ours, _ = await lab.run_sh(f"touch {tmp_path / 'ours'}; sleep 3")
    await lab.until_written(ours, tmp_path / "ours")
    monkeypatch.setattr(submission, "envelope_json", lambda _: "my own trial")
    _, execution_id = await lab.run_sh(f"touch {tmp_path / 'theirs'}; sleep 3")
    for _ in range(100):
        if (tmp_path / "theirs").exists():
            break
        await asyncio.sleep(0.1)

    under_way = await lab.engine._thread.run(queries.under_way)
    of_theirs = await lab.engine._thread.run(lambda: queries.node_of(execution_id).pk)

    assert under_way
    assert of_theirs not in under_way


async def test_executions_are_recalled_where_the_engine_was_not_started(lab):
    submission_id, _ = await lab.run_sh("true")
    await lab.until_ended(submission_id)
    code = (
        "import asyncio, sys; from datetime import UTC, datetime, timedelta; from pathlib import Path;"
        "from slipway_contracts.node_policy import NodePolicy; from slipway_node.aiida.engine import AiidaEngine;"
        "engine = AiidaEngine(Path(sys.argv[1]), NodePolicy(policy_version='1', queues={}));"
        "since = datetime.now(UTC) - timedelta(days=1);"
        "print(*(it.envelope.command.submission_id for it in asyncio.run(engine.launched_since(since, ()))))"
    )
    home = str(lab.engine._home)

    told = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code, home], capture_output=True, text=True)

    assert submission_id in told.stdout.split(), told.stderr


async def test_a_program_off_the_list_is_refused_and_nothing_is_stored(lab):
    before = await lab.engine._thread.run(_process_count)

    with pytest.raises(RefusedJobError) as refused:
        await lab.launch("slipway: 1\nkind: shell\nprogram: bash\n")

    assert refused.value.code == "policy_rejected"
    assert "bash" in refused.value.message
    assert await lab.engine._thread.run(_process_count) == before


async def test_a_listed_program_that_is_not_installed_is_refused(lab):
    with pytest.raises(RefusedJobError, match="not installed"):
        await lab.launch("slipway: 1\nkind: shell\nprogram: not-installed-anywhere\n")


async def test_a_placeholder_without_a_file_is_refused_by_its_place(lab):
    with pytest.raises(RefusedJobError) as refused:
        await lab.launch('slipway: 1\nkind: shell\nprogram: sh\narguments: ["-c", "{nothing}"]\n')

    assert refused.value.code == "invalid_payload"
    assert refused.value.message.startswith("arguments.1")


async def test_a_program_that_exits_with_an_error_fails_with_the_end_of_its_stderr(lab):
    submission_id, _ = await lab.run_sh("echo the basis is singular >&2; exit 3")

    ended = await lab.until_ended(submission_id)

    assert (ended.phase, ended.failure.code) == (Phase.FAILED, "exit_400")
    assert "the basis is singular" in ended.failure.message
    assert not ended.failure.retryable


async def test_a_failed_execution_can_be_collected(lab, tmp_path):
    submission_id, execution_id = await lab.run_sh("echo so far; exit 3")
    await lab.until_ended(submission_id)

    collected = await lab.engine.collect(execution_id, tmp_path / "results")

    assert (collected.folder / "stdout").read_text() == "so far\n"


async def test_a_missing_output_fails_the_job_by_name(lab):
    submission_id, _ = await lab.launch(
        'slipway: 1\nkind: shell\nprogram: sh\narguments: ["-c", "true"]\noutputs: [never.json]\n'
    )

    ended = await lab.until_ended(submission_id)

    assert ended.failure.code == "exit_303"
    assert "never.json" in ended.failure.message


async def test_a_stderr_on_which_nothing_was_said_is_no_result(lab, tmp_path):
    submission_id, execution_id = await lab.run_sh("true")
    await lab.until_ended(submission_id)

    collected = await lab.engine.collect(execution_id, tmp_path / "results")

    assert (collected.folder / "stdout").read_text() == ""
    assert not (collected.folder / "stderr").exists()


async def test_output_that_is_no_text_does_no_harm(lab, tmp_path):
    submission_id, execution_id = await lab.run_sh(r"printf '\377\376 odd'; printf '\377' >&2")

    ended = await lab.until_ended(submission_id)
    collected = await lab.engine.collect(execution_id, tmp_path / "results")

    assert ended.phase is Phase.FINISHED
    assert (collected.folder / "stdout").read_bytes() == b"\xff\xfe odd"


async def test_a_job_over_its_walltime_is_ended_and_says_so(lab):
    submission_id, _ = await lab.run_sh("sleep 60", walltime_seconds=1)

    ended = await lab.until_ended(submission_id)

    assert (ended.phase, ended.failure.code) == (Phase.FAILED, "walltime_exceeded")


def _process_count() -> int:
    from aiida.orm import ProcessNode, QueryBuilder

    return QueryBuilder().append(ProcessNode).count()
