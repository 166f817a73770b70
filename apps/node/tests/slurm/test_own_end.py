import subprocess

import pytest

from slipway_node.slurm import own_end


def run(script: str, folder) -> str:
    return subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("status", [0, 3])
def test_a_script_that_comes_to_its_end_leaves_a_mark_and_keeps_its_programs_status(tmp_path, status):
    assert run(f"(exit {status})\n{own_end.mark()}\necho $?", tmp_path) == f"{status}\n"
    assert own_end.was_reached(tmp_path)


def test_a_script_that_is_cut_off_leaves_none(tmp_path):
    run(f"kill -KILL $$\n{own_end.mark()}", tmp_path)
    assert own_end.was_reached(tmp_path) is False


def test_a_script_whose_program_is_killed_a_moment_before_it_leaves_none(tmp_path):
    killed = "sleep() { return 137; }"
    assert run(f"{killed}\n(exit 137)\n{own_end.mark()}\necho $?", tmp_path) == "137\n"
    assert own_end.was_reached(tmp_path) is False


def test_of_a_folder_that_is_gone_nothing_is_known(tmp_path):
    assert own_end.was_reached(tmp_path / "gone") is None
