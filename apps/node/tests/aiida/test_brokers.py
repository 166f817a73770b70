"""What has a task at AiiDA's own broker, whose files move while they are read."""

import asyncio
import json
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from slipway_node.aiida import brokers
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


def test_a_communicator_is_waited_for_until_it_has_begun_and_one_that_is_closed_is_not():
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    began = []
    loop.call_soon_threadsafe(loop.call_later, brokers.BEGUN_SECONDS / 2, began.append, "ran on")
    brokers._let_begin(SimpleNamespace(_loop=loop))
    assert began == ["ran on"]

    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    brokers._let_begin(SimpleNamespace(_loop=loop))
    brokers._let_begin(None)
