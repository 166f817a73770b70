"""A disk that is full or may not be written: what is told of it, and who waits."""

import asyncio
import errno
import io
import sqlite3
import tarfile
from pathlib import Path

import pytest
import structlog
from sqlalchemy.exc import OperationalError, PendingRollbackError, StatementError

from slipway_contracts.execution_event import ExecutionState
from slipway_node import running, storage
from slipway_node.agent import logs
from slipway_node.agent.agent import Agent
from slipway_node.aiida.thread import EngineThread
from slipway_node.journal import Journal, JournalThread
from slipway_node.lock import holder_in, this_process
from slipway_node.payloads import fetch
from slipway_node.ports import EngineUnavailableError, Phase, RefusedJobError

DOCUMENT = b"slipway: 1\nkind: shell\nprogram: sh\narguments: ['{script}']\nfiles: {script: {uri: job.sh}}\n"


def failing(error_number: int):
    def fail(*_arguments, **_named):
        raise OSError(error_number, "the disk's word")

    return fail


def full() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error


def locked() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    return error


def no_room() -> OSError:
    return OSError(errno.ENOSPC, "full")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (no_room(), True),
        (OSError(errno.EDQUOT, "quota"), True),
        (OSError(errno.EROFS, "read-only"), True),
        (PermissionError(errno.EACCES, "no"), True),
        (full(), True),
        (locked(), False),
        (OSError(errno.ESTALE, "the server is away"), False),
        (OSError(errno.EIO, "broken"), False),
        (sqlite3.OperationalError("Could not decode to UTF-8 column"), False),
        (ValueError("no"), False),
    ],
)
def test_only_want_of_room_or_right_is_a_word_about_storage(error, told):
    assert storage.is_told_by(error) is told


def test_a_folder_that_can_be_written_is_left_as_it_was(tmp_path):
    storage.require_writable(tmp_path / "work")

    assert list((tmp_path / "work").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named_with_the_systems_word(tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", failing(errno.ENOSPC))

    with pytest.raises(RefusedJobError) as refused:
        storage.require_writable(tmp_path)

    assert (refused.value.code, refused.value.retryable) == ("node_storage", True)
    assert refused.value.message == f"{tmp_path} cannot be written: the disk's word"
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_that_does_not_answer_is_no_verdict(tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", failing(errno.ESTALE))

    with pytest.raises(EngineUnavailableError):
        storage.require_writable(tmp_path)


@pytest.mark.parametrize("written_by", ["pathlib.Path.write_bytes", "pathlib.Path.mkdir"])
async def test_a_payload_that_the_home_has_no_room_for_is_not_refused(tmp_path, monkeypatch, written_by):
    source = tmp_path / "source"
    source.mkdir()
    (source / "slipway.yaml").write_bytes(DOCUMENT)
    (source / "job.sh").write_bytes(b"true\n")
    monkeypatch.setattr(written_by, failing(errno.ENOSPC))

    with pytest.raises(OSError, match="the disk's word"):
        await fetch((source / "slipway.yaml").as_uri(), tmp_path / "workspace", [source.as_uri()])


async def test_an_acked_job_waits_for_room_in_the_home(lab, monkeypatch):
    told = []
    monkeypatch.setattr("slipway_node.agent.steps._log.warning", lambda line, **_fields: told.append(line))
    lab.engine.first_phase = Phase.FINISHED
    laid_out = lab.fetch

    async def has_room_at_the_third_try(*arguments):
        if len(told) < 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        await laid_out(*arguments)

    lab.fetch = has_room_at_the_third_try
    submission_id = lab.submit()
    await lab.run_to_the_end(submission_id)

    assert told == ["step_postponed", "step_postponed"]
    assert lab.gateway.states(submission_id)[-1] is ExecutionState.COMPLETED
    assert lab.engine.launched[submission_id] == 1


async def test_a_bundle_that_has_no_room_is_not_called_broken(tmp_path, monkeypatch):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("slipway.yaml")
        entry.size = len(DOCUMENT)
        archive.addfile(entry, io.BytesIO(DOCUMENT))
    (tmp_path / "job.tar.gz").write_bytes(packed.getvalue())
    monkeypatch.setattr("slipway_node.payloads.bundle._write", failing(errno.EDQUOT))

    with pytest.raises(OSError, match="the disk's word"):
        await fetch((tmp_path / "job.tar.gz").as_uri(), tmp_path / "workspace", [tmp_path.as_uri()])


class FullDisk(sqlite3.Connection):
    """A connection whose commits fail while its disk is full, as SQLite's own do."""

    is_full = False

    def execute(self, statement, *arguments):
        if statement == "COMMIT" and FullDisk.is_full:
            super().execute("ROLLBACK")
            raise full()
        return super().execute(statement, *arguments)


@pytest.fixture
def full_disk():
    FullDisk.is_full = True
    yield FullDisk
    FullDisk.is_full = False


async def test_the_agent_waits_for_a_full_disk_and_acks_nothing_meanwhile(lab, monkeypatch, full_disk):
    monkeypatch.setattr("slipway_node.journal.thread.AGAIN_SECONDS", 0.01)
    full_disk.is_full = False
    told_of_trouble = asyncio.Event()
    monkeypatch.setattr("slipway_node.journal.thread._log.error", lambda *_line, **_fields: told_of_trouble.set())
    opened = Journal.open
    monkeypatch.setattr(Journal, "open", lambda *path, **named: opened(*path, **named, factory=FullDisk))
    async with lab.context() as context:
        agent = Agent(context)
        work = asyncio.create_task(agent.run())
        await context.until(context.leased)
        full_disk.is_full = True
        submission_id = lab.submit()
        await told_of_trouble.wait()  # by whichever step writes first
        await lab.gateway.until(lambda: {held.state for held in lab.gateway.commands.values()} == {"leased"})
        assert "full" in context.journal.trouble
        assert lab.engine.launched[submission_id] == 0
        full_disk.is_full = False
        await lab.gateway.until(lambda: lab.gateway.states(submission_id))
        while context.journal.trouble is not None:  # noqa: ASYNC110 - nothing tells of the step that tries again last
            await asyncio.sleep(0.01)
        agent.stop()
        await work
    assert lab.engine.launched[submission_id] == 1


@pytest.mark.idempotency("node-protocol")
async def test_an_agent_that_cannot_open_its_journal_tells_so_and_goes_on_when_it_can(lab, monkeypatch, full_disk):
    monkeypatch.setattr("slipway_node.journal.thread.AGAIN_SECONDS", 0.01)
    async with lab.context() as context:
        journal_id = context.journal_id
    opened = Journal.open

    def opened_where_there_is_room(*path, **named):
        if full_disk.is_full:
            raise full()
        return opened(*path, **named)

    monkeypatch.setattr(Journal, "open", opened_where_there_is_room)
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.beats and "journal_error" in lab.gateway.beats[-1].health)
        submission_id = lab.submit()
        assert lab.gateway.beats[-1].journal_id == journal_id
        full_disk.is_full = False
        lab.engine.first_phase = Phase.FINISHED
        await lab.ended(submission_id)
        await lab.gateway.until(lambda: "journal_error" not in lab.gateway.beats[-1].health)
    assert lab.engine.launched[submission_id] == 1


async def test_an_agent_that_has_no_room_to_forget_beats_and_tells_so(lab, monkeypatch, full_disk):
    monkeypatch.setattr("slipway_node.journal.thread.AGAIN_SECONDS", 0.01)
    full_disk.is_full = False
    opened = Journal.open
    monkeypatch.setattr(Journal, "open", lambda *path, **named: opened(*path, **named, factory=FullDisk))
    async with lab.context() as context:
        full_disk.is_full = True
        agent = Agent(context)
        work = asyncio.create_task(agent.run())
        await lab.gateway.until(lambda: lab.gateway.beats and "journal_error" in lab.gateway.beats[-1].health)
        agent.stop()
        await work


async def test_an_agent_waits_for_the_room_that_its_lock_takes(lab, monkeypatch):
    monkeypatch.setattr(running, "LOCK_AGAIN_SECONDS", 0.01)
    waits = asyncio.Event()
    monkeypatch.setattr("slipway_node.running._log.error", lambda *_line, **_fields: waits.set())
    with monkeypatch.context() as disk:
        disk.setattr("os.pwrite", failing(errno.ENOSPC))
        taking = asyncio.create_task(running._lock_of(lab.home))
        await waits.wait()
        assert not taking.done()
    lock = await taking
    assert holder_in(lab.home.lock_file) == this_process()
    lock.release()


async def test_a_lock_that_may_not_be_written_is_told_at_once(lab, monkeypatch):
    monkeypatch.setattr("os.pwrite", failing(errno.EACCES))
    with pytest.raises(PermissionError):
        await running._lock_of(lab.home)


async def test_an_error_that_is_none_of_the_disks_is_raised_at_once():
    def broken(_journal):
        error = sqlite3.OperationalError("no such table: commands")
        error.sqlite_errorcode = sqlite3.SQLITE_ERROR
        raise error

    journal = await JournalThread.open(lambda: Journal.open(Path(":memory:"), new_id=str, clock=lambda: None))
    with pytest.raises(sqlite3.OperationalError):
        await journal.call(broken)
    await journal.close()


async def test_what_aiida_cannot_write_is_tried_again():
    thread = EngineThread()
    with pytest.raises(EngineUnavailableError, match="the disk's word"):
        await thread.run(failing(errno.ENOSPC))
    with pytest.raises(OSError, match="the disk's word"):
        await thread.run(failing(errno.EIO))
    thread.close()


@pytest.mark.parametrize(
    ("error", "failed"), [(StatementError("it failed", "insert", {}, full()), True), (no_room(), False)]
)
async def test_that_the_database_itself_had_no_room_is_kept_until_aiida_is_exchanged(monkeypatch, error, failed):
    given_up = []
    monkeypatch.setattr("slipway_node.aiida.thread.give_up_transaction", lambda: given_up.append(True))
    thread = EngineThread()

    def write():
        raise error

    with pytest.raises(EngineUnavailableError):
        await thread.run(write)
    await thread.run(lambda: None)  # which goes well and says nothing of the workers' sessions
    thread.close()

    assert (thread.database_failed, bool(given_up)) == (failed, failed)


@pytest.mark.parametrize("error", [OperationalError("insert", {}, locked()), PendingRollbackError("a flush failed")])
async def test_a_database_that_is_locked_is_asked_again_and_its_daemon_left_alone(monkeypatch, error):
    given_up = []
    monkeypatch.setattr("slipway_node.aiida.thread.give_up_transaction", lambda: given_up.append(True))
    thread = EngineThread()

    def write():
        raise error

    with pytest.raises(EngineUnavailableError):
        await thread.run(write)
    thread.close()

    assert given_up
    assert not thread.database_failed


def test_a_log_on_a_full_disk_loses_its_lines_and_ends_nothing():
    try:
        logs.configure("INFO", None, Path("/dev/full"))
        structlog.get_logger().info("lost")
    finally:
        structlog.reset_defaults()
