import asyncio
import json
import os
import signal
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import StatementError

from slipway_node.aiida import brokers, queries, submission, verdicts
from slipway_node.aiida.daemon import Daemon
from slipway_node.aiida.profile import COMPUTER, SchedulerKind
from slipway_node.aiida.supervision import Supervision
from slipway_node.payloads import fetch
from slipway_node.ports import EngineUnavailableError, Phase, Placement, RefusedJobError

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


async def test_a_running_job_is_killed_with_its_processes(lab, tmp_path):
    marker = tmp_path / "pid"
    submission_id, execution_id = await lab.run_sh(f"echo $$ > {marker}; exec sleep 60")
    await lab.until_written(submission_id, marker)

    assert await lab.engine.kill(execution_id)
    ended = await lab.until_ended(submission_id)

    assert ended.phase is Phase.KILLED
    extras = await lab.engine._thread.run(lambda: queries.node_of(execution_id).base.extras.all)
    assert extras[verdicts.CANCEL_EXTRA]
    await lab.until(submission_id, lambda _: not _is_alive(int(marker.read_text())))


@pytest.mark.idempotency("cancel-job-command")
async def test_a_second_kill_changes_nothing(lab):
    submission_id, execution_id = await lab.run_sh("sleep 60")
    await lab.engine.kill(execution_id)

    await lab.engine.kill(execution_id)

    assert (await lab.until_ended(submission_id)).phase is Phase.KILLED


@pytest.mark.idempotency("node-protocol")
@pytest.mark.usefixtures("at_once")
async def test_a_process_that_was_stored_and_never_queued_is_continued_once(lab, tmp_path, monkeypatch):
    counter = tmp_path / "counter"
    with monkeypatch.context() as killed_before_the_queue:
        killed_before_the_queue.setattr(submission, "hand_over", lambda _: None)
        submission_id, execution_id = await lab.run_sh(f"echo ran >> {counter}; sleep 1")
    assert (await lab.observed(submission_id)).phase is Phase.CREATED

    monkeypatch.setattr("slipway_node.aiida.submission.SETTLE_SECONDS", 0.0)
    await lab.engine.resume([execution_id])
    monkeypatch.setattr("slipway_node.aiida.submission.SETTLE_SECONDS", 5.0)
    ends = {Phase.FINISHED, Phase.FAILED, Phase.KILLED}
    while (seen := await lab.observed(submission_id)).phase not in ends:
        await lab.engine.resume([execution_id])

    assert seen.phase is Phase.FINISHED
    assert counter.read_text() == "ran\n"


@pytest.mark.usefixtures("at_once")
async def test_a_process_that_was_stored_and_never_queued_can_be_killed(lab, tmp_path, monkeypatch):
    counter = tmp_path / "counter"
    with monkeypatch.context() as killed_before_the_queue:
        killed_before_the_queue.setattr(submission, "hand_over", lambda _: None)
        submission_id, execution_id = await lab.run_sh(f"echo ran >> {counter}")

    await lab.engine.kill(execution_id)

    assert (await lab.until_ended(submission_id)).phase is Phase.KILLED
    assert not counter.exists()


@pytest.mark.parametrize("victims", [["worker"], ["broker"], ["start-circus"], ["worker", "broker", "start-circus"]])
@pytest.mark.usefixtures("at_once")
async def test_a_job_outlives_kill_9_of_the_daemon_and_runs_once(lab, tmp_path, daemon_pids, victims):
    counter = tmp_path / "counter"
    submission_id, _ = await lab.run_sh(f"echo ran >> {counter}; sleep 3")
    await lab.until_written(submission_id, counter)

    pids = [pid for word in victims for pid in daemon_pids(word)]
    assert len(pids) == len(victims)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    ended = await lab.until_ended(submission_id)

    assert ended.phase is Phase.FINISHED
    assert counter.read_text() == "ran\n"
    assert len(daemon_pids("worker")) == 1
    assert len(daemon_pids("stats")) == 1


@pytest.mark.usefixtures("at_once")
async def test_tasks_that_the_broker_has_lost_are_continued_by_the_next_daemon(lab, tmp_path, daemon_pids):
    counter = tmp_path / "counter"
    submission_id, _ = await lab.run_sh(f"echo ran >> {counter}; sleep 3")
    await lab.until_written(submission_id, counter)

    for pid in [pid for word in ("start-circus", "worker", "broker") for pid in daemon_pids(word)]:
        os.kill(pid, signal.SIGKILL)
    _lose_tasks(lab.engine)

    assert (await lab.until_ended(submission_id)).phase is Phase.FINISHED
    assert counter.read_text() == "ran\n"


@pytest.fixture
def next_agent(engine):
    """Have the engine know what one knows that has only just begun, after the last one was killed."""

    def begin() -> None:
        engine._daemon = Daemon(1)
        engine._supervision = Supervision(engine._daemon)

    return begin


def _lose_tasks(engine) -> None:
    tasks = list((engine._home / "aiida" / ".aiida" / "broker").glob("*/storage/tasks/*/*.json"))
    assert tasks
    for task in tasks:
        task.unlink()


@pytest.mark.idempotency("node-protocol")
@pytest.mark.usefixtures("at_once")
async def test_what_was_dropped_is_continued_by_the_next_agent_where_the_last_one_was_killed_before_it_could(
    lab, engine, tmp_path, next_agent
):
    counter, go_on = tmp_path / "counter", tmp_path / "go-on"
    submission_id, _ = await lab.run_sh(f"echo ran >> {counter}; until [ -e {go_on} ]; do sleep 0.1; done")
    await lab.until_written(submission_id, counter)

    await engine._thread.run(engine._daemon.stop)
    _lose_tasks(engine)
    await engine._thread.run(engine._daemon.restart)
    assert engine._daemon.dropped
    go_on.touch()
    next_agent()
    await engine.start()

    assert (await lab.until_ended(submission_id)).phase is Phase.FINISHED
    assert counter.read_text() == "ran\n"


async def test_a_daemon_that_has_dropped_nothing_is_taken_over_as_it_is(lab, engine, tmp_path, daemon_pids, next_agent):
    counter = tmp_path / "counter"
    submission_id, _ = await lab.run_sh(f"echo ran >> {counter}; sleep 1")
    await lab.until_written(submission_id, counter)
    [worker] = daemon_pids("worker")

    next_agent()
    await engine.start()

    assert daemon_pids("worker") == [worker]
    assert (await lab.until_ended(submission_id)).phase is Phase.FINISHED
    assert counter.read_text() == "ran\n"


async def test_a_task_that_the_broker_has_not_taken_is_not_counted_as_queued(lab, engine, daemon_pids, monkeypatch):
    submission_id, execution_id = await lab.run_sh("true")
    await lab.until_ended(submission_id)  # so that a task that comes late does nothing
    pk = await engine._thread.run(lambda: queries.node_of(execution_id).pk)
    monkeypatch.setattr(brokers, "TAKEN_SECONDS", 0.5)
    [broker] = daemon_pids("broker")

    os.kill(broker, signal.SIGSTOP)
    try:
        with pytest.raises(EngineUnavailableError):
            await engine._thread.run(submission.hand_over, pk)
    finally:
        os.kill(broker, signal.SIGCONT)


@pytest.mark.usefixtures("at_once")
async def test_a_daemon_that_a_full_disk_has_failed_is_exchanged_once_there_is_room(
    lab, tmp_path, daemon_pids, monkeypatch
):
    counter = tmp_path / "counter"
    submission_id, _ = await lab.run_sh(f"echo ran >> {counter}; sleep 3")
    await lab.until_written(submission_id, counter)
    [worker] = daemon_pids("worker")

    with monkeypatch.context() as full:
        full.setattr("slipway_node.aiida.engine.why_not_writable", lambda folder: f"{folder} is full")
        with pytest.raises(EngineUnavailableError, match="is full"):
            await lab.engine.health()
        assert daemon_pids("worker") == [worker]

    assert (await lab.until_ended(submission_id)).phase is Phase.FINISHED
    assert counter.read_text() == "ran\n"
    assert worker not in daemon_pids("worker")


def test_the_daemon_stands_where_nothing_lies_that_its_broker_could_remove(daemon_pids):
    pids = [pid for word in ("start-circus", "broker", "worker") for pid in daemon_pids(word)]

    [folder] = {Path(f"/proc/{pid}/cwd").readlink() for pid in pids}

    assert list(folder.iterdir()) == []


@pytest.fixture
async def stored(engine):
    """Have AiiDA know processes in some state, which no worker will ever hear of."""
    from aiida.orm import CalcJobNode, load_computer

    nodes = []

    def store(status: str, *, paused: bool = True, state: str = "waiting"):
        node = CalcJobNode(computer=load_computer(COMPUTER))
        for name, value in {"paused": paused, "process_state": state, "process_status": status}.items():
            node.base.attributes.set(name, value)
        nodes.append(node.store())
        return nodes[-1]

    def end() -> None:
        for node in nodes:
            node.base.attributes.set("process_state", "killed")

    yield store
    await engine._thread.run(end)


async def test_what_aiida_gave_up_goes_on_unless_there_is_no_room_for_it(engine, stored, monkeypatch):
    killed, played = [], []
    monkeypatch.setattr("aiida.engine.processes.control.kill_processes", lambda nodes, **_: killed.extend(nodes))
    monkeypatch.setattr("aiida.engine.processes.control.play_processes", lambda nodes, **_: played.extend(nodes))
    monkeypatch.setattr("slipway_node.aiida.work_directory.why_not_writable", lambda folder: f"{folder} is full")
    gave_up = "Pausing after failed transport task: {} failed 5 times consecutively"

    def see():
        upload, submit = (stored(gave_up.format(f"{task}_calculation")) for task in ("upload", "submit"))
        stored("Paused through `verdi process pause`")
        stored(gave_up.format("upload_calculation"), state="killed")
        stored(gave_up.format("upload_calculation"), paused=False)
        submission.see_to_what_gave_up()
        return ([it.pk for it in nodes] for nodes in ([upload], [submit], killed, played))

    upload, submit, were_killed, were_played = await engine._thread.run(see)

    assert (were_killed, were_played) == (upload, submit)


async def test_health_tells_of_daemon_and_workers(lab):
    health = await lab.engine.health()

    assert health["scheduler"] == "direct"
    assert (health["daemon"], health["workers"], health["broker"]) == ("running", 1, "running")
    assert health["scheduler_answers"] is True


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _process_count() -> int:
    from aiida.orm import ProcessNode, QueryBuilder

    return QueryBuilder().append(ProcessNode).count()


async def test_of_two_with_one_number_that_one_is_cancelled_whose_cancel_was_asked_for(engine, stored):
    """As where a killed controller has forgotten the one, and given its number to the other."""
    from slipway_node.aiida import slurm_scheduler  # with an engine, whose `verdi` AiiDA looks for as it is imported

    def see():
        nodes = {folder: stored("") for folder in ("/work/lost", "/work/other")}
        for folder, node in nodes.items():
            node.set_job_id("4711")
            node.set_remote_workdir(folder)
        before = slurm_scheduler._folders_to_cancel("4711")
        submission.note_cancel(nodes["/work/lost"].uuid)
        return before, slurm_scheduler._folders_to_cancel("4711"), slurm_scheduler._folders_to_cancel("4712")

    before, after, of_none = await engine._thread.run(see)

    assert sorted(before) == ["/work/lost", "/work/other"]  # somebody's own `verdi process kill`
    assert after == ["/work/lost"]
    assert of_none == []
