"""Where a journal may lie, and jobs may run."""

import errno
import fcntl
import os
from pathlib import Path

import pytest

from slipway_node.filesystem import NetworkFileSystemError, is_network, require_local, type_of, why_not_for_jobs

MOUNTS = """\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 21 0:40 / /home rw,relatime shared:2 - nfs4 server:/home rw,vers=4.2
31 30 8:2 / /home/local\\040disk rw - xfs /dev/sdb1 rw
32 21 0:50 / /scratch rw - lustre 10.0.0.1@tcp:/scratch rw
33 21 0:60 / /sshfs rw - fuse.sshfs me@there: rw
34 21 0:61 / /twice rw - nfs4 server:/twice rw
35 34 0:62 / /twice rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/slipway", "ext4"),
        ("/home/me/.slipway", "nfs4"),
        ("/home/local disk/slipway", "xfs"),
        ("/homestead", "ext4"),
        ("/scratch/me", "lustre"),
        ("/sshfs", "fuse.sshfs"),
        ("/twice/x", "tmpfs"),
    ],
)
def test_a_path_has_the_type_of_its_innermost_and_last_mount(path, kind):
    assert type_of(Path(path), MOUNTS) == kind


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "lustre", "gpfs", "beegfs", "cifs", "ceph", "fuse.sshfs"])
def test_other_machines_file_systems_are_network_ones(kind):
    assert is_network(kind)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay"])
def test_this_machine_s_file_systems_are_not(kind):
    assert not is_network(kind)


def test_a_home_on_a_network_file_system_is_refused(tmp_path):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"1 1 0:1 / {tmp_path.resolve()} rw - nfs4 server:/x rw\n")
    with pytest.raises(NetworkFileSystemError, match="is on nfs4"):
        require_local(tmp_path, mounts)


def test_where_mounts_are_unknown_nothing_is_refused(tmp_path):
    require_local(tmp_path, tmp_path / "no-such-file")


@pytest.mark.parametrize(
    ("module", "name", "code", "said"),
    [
        (fcntl, "flock", errno.ENOSYS, "has no flock (Function not implemented)"),  # Lustre without its option
        (fcntl, "flock", errno.ENOLCK, "has no flock (No locks available)"),
        (os, "link", errno.EPERM, "has no hard links (Operation not permitted)"),  # exFAT
    ],
)
def test_where_a_job_could_be_submitted_twice_none_is(monkeypatch, tmp_path, module, name, code, said):
    """Played: no such file system is at hand."""

    def fail(*_arguments):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(module, name, fail)

    assert said in str(why_not_for_jobs(tmp_path))
    assert not [*tmp_path.iterdir()]


def test_a_local_disk_does_for_jobs(tmp_path):
    assert why_not_for_jobs(tmp_path / "work") is None


def test_what_cannot_be_tried_is_no_reason(tmp_path):
    (tmp_path / "file").touch()
    assert why_not_for_jobs(tmp_path / "file") is None
