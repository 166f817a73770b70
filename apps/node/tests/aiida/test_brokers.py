"""What has a task at AiiDA's own broker, whose files move while they are read."""

import asyncio
import json
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from slipway_node.aiida import brokers, profile
from slipway_node.aiida.brokers import ZeroMq


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for state in ("pending", "processing"):
        (tmp_path / state).mkdir()
    monkeypatch.setattr(ZeroMq, "_tasks", staticmethod(lambda: tmp_path))
    return tmp_path


@pytest.mark.parametrize(("was_in", "goes_to"), [("pending", "processing"), ("processing", "pending")])
def test_a_task_that_moves_while_it_is_looked_for_is_found(tasks, monkeypatch, was_in, goes_to):
    (tasks / was_in / "1_a.json").write_text(json.dumps({"body": {"args": {"pid": 7}}}))
    read = Path.read_text

    def moved_before_it_is_read(file: Path, **named) -> str:
        if file.parent.name == was_in and file.exists():
            file.rename(tasks / goes_to / file.name)
        return read(file, **named)

    monkeypatch.setattr(Path, "read_text", moved_before_it_is_read)

    assert ZeroMq().in_hand([7, 8]) == {7}


class LateLoop(asyncio.SelectorEventLoop):
    """One that stands still for a moment between its first run, to completion, and its second, for ever."""

    runs = 0

    def run_forever(self) -> None:
        self.runs += 1
        if self.runs > 1:
            time.sleep(0.3)
        super().run_forever()


def test_a_communicator_that_is_closed_as_it_begins_is_not_waited_for_for_ever(monkeypatch, homes):
    """AiiDA's own: its ``close`` misses a loop that has not begun, and then waits for its sockets."""
    profile.load(homes(profile.SchedulerKind.DIRECT, "zeromq"))
    from aiida.brokers.zeromq.communicator import ZeromqCommunicator

    monkeypatch.setattr("aiida.brokers.zeromq.communicator.asyncio.new_event_loop", LateLoop)
    communicator = ZeromqCommunicator(router_endpoint="ipc:///nobody-listens")
    communicator.start()

    def close() -> None:
        brokers._let_begin(communicator)
        communicator.close()

    closing = threading.Thread(target=close, daemon=True)
    closing.start()
    closing.join(6.0)
    assert not closing.is_alive()


def test_a_communicator_that_is_closed_or_was_never_there_is_not_waited_for():
    loop = asyncio.new_event_loop()
    loop.close()
    brokers._let_begin(SimpleNamespace(_loop=loop))
    brokers._let_begin(None)
