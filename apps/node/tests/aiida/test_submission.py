"""What becomes of processes that nobody has, or that AiiDA has given up; AiiDA and its broker are played."""

import subprocess
from concurrent.futures import Future
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from aiida.engine.daemon.client import DaemonClient

from slipway_contracts.node_policy import NodePolicy
from slipway_node.aiida import brokers, daemon, queries, submission, work_directory
from slipway_node.aiida.engine import AiidaEngine, _kill, _resume
from slipway_node.ports import EngineUnavailableError, RefusedJobError


class Broker:
    """Has tasks for some processes; may stand still, or not say that it has taken one."""

    def __init__(self) -> None:
        self.has: set[int] = set()
        self.stands_still = False
        self.unanswered: set[int] = set()
        self.queued: list[int] = []

    def answers(self, _timeout_seconds) -> bool:
        return not self.stands_still

    def in_hand(self, pks) -> set[int]:
        return self.has & set(pks)

    def hand_over(self, pk: int) -> None:
        self.queued.append(pk)
        self.has.add(pk)
        if pk in self.unanswered:
            raise EngineUnavailableError("it did not say")


@pytest.fixture(autouse=True)
def broker(monkeypatch) -> Broker:
    played = Broker()
    monkeypatch.setattr(brokers, "of_profile", lambda: played)
    monkeypatch.setattr(submission, "hand_over", played.hand_over)
    monkeypatch.setattr(queries, "under_way", lambda: [7, 8, 9])
    return played


@pytest.fixture
def engine(tmp_path) -> AiidaEngine:
    made = AiidaEngine(tmp_path, NodePolicy(policy_version="1", queues={}))
    made._daemon.dropped = [7, 8, 9]
    return made


@pytest.mark.idempotency("node-protocol")
def test_one_that_may_have_been_queued_is_kept_and_queued_once(engine, broker):
    broker.unanswered = {8}
    with pytest.raises(EngineUnavailableError):
        engine._continue_dropped()
    assert engine._daemon.dropped == [8, 9]

    engine._continue_dropped()

    assert (engine._daemon.dropped, broker.queued) == ([], [7, 8, 9])


def test_nothing_is_sent_to_a_broker_that_stands_still(engine, broker):
    broker.stands_still = True

    engine._continue_dropped()

    assert (engine._daemon.dropped, broker.queued) == ([7, 8, 9], [])


@pytest.fixture
def _stored_long_ago(monkeypatch):
    created_at = datetime.now(UTC) - timedelta(hours=1)
    monkeypatch.setattr(queries, "never_taken_up", lambda _: [(7, created_at)])


@pytest.mark.usefixtures("_stored_long_ago")
def test_nothing_left_behind_is_sent_to_a_broker_that_stands_still_and_may_have_it(broker):
    broker.stands_still = True
    _resume(["u"])
    assert broker.queued == []

    broker.stands_still = False
    _resume(["u"])
    assert broker.queued == [7]


@pytest.mark.usefixtures("_stored_long_ago")
@pytest.mark.parametrize(("stands_still", "killed_here"), [(True, []), (False, [7])])
def test_nothing_is_killed_here_that_a_broker_which_stands_still_may_have_yet_to_give_to_a_worker(
    broker, monkeypatch, stands_still, killed_here
):
    broker.stands_still = stands_still
    killed: list[int] = []
    monkeypatch.setattr(submission, "kill_stored", killed.append)
    monkeypatch.setattr(queries, "node_of", lambda _: SimpleNamespace(pk=7, is_terminated=bool(killed)))
    told: list[int] = []
    controller = SimpleNamespace(kill_process=lambda pk, _why: told.append(pk) or Future())
    monkeypatch.setattr(
        brokers, "connected", lambda: nullcontext(SimpleNamespace(get_process_controller=lambda: controller))
    )

    _kill("u")

    assert (killed, told) == (killed_here, [] if killed_here else [7])


@pytest.mark.parametrize(
    ("seconds_ago", "left_behind"),
    [(6, [7]), (4, []), (-1, []), (-3600, [7])],
    ids=["long ago", "just now", "a moment to come", "by a clock that was set back since"],
)
def test_what_was_stored_just_now_may_still_be_handed_over(monkeypatch, seconds_ago, left_behind):
    created_at = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    monkeypatch.setattr(queries, "never_taken_up", lambda _: [(7, created_at)])

    assert submission.left_behind(["u"]) == left_behind


def test_one_that_has_a_task_is_not_left_behind_whenever_it_was_stored(broker, monkeypatch):
    created_at = datetime.now(UTC) + timedelta(hours=1)
    monkeypatch.setattr(queries, "never_taken_up", lambda _: [(7, created_at)])
    broker.has = {7}

    assert submission.left_behind(["u"]) == []


def test_one_that_ends_while_the_broker_is_asked_was_not_dropped(monkeypatch):
    under_way = iter([[7, 8], [8]])
    monkeypatch.setattr(queries, "under_way", lambda: next(under_way))

    assert submission.dropped() == [8]


@pytest.mark.parametrize(("full", "told"), [("work", RefusedJobError), ("", EngineUnavailableError)])
def test_a_job_waits_for_room_in_the_home_and_not_for_its_own_folders(engine, tmp_path, monkeypatch, full, told):
    """The work directory lies in the home, unless an admin has put it elsewhere."""

    def trouble(folder) -> str | None:
        return "it is full" if folder.is_relative_to(tmp_path / full) else None

    monkeypatch.setattr(work_directory, "path", lambda: tmp_path / "work")
    for module in ("slipway_node.storage", "slipway_node.aiida.engine"):
        monkeypatch.setattr(f"{module}.why_not_writable", trouble)

    with pytest.raises(told, match="it is full"):
        engine._require_room_for_the_job()


def test_the_daemon_is_left_alone_on_a_full_disk_and_ended_once_when_there_is_room(engine, monkeypatch):
    trouble, ended = ["it is full"], []
    monkeypatch.setattr("slipway_node.aiida.engine.why_not_writable", lambda _: trouble[0])
    monkeypatch.setattr(engine._daemon, "kill", lambda: ended.append(True))

    with pytest.raises(EngineUnavailableError, match="it is full"):
        engine._get_over_a_full_disk()
    before = list(ended)
    trouble[0] = None
    for _ in range(2):
        engine._get_over_a_full_disk()

    assert (before, ended) == ([], [True])


def test_the_daemon_is_started_in_an_empty_folder(tmp_path, monkeypatch):
    """AiiDA's broker may remove the folder that it was started in."""
    home = tmp_path / "a home"
    home.mkdir()
    monkeypatch.setattr(DaemonClient, "cmd_start_daemon", lambda _, *given: ["sh", "-c", 'pwd; echo "$@"', "x", *given])
    monkeypatch.setattr("aiida.manage.configuration.get_config", lambda: SimpleNamespace(dirpath=str(home)))

    command = daemon._in_an_empty_folder(SimpleNamespace()).cmd_start_daemon("2 workers", "--foreground")
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert said.splitlines() == [str(home / "empty"), "2 workers --foreground"]
    assert list((home / "empty").iterdir()) == []
