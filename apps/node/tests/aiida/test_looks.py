"""What one look after another makes of the signs of life; the processes are played, the daemon is not there."""

import time
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import SimpleNamespace

import psutil
import pytest
from kiwipy import UnroutableError

from slipway_node.aiida import brokers, supervision
from slipway_node.aiida.daemon import START_SECONDS, DaemonProcesses
from slipway_node.aiida.supervision import DROPPED_SECONDS, PROCESSES_ASKED, SUPERVISOR_SECONDS, Supervision
from slipway_node.ports import EngineUnavailableError

LOOK_SECONDS = 5.0


@dataclass
class Process:
    """A worker or a broker of some age; ``busy`` it computes between any two looks."""

    pid: int
    state: str = psutil.STATUS_SLEEPING
    busy: bool = False
    programs: list["Process"] = field(default_factory=list)
    age_seconds: float = 2.0 * START_SECONDS
    seconds: float = 0.0
    moved: int = 0

    @property
    def info(self):
        return {"create_time": time.time() - self.age_seconds}

    def status(self) -> str:
        return self.state

    def children(self):
        return self.programs

    def cpu_times(self):
        self.seconds += self.busy
        return SimpleNamespace(user=self.seconds, system=0.0)

    def io_counters(self):
        return SimpleNamespace(read_chars=self.moved, write_chars=0)


class Played:
    """A daemon's parts, well until a test says otherwise; a worker that is ended comes again."""

    def __init__(self) -> None:
        self.workers, self.brokers = [Process(1)], [Process(100)]
        self.workers_wanted = 1
        self.dead: str | None = None
        self.supervisor_answers = True
        self.broker_age: float | None = 1.0
        self.broker_answers = True
        self.known: int | None = None
        self.silent: set[int] = set()
        self.unroutable: set[int] = set()
        self.in_work: frozenset[int] = frozenset({11})
        self.dropped: set[int] = set()
        self.continued_by_a_restart = True
        self.ended: list[int] = []
        self.asked: Counter[int] = Counter()
        self.restarts = 0
        self.starts = True
        self.now = 1_000.0
        self.off = 0.0
        self.told_ahead = 0.0
        self.refuse_to_end = False
        self.supervision = Supervision(self, clock=lambda: self.now, wall=lambda: self.now + self.off)

    def look(self, times: int = 1) -> list[tuple[str, str]]:
        """Look so many times, a look's time apart; return what was brought back and why."""
        done = []
        for _ in range(times):
            done.append(self.supervision.look())
            self.now += LOOK_SECONDS
        return [(it.what, it.why) for it in done if it is not None]

    # as Daemon

    def fault(self, _processes) -> str | None:
        return self.dead

    def answers(self, _timeout_seconds) -> bool:
        return self.supervisor_answers

    def runs(self) -> bool:
        return self.dead is None

    def restart(self) -> None:
        self.restarts += 1
        if not self.starts:
            self.dead = "its supervisor was gone"
            raise EngineUnavailableError("AiiDA's daemon does not start: no room")
        self.dead, self.supervisor_answers, self.broker_age, self.broker_answers = None, True, 1.0, True
        if self.continued_by_a_restart:
            self.dropped = set()

    def dropped_by_workers(self) -> set[int]:
        return self.dropped

    def end_supervisor(self) -> None:
        self.dead = "killed"

    def free_tasks_of_dead_workers(self, workers) -> None:
        pass

    # as AiiDA's record of changes at times to come

    def unseen_seconds(self, _now_seconds: float) -> float:
        return self.told_ahead

    def see_to(self) -> None:
        self.told_ahead = 0.0

    # as the machine and AiiDA's process controller

    def end_now(self, processes) -> bool:
        if self.refuse_to_end:
            return False
        self.ended += [process.pid for process in processes]
        kept = [worker for worker in self.workers if worker not in processes]
        self.workers = [*kept, *(Process(worker.pid + 50) for worker in self.workers if worker in processes)]
        return True

    def get_status(self, pk: int) -> Future:
        self.asked[pk] += 1
        if pk in self.unroutable:
            raise UnroutableError(pk)
        answer: Future = Future()
        if pk not in self.silent:
            answer.set_result({})
        return answer


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    parts = Played()
    now = classmethod(lambda _: DaemonProcesses(parts.workers, parts.brokers, [*parts.workers, *parts.brokers]))
    monkeypatch.setattr(DaemonProcesses, "now", now)
    monkeypatch.setattr(supervision, "end_now", parts.end_now)
    monkeypatch.setattr(
        supervision,
        "set_back",
        SimpleNamespace(unseen_seconds=parts.unseen_seconds, see_to=parts.see_to),
    )
    broker = brokers.ZeroMq()
    monkeypatch.setattr(broker, "seconds_since_its_last_word", lambda: parts.broker_age)
    monkeypatch.setattr(broker, "workers_it_knows", lambda: parts.known)
    monkeypatch.setattr(broker, "processes_in_work", lambda: parts.in_work)
    monkeypatch.setattr(broker, "answers", lambda _: parts.broker_answers)
    monkeypatch.setattr(brokers, "of_profile", lambda: broker)
    manager = SimpleNamespace(get_communicator=lambda: None, get_process_controller=lambda: parts)
    monkeypatch.setattr("aiida.manage.manager.get_manager", lambda: manager)
    return parts


def test_what_is_well_is_left_alone_and_told_so(played):
    assert played.look(20) == []
    assert played.supervision.health() == {
        "daemon": "running",
        "workers": 1,
        "workers_wanted": 1,
        "broker_kind": "zeromq",
        "broker": "running",
        "brought_back": 0,
    }


def test_what_is_dead_is_brought_back_at_once_and_told(played):
    played.dead = "its supervisor was gone"
    assert played.look() == [("daemon", "its supervisor was gone")]
    assert played.restarts == 1
    health = played.supervision.health()
    assert health["brought_back"] == 1
    assert health["last_brought_back"]["what"] == "daemon"


@pytest.mark.parametrize("comes_up", ["at the next start", "by itself"])
def test_why_the_daemon_was_ended_is_told_also_where_it_does_not_start_at_once(played, comes_up):
    played.broker_age, played.broker_answers, played.starts = 100.0, False, False
    played.brokers = [Process(100)]
    for _ in range(3):
        played.look()
    for _ in range(2):  # the second time it is gone altogether
        with pytest.raises(EngineUnavailableError, match=r"no room .*the broker: it lived and did not answer"):
            played.look()
        played.now += LOOK_SECONDS
    assert played.supervision.health()["brought_back"] == 0

    played.starts = True
    if comes_up == "by itself":
        played.restart()

    assert played.look(5) == [("broker", "it lived and did not answer")]


def test_a_process_that_a_worker_has_dropped_is_taken_up_with_a_new_daemon(played):
    played.dropped = {7}
    assert played.look(int(DROPPED_SECONDS / LOOK_SECONDS)) == []
    assert played.look(5) == [("worker", "it had dropped a process")]
    assert (played.restarts, played.dropped) == (1, set())


def test_a_process_that_is_dropped_at_single_looks_is_left_alone(played):
    for _ in range(20):
        played.dropped = {7} - played.dropped
        assert played.look() == []


def test_a_process_that_no_worker_can_continue_stops_the_others_ever_more_seldom(played):
    played.continued_by_a_restart, played.dropped = False, {7}
    assert len(played.look(int(1_000 / LOOK_SECONDS))) == 4  # after 10, 40, 160 and 640 s


def test_a_supervisor_that_answers_again_in_time_is_left_alone(played):
    played.supervisor_answers = False
    assert played.look(int(SUPERVISOR_SECONDS / LOOK_SECONDS)) == []
    assert played.supervision.health()["daemon"] == "unresponsive"
    played.supervisor_answers = True
    assert played.look(10) == []
    assert "silent" not in played.supervision.health()


def test_a_broker_that_is_late_and_answers_is_left_alone(played):
    played.broker_age = 100.0
    assert played.look(20) == []
    assert played.supervision.health()["broker"] == "unresponsive"


def test_a_broker_that_starts_has_said_nothing_yet(played):
    played.broker_age, played.broker_answers = None, False
    played.brokers = [Process(100, age_seconds=30.0)]
    assert played.look(20) == []


def test_a_broker_that_never_said_anything_is_deaf(played):
    played.broker_age, played.broker_answers = None, False
    assert played.look(5) == [("broker", "it lived and did not answer")]
    assert played.ended == [100]


@pytest.mark.parametrize(("is_up", "told"), [(True, "running"), (False, "down")])
def test_a_broker_that_is_not_the_daemons_is_neither_missing_nor_deaf(played, monkeypatch, is_up, told):
    broker = brokers.RabbitMq()
    monkeypatch.setattr(broker, "is_up", lambda _: is_up)
    monkeypatch.setattr(broker, "processes_in_work", lambda: played.in_work)
    monkeypatch.setattr(brokers, "of_profile", lambda: broker)
    played.brokers = []

    assert played.look(20) == []
    health = played.supervision.health()
    assert (health["broker_kind"], health["broker"]) == ("rabbitmq", told)


def test_only_the_stopped_one_of_several_workers_is_ended(played):
    played.workers = [Process(1), Process(2, state=psutil.STATUS_STOPPED)]
    played.workers_wanted = 2
    assert played.look(10) == [("worker", "it was stopped")]
    assert played.ended == [2]


def test_a_worker_that_was_stopped_at_one_look_only_is_left_alone(played):
    played.workers[0].state = psutil.STATUS_STOPPED
    played.look()
    played.workers[0].state = psutil.STATUS_SLEEPING
    assert played.look(10) == []


def test_workers_of_which_the_broker_has_lost_one_are_all_ended(played):
    played.workers, played.workers_wanted, played.known = [Process(1), Process(2)], 2, 1
    assert played.look(5) == [("worker", "it had lost its connection to the broker")]
    assert sorted(played.ended) == [1, 2]


def test_young_workers_may_not_be_known_yet(played):
    played.workers, played.known = [Process(1, age_seconds=30.0)], 0
    assert played.look(20) == []


def test_a_worker_whose_processes_do_not_answer_and_that_does_nothing_is_ended(played):
    played.look(3)
    played.silent = {11}
    assert played.look(12) == [("worker", "its processes did not answer, and it did nothing")]
    assert played.ended == [1]


def test_a_process_that_nobody_listens_for_does_not_answer(played):
    played.unroutable = {11}
    assert played.look(12) == [("worker", "its processes did not answer, and it did nothing")]


def test_of_several_workers_the_one_that_does_something_is_left_alone(played):
    played.workers, played.workers_wanted = [Process(1, busy=True), Process(2)], 2
    played.in_work, played.silent = frozenset({11, 12}), {12}
    assert len(played.look(9)) == 1
    assert played.ended == [2]


@pytest.mark.parametrize("work", [{"busy": True}, {"programs": [Process(7)]}])
def test_a_worker_at_work_is_left_alone_and_its_silence_told(played, work):
    played.workers = [Process(1, **work)]
    played.silent = {11}
    assert played.look(50) == []
    assert played.supervision.health()["silent"] == {"processes": "1 do not answer"}


def test_a_worker_is_not_blamed_for_a_broker_that_does_not_answer(played):
    played.silent, played.broker_answers = {11}, False
    assert played.look(50) == []


def test_a_program_that_ended_is_no_work(played):
    played.workers = [Process(1, programs=[Process(7, state=psutil.STATUS_ZOMBIE)])]
    played.silent = {11}
    assert len(played.look(10)) == 1


def test_one_answer_speaks_for_the_only_worker(played):
    played.in_work, played.silent = frozenset({11, 12}), {12}
    assert played.look(50) == []


def test_a_process_that_ended_meanwhile_is_not_waited_for(played):
    played.silent = {11}
    played.look(5)
    played.in_work = frozenset()
    assert played.look(20) == []


def test_what_has_long_rows_of_processes_is_not_asked_of_each(played):
    played.in_work = frozenset(range(500))
    played.look()
    assert played.asked.total() == PROCESSES_ASKED


def test_workers_that_do_not_come_again_are_brought_back_with_the_daemon(played):
    played.workers = []
    assert played.look(5) == [("worker", "it had ended, and its supervisor started no other")]
    assert played.restarts == 1


def test_a_worker_that_the_supervisor_exchanged_is_told_of(played):
    played.look()
    played.workers = []
    assert played.look() == []
    played.workers = [Process(2)]
    assert played.look(5) == [("worker", "it had ended")]


def test_workers_are_ended_once_where_the_clock_was_set_back(played):
    played.look()
    played.off = -3600.0
    [(what, why)] = played.look(4)
    assert (what, played.ended) == ("worker", [1])
    assert "set back by 3600 s" in why


def test_a_clock_that_is_corrected_or_set_ahead_ends_nobody_until_it_is_set_right(played):
    for off in (-1.0, 3600.0, 3599.0):
        played.off = off
        assert played.look() == []
    played.off = 0.0
    assert [what for what, _ in played.look(2)] == ["worker"]


def test_workers_are_ended_once_where_the_clock_was_ahead_between_two_looks(played):
    played.look()
    played.told_ahead = 3600.0
    assert played.look(4) == [("worker", "the clock was set back by 3600 s")]
    assert played.ended == [1]


def test_workers_that_do_not_end_are_ended_at_a_later_look(played):
    played.look()
    played.off, played.refuse_to_end = -3600.0, True
    assert played.look(2) == []
    played.refuse_to_end = False
    [(what, why)] = played.look(2)
    assert (what, why) == ("worker", "the clock was set back by 3600 s")
