"""One agent a home."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from slipway_node.lock import AgentLock, Holder, LockHeldError, _started_ticks, holder_in, is_alive, this_process

ME = this_process()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "agent.lock"


def test_the_lock_names_its_holder(path):
    lock = AgentLock.acquire(path, ME)
    assert holder_in(path) == ME
    assert ME.pid == os.getpid()
    lock.release()
    assert holder_in(path) is None


def test_a_second_agent_is_told_who_runs(path):
    lock = AgentLock.acquire(path, ME)
    with pytest.raises(LockHeldError, match=f"pid {os.getpid()} on {ME.host} runs already"):
        AgentLock.acquire(path, ME)
    lock.release()


def test_the_lock_can_be_taken_again_after_its_release(path):
    AgentLock.acquire(path, ME).release()
    AgentLock.acquire(path, ME).release()


def test_the_lock_of_a_killed_process_is_stale(path):
    code = (
        "import os, sys; from pathlib import Path; from slipway_node.lock import *;"
        "AgentLock.acquire(Path(sys.argv[1]), this_process()); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    left = holder_in(path)
    assert left is not None
    assert is_alive(left, ME) is False
    AgentLock.acquire(path, ME).release()


def test_the_lock_of_an_earlier_boot_is_stale(path):
    path.write_text(Holder(pid=os.getpid(), host=ME.host, boot_id="before").model_dump_json())
    assert is_alive(Holder(pid=os.getpid(), host=ME.host, boot_id="before"), ME) is False
    AgentLock.acquire(path, ME).release()


def test_a_process_that_was_given_the_pid_of_an_ended_agent_is_none():
    assert ME.started_ticks is not None
    assert is_alive(ME, ME) is True
    assert is_alive(ME.model_copy(update={"started_ticks": ME.started_ticks - 1}), ME) is False


def test_the_start_of_a_process_is_told_whatever_its_name_is(tmp_path):
    named = tmp_path / "a) R 1 1 (b"
    named.symlink_to("/bin/sleep")
    with subprocess.Popen([named, "60"]) as other:
        try:
            started = _started_ticks(other.pid)
            assert started is not None
            assert ME.started_ticks is not None
            assert started >= ME.started_ticks
        finally:
            other.kill()


@pytest.mark.parametrize("unknown", ["of the holder", "of the process"])
def test_a_pid_is_trusted_where_nothing_tells_when_its_process_started(monkeypatch, tmp_path, unknown):
    holder = ME
    if unknown == "of the holder":  # an older agent did not write it
        holder = Holder.model_validate(ME.model_dump(exclude={"started_ticks"}))
    else:
        monkeypatch.setattr("slipway_node.lock.PROC", tmp_path)
    assert is_alive(holder, ME) is True


def test_another_host_s_lock_is_never_broken(path):
    other = Holder(pid=1, host="another-login-node", boot_id="x")
    path.write_text(other.model_dump_json())
    with pytest.raises(LockHeldError, match="on another-login-node has not let"):
        AgentLock.acquire(path, ME)
    assert holder_in(path) == other
    assert is_alive(other, ME) is None


def test_a_child_process_does_not_inherit_the_lock(path):
    lock = AgentLock.acquire(path, ME)
    with subprocess.Popen(["sleep", "60"], close_fds=False) as child:
        lock.release()
        try:
            AgentLock.acquire(path, ME).release()
        finally:
            child.kill()
