"""Jobs are withdrawn beside the thread that asks for it: also by a slow Slurm, and little is waited for."""

import os
import time
from pathlib import Path

import pytest

from slipway_node.slurm import cluster, withdrawals
from slipway_node.slurm.cluster import Cluster
from slipway_node.slurm.submit_once import CLAIM
from slipway_node.slurm.withdrawals import AT_ONCE

WITHIN_SECONDS = 20.0


@pytest.fixture
def slurm(tmp_path, answering, monkeypatch):
    """Return a function that puts a Slurm in the place of the real one, which takes so long for each answer."""
    monkeypatch.setattr(cluster, "ASK_SECONDS", 0.5)
    monkeypatch.setattr(withdrawals, "AWAITED_SECONDS", 0.2)
    asked = tmp_path / "asked"
    asked.touch()

    def taking(seconds: float, *, until: Path | None = None) -> None:
        waits = f"sleep {seconds}" if until is None else f"until [ -e {until} ]; do sleep 0.02; done"
        told = f'echo "${{0##*/}}" >> {asked}; {waits}'
        one = f"[ -e {tmp_path}/gone ] || echo '7|RUNNING|{tmp_path.resolve()}'"
        environment = answering(
            squeue=f"{told}; {one}",
            scontrol=f"[ $1 = ping ] || {{ {told}; echo Invalid job id specified; }}",
            scancel=f"{told}; touch {tmp_path}/gone",
        )
        monkeypatch.setenv("PATH", environment["PATH"])

    taking.asked = lambda: asked.read_text().split()
    return taking


def until_withdrawn(slurm: Cluster, folder: Path) -> float:
    """Ask until it is done, and return the seconds that the longest answer took."""
    longest, deadline = 0.0, time.monotonic() + WITHIN_SECONDS
    while time.monotonic() < deadline:
        began = time.monotonic()
        done = slurm.withdraw(str(folder))
        longest = max(longest, time.monotonic() - began)
        if done:
            return longest
        time.sleep(0.05)
    return pytest.fail("nothing was withdrawn")


def test_what_a_quick_slurm_does_is_done_when_it_is_asked_for(tmp_path, slurm, monkeypatch):
    monkeypatch.setattr(withdrawals, "AWAITED_SECONDS", WITHIN_SECONDS)
    slurm(0.0)

    assert Cluster().withdraw(str(tmp_path))
    assert (tmp_path / CLAIM).read_text() == "nobody\n"
    assert slurm.asked() == ["squeue", "scancel", "squeue"]


def test_a_slow_slurm_is_given_its_time_and_not_waited_for(tmp_path, slurm):
    """All in all it takes thrice as long as any one answer may."""
    slurm(1.0)

    longest = until_withdrawn(Cluster(), tmp_path)

    assert longest < 1.0
    assert slurm.asked() == ["squeue", "scancel", "squeue"]


@pytest.mark.idempotency("node-protocol")
def test_one_that_was_withdrawn_may_be_again(tmp_path, slurm):
    slurm(0.0)
    asked = Cluster()

    until_withdrawn(asked, tmp_path)
    until_withdrawn(asked, tmp_path)

    assert slurm.asked().count("scancel") == 1


def test_what_failed_is_begun_anew(tmp_path, slurm, answering, monkeypatch):
    monkeypatch.setattr(withdrawals, "AWAITED_SECONDS", WITHIN_SECONDS)
    with monkeypatch.context() as patch:
        slurm(0.0)
        away = answering(squeue="echo away >&2; exit 1")["PATH"].split(os.pathsep)[0]
        patch.setenv("PATH", away, prepend=os.pathsep)
        told = []
        patch.setattr(withdrawals._log, "warning", lambda line, **fields: told.append((line, fields["detail"])))
        asked = Cluster()
        assert not asked.withdraw(str(tmp_path))
        assert told == [("jobs_not_withdrawn", "away")]
    slurm(0.0)

    until_withdrawn(asked, tmp_path)


def test_so_many_are_withdrawn_at_once_and_of_those_one_is_waited_for(tmp_path, slurm):
    go_on = tmp_path / "go-on"
    slurm(0.0, until=go_on)
    folders = [tmp_path / str(number) for number in range(2 * AT_ONCE)]
    for folder in folders:
        folder.mkdir()
    asked, began = Cluster(), time.monotonic()

    assert not any(asked.withdraw(str(folder)) for folder in folders)
    assert time.monotonic() - began < WITHIN_SECONDS / 2
    assert len(asked._withdrawals._begun) == AT_ONCE
    go_on.touch()
    for folder in folders:
        until_withdrawn(asked, folder)
