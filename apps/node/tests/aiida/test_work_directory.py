"""Which executions are found to have failed for want of storage, and which are not; their nodes are played."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from slipway_node.aiida import work_directory
from slipway_node.aiida.collecting import SCHEDULER_STDERR
from slipway_node.slurm.submit_once import CLAIM, CLAIM_FAILED_STATUS, INTENT

GAVE_UP = "Pausing after failed transport task: {} failed 5 times consecutively"
FULL = "/work cannot be written: No space left on device"


class Extras(dict):
    def set(self, key, value) -> None:
        self[key] = value


@dataclass(eq=False)
class Node:
    process_status: str = GAVE_UP.format("upload_calculation")
    folder: Path = Path()
    base: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(extras=Extras()))

    def get_remote_workdir(self) -> str:
        return str(self.folder)


@pytest.fixture
def disk(monkeypatch) -> SimpleNamespace:
    """Say why the work directory cannot be written."""
    said = SimpleNamespace(trouble=None)
    monkeypatch.setattr(work_directory, "path", lambda: Path("/work"))
    monkeypatch.setattr(work_directory, "why_not_writable", lambda _: said.trouble)
    return said


def test_an_upload_is_what_a_full_work_directory_fails(disk):
    upload, submit, retrieve = [
        Node(GAVE_UP.format(task)) for task in ("upload_calculation", "submit_calculation", "retrieve_calculation")
    ]
    disk.trouble = FULL

    assert work_directory.lacked_by([upload, submit, retrieve]) == [upload]
    assert [work_directory.told(node) for node in (upload, submit, retrieve)] == [FULL, None, None]


def test_an_upload_that_failed_for_another_reason_goes_on(disk):  # noqa: ARG001 - it has room
    upload = Node()

    assert work_directory.lacked_by([upload]) == []
    assert work_directory.told(upload) is None


def test_what_was_found_to_lack_storage_still_does_when_there_is_room_again(disk):
    found, later = Node(), Node()
    disk.trouble = FULL
    work_directory.lacked_by([found])
    disk.trouble = None

    assert work_directory.lacked_by([later, found]) == [found]

    disk.trouble = FULL
    assert work_directory.lacked_by([later, found]) == [found, later]


@pytest.mark.parametrize(
    ("has_claim", "trouble", "ended_with", "told"),
    [
        (False, None, CLAIM_FAILED_STATUS, "{folder} could not be written when the job began"),
        (False, FULL, 1, FULL),  # it could not even say so
        (False, None, 1, None),
        (False, None, None, None),
        (True, None, CLAIM_FAILED_STATUS, None),  # the program's own 74
        (True, FULL, 1, None),
    ],
)
def test_a_job_without_its_claim_is_noted_where_it_could_not_write_it(
    disk, tmp_path, has_claim, trouble, ended_with, told
):
    node, disk.trouble = Node(folder=tmp_path), trouble
    if has_claim:
        (tmp_path / CLAIM).touch()

    work_directory.note_a_job_without_claim(node, "7", lambda *_job: ended_with)

    assert work_directory.told(node) == (told and told.format(folder=tmp_path))


@pytest.mark.parametrize(
    ("submissions", "ended_after_seconds", "may_have"),
    [(2, 3, True), (1, 3, False), (2, 3 * 3600, False), (0, 3, False), (2, None, False)],
)
def test_a_job_may_have_been_started_twice_that_ended_soon_after_it_was_submitted_again(
    tmp_path, submissions, ended_after_seconds, may_have
):
    if submissions:
        (tmp_path / INTENT).write_text("1795923480\n" * submissions)
    if ended_after_seconds is not None:
        said = tmp_path / SCHEDULER_STDERR
        said.touch()
        now = said.stat().st_mtime
        os.utime(said, (now, now + ended_after_seconds))

    assert work_directory.may_have_been_started_twice(tmp_path) is may_have
