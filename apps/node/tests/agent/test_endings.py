"""How a command ends: what a further start would end with too, and what the next start may be spared."""

import errno
import json

import pytest

from slipway_node import cli, running
from slipway_node.cli.endings import ENDINGS, FAULT, MAY_PASS, REFUSED, USAGE, end
from slipway_node.lock import AgentLock, this_process

NO_THREAD = RuntimeError("can't start new thread")


@pytest.fixture
def ending_with(monkeypatch):
    """Have the agent end with an error."""

    def arrange(error: BaseException) -> None:
        async def run(*_arguments, **_named):
            raise error

        monkeypatch.setattr(running, "run", run)

    return arrange


@pytest.mark.parametrize("error", [NO_THREAD, ExceptionGroup("unhandled errors in a TaskGroup", [NO_THREAD])])
def test_a_fault_of_the_agent_is_logged_with_its_traceback_and_told_in_one_line(steward, ending_with, error):
    ending_with(error)
    assert steward.run("run") == FAULT
    logged, told = steward.err.splitlines()
    assert "Traceback" in json.loads(logged)["exception"]
    assert "can't start new thread" in json.loads(logged)["exception"]
    assert told.startswith("slipway-node: RuntimeError: can't start new thread (hint: this is a fault of Slipway's own")


def test_a_fault_of_a_command_that_logs_nothing_goes_to_stderr_alone(steward, monkeypatch):
    monkeypatch.setattr("slipway_node.cli.reading.status_of", lambda *_: {}["nothing"])
    assert steward.run("status", "--json") == FAULT
    assert steward.out == ""
    logged, told = steward.err.splitlines()
    assert json.loads(logged)["event"] == "fault"
    assert "KeyError" in told


def test_a_value_that_no_code_expected_is_a_fault_and_nobodys_refusal(steward, ending_with):
    ending_with(ValueError("invalid literal"))
    assert steward.run("run") == FAULT


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt(), 130), (SystemExit(3), 3)])
def test_what_is_to_end_python_ends_it(steward, ending_with, error, status):
    ending_with(error)
    with pytest.raises(SystemExit) as ended:
        steward.run("run")
    assert ended.value.code == status


@pytest.mark.parametrize("status", [FAULT, MAY_PASS])
def test_the_unit_starts_the_agent_again_after_what_may_be_gone_by_then(steward, status):
    assert steward.run("unit") == 0
    [final] = [line for line in steward.out.splitlines() if line.startswith("RestartPreventExitStatus=")]
    assert str(status) not in final.partition("=")[2].split()


def test_a_second_agent_says_who_runs_and_may_be_started_again(lab, steward):
    lock = AgentLock.acquire(lab.home.lock_file, this_process())
    assert steward.run("run") == MAY_PASS
    assert f"pid {this_process().pid} on {this_process().host} runs already" in steward.err
    lock.release()


@pytest.mark.parametrize("command", ["reconcile", "rotate-key"])
def test_what_does_not_go_beside_an_agent_is_refused(lab, steward, command):
    lock = AgentLock.acquire(lab.home.lock_file, this_process())
    assert steward.run(command) == REFUSED
    lock.release()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EAGAIN, errno.ENOMEM, errno.EIO, errno.ENOSPC])
def test_the_machines_limits_and_disks_may_pass(number):
    assert end(OSError(number, "the system's word")) == MAY_PASS


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR])
def test_a_path_that_is_wrong_or_not_this_accounts_does_not(number):
    assert end(OSError(number, "the system's word")) == REFUSED


def test_spans_that_cannot_be_made_are_a_setting_to_correct(steward, monkeypatch):
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "smoke-signals")
    assert steward.run("run") == USAGE
    assert "OTEL_TRACES_EXPORTER" in steward.err


def test_no_ending_takes_every_error_for_its_own():
    assert not {Exception, RuntimeError, ValueError} & set(ENDINGS)


def test_the_help_has_each_exit_status(capsys):
    cli.run_command_line(["--help"])
    told = " ".join(capsys.readouterr().out.split()).partition("Exit status: ")[2]
    assert f"{FAULT} a fault" in told
    assert f"{MAY_PASS} what may pass" in told
