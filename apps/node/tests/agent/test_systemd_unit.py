"""The unit that keeps an agent running."""

import configparser
from pathlib import Path

import pytest

from slipway_node import cli
from slipway_node.systemd_unit import systemd_unit

PROGRAM, HOME = Path("/opt/slipway/bin/slipway-node"), Path("/var/lib/slipway-node")


def parsed(unit: str) -> configparser.ConfigParser:
    read = configparser.ConfigParser(interpolation=None)
    read.optionxform = str
    read.read_string(unit)
    return read


def test_it_starts_the_agent_again_but_not_after_what_a_further_start_ends_with_too():
    service = parsed(systemd_unit(PROGRAM, HOME, "/usr/bin:/bin", (1, 4)))["Service"]
    assert service["ExecStart"] == f"{PROGRAM} run --home {HOME}"
    assert service["Restart"] == "always"
    assert service["RestartPreventExitStatus"] == "1 4"


def test_jobs_that_the_node_runs_itself_outlive_the_units_stop():
    assert parsed(systemd_unit(PROGRAM, HOME, "/bin", ()))["Service"]["KillMode"] == "process"


@pytest.mark.parametrize("home", ["/home/a b", "/home/100%", "/home/$x"])
def test_a_path_that_a_unit_reads_otherwise_is_refused(home):
    with pytest.raises(ValueError, match="does not take"):
        systemd_unit(PROGRAM, Path(home), "/bin", ())


def test_the_command_prints_it_for_an_enrolled_home_alone(lab, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert cli.run_command_line(["unit", "--home", str(lab.home.root)]) == 0
    service = parsed(capsys.readouterr().out)["Service"]
    assert f"run --home {lab.home.root}" in service["ExecStart"]
    assert service["RestartPreventExitStatus"] == "1 2 4"
    assert cli.run_command_line(["unit", "--home", str(tmp_path / "none")]) == 2
