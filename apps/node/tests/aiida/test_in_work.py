"""Whose hands a process is in: one worker's, for as long as that lives."""

import subprocess
import sys

import pytest

from slipway_node.aiida import in_work

HOLDER = """
import sys, time
from pathlib import Path
from slipway_node.aiida import in_work
in_work._path = lambda: Path(sys.argv[1])
held = in_work.take(7)
print("taken", flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(in_work, "_path", lambda: tmp_path / "in-work")
    return tmp_path / "in-work"


def test_a_process_that_is_taken_is_taken_once_also_by_the_same_worker():
    with in_work.take(7):
        assert in_work.take(7) is None
        assert in_work.taken() == {7}


def test_a_process_that_was_let_go_of_can_be_taken():
    in_work.take(7).close()

    assert in_work.taken() == set()
    assert in_work.take(7) is not None


def test_others_processes_are_taken_beside_it():
    with in_work.take(7), in_work.take(8), in_work.take(10):
        assert in_work.taken() == {7, 8, 10}


def test_a_killed_worker_lets_go_of_what_it_had(file):
    worker = subprocess.Popen([sys.executable, "-c", HOLDER, str(file)], stdout=subprocess.PIPE, text=True)
    assert worker.stdout.readline() == "taken\n"
    before = in_work.taken()

    worker.kill()
    worker.communicate()

    assert before == {7}
    assert in_work.taken() == set()
