"""A journal that cannot be read is told as such, and never as one with nothing in it."""

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import now
from test_storage import full

from slipway_contracts.execution_event import ExecutionState
from slipway_node.agent.agent import Agent
from slipway_node.cli.endings import MAY_PASS, REFUSED
from slipway_node.journal import Journal, JournalBrokenError, JournalThread, JournalUnusableError
from slipway_node.journal.thread import _may_pass
from slipway_node.lock import this_process
from slipway_node.ports import Phase
from slipway_node.status import status_of
from slipway_node.status_text import status_text

PAGE_BYTES = 4096
COMMANDS = [["dead-letters", "list"], ["dead-letters", "retry", "--all"], ["dead-letters", "drop", "--all"]]


def made(path: Path) -> Path:
    """Return a journal that an agent has left."""
    Journal.open(path, new_id=lambda: "i1", clock=now).close()
    return path


def overwritten(path: Path) -> None:
    path.write_bytes(b"no database" * PAGE_BYTES)


def torn(path: Path) -> None:
    """Leave the first page, with which it can be opened."""
    content = path.read_bytes()
    path.write_bytes(content[:PAGE_BYTES] + b"\xff" * (len(content) - PAGE_BYTES))


@pytest.fixture(params=[overwritten, torn])
def broken(lab, request) -> Path:
    request.param(made(lab.home.journal_file))
    return lab.home.journal_file


@pytest.fixture
def locked(lab, monkeypatch) -> Iterator[Path]:
    """A journal that another process keeps to itself."""
    monkeypatch.setattr("slipway_node.journal.schema.BUSY_SECONDS", 0.01)
    path = made(lab.home.journal_file)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        yield path


def broken_page() -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


@pytest.mark.usefixtures("broken")
def test_status_says_that_a_broken_journal_cannot_be_read_and_why(steward):
    assert steward.run("status") == 0
    [line] = [line for line in steward.out.splitlines() if line.startswith("journal: ")]
    assert line.startswith("journal:       journal.db cannot be used: ")
    assert "not a database" in line or "malformed" in line
    assert "jobs:" not in steward.out
    assert "outbox:" not in steward.out


@pytest.mark.usefixtures("locked")
def test_status_tells_nothing_for_none_in_json_where_the_journal_is_locked(steward):
    assert steward.run("status", "--json") == 0
    told = json.loads(steward.out)
    assert told["journal_trouble"] == "journal.db cannot be used: database is locked"
    assert {told[name] for name in ("commands", "open_executions", "open_cancels", "outbox", "dead_letters")} == {None}


@pytest.mark.parametrize("begun", [False, True])
def test_a_journal_that_is_not_there_yet_has_nothing_in_it(lab, begun):
    if begun:  # by an agent that has not come further
        lab.home.journal_file.touch()
    told = status_of(lab.home, this_process(), now())
    assert (told.journal_trouble, told.commands, told.dead_letters) == (None, {}, [])
    assert "jobs:          none\noutbox:        none" in status_text(told)


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("arguments", COMMANDS)
def test_no_dead_letters_are_told_of_a_broken_journal_but_what_to_do(steward, arguments):
    assert steward.run(*arguments) == REFUSED
    assert steward.out == ""
    assert "journal.db cannot be used: " in steward.err
    assert "move HOME/journal.db* away" in steward.err
    assert steward.err.count("\n") == 1


@pytest.mark.usefixtures("locked")
@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_command_that_finds_the_journal_locked_may_be_tried_again(steward, arguments):
    assert steward.run(*arguments) == MAY_PASS
    assert steward.err.startswith("slipway-node: journal.db cannot be used: database is locked (hint: try again")


def test_a_journal_that_is_there_and_cannot_be_opened_is_not_taken_for_none(lab, steward):
    lab.home.journal_file.mkdir()
    assert steward.run("dead-letters", "list") == MAY_PASS
    assert steward.out == ""
    assert str(status_of(lab.home, this_process(), now()).journal_trouble).startswith("journal.db cannot be used: ")


def test_a_command_that_finds_no_room_says_so(steward, monkeypatch):
    def no_room(_journal, _event_ids):
        raise full()

    monkeypatch.setattr(Journal, "retry_dead_letters", no_room)
    assert steward.run("dead-letters", "retry", "--all") == MAY_PASS
    assert "database or disk is full" in steward.err


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("command", ["run", "reconcile"])
def test_an_agent_says_what_to_do_about_a_broken_journal(steward, command):
    assert steward.run(command) == REFUSED
    [line] = [line for line in steward.err.splitlines() if line.startswith("slipway-node: ")]
    assert "journal.db cannot be used: " in line
    assert "move HOME/journal.db* away" in line


@pytest.mark.parametrize("read", ["tally", "executions", "entry"])
async def test_an_agent_whose_journal_breaks_as_it_runs_ends_with_that_alone(lab, monkeypatch, read):
    def torn_page(*_arguments):
        raise broken_page()

    lab.submit()

    async with lab.context() as context:
        work = asyncio.create_task(Agent(context).run())
        await asyncio.wait_for(context.leased.wait(), 5.0)
        monkeypatch.setattr(Journal, read, torn_page)
        with pytest.raises(JournalBrokenError, match="malformed"):
            await asyncio.wait_for(work, 5.0)


@pytest.mark.idempotency("execution-event")
async def test_with_a_broken_journal_moved_away_all_is_told_and_nothing_runs_twice(lab, steward):
    goes_on, ends = lab.submit("j1"), lab.submit("j2")
    async with lab.agent():
        await lab.gateway.until(lambda: lab.gateway.states(goes_on) and lab.gateway.states(ends))
        lab.gateway.down = True
        lab.engine.set(ends, Phase.FINISHED)
    torn(lab.home.journal_file)
    lab.gateway.down = False
    assert await asyncio.to_thread(steward.run, "status") == 0
    assert "malformed" in steward.out
    for path in lab.home.root.glob("journal.db*"):
        path.rename(path.with_name(f"broken-{path.name}"))
    async with lab.agent():
        await lab.ended(ends)
        lab.engine.set(goes_on, Phase.FINISHED)
        await lab.ended(goes_on)
    for submission_id in (goes_on, ends):
        assert lab.gateway.states(submission_id)[-1] is ExecutionState.COMPLETED
        assert lab.engine.launched[submission_id] == 1


async def test_what_is_wrong_with_the_file_itself_is_told_at_once():
    def no_file_left():
        error = sqlite3.OperationalError("unable to open database file")
        error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
        raise error

    with pytest.raises(JournalUnusableError, match="unable to open") as raised:
        await JournalThread.open(no_file_left)
    assert not isinstance(raised.value, JournalBrokenError)


def test_another_processs_lock_may_pass_in_all_its_forms_and_what_python_says_by_itself_does_not():
    recovering = sqlite3.OperationalError("database is locked")
    recovering.sqlite_errorcode = sqlite3.SQLITE_BUSY_RECOVERY
    assert _may_pass(recovering)
    assert not _may_pass(sqlite3.OperationalError("Could not decode to UTF-8 column"))
