"""What a node stands on fails at a step of a job, on real AiiDA and Slurm: its disks, and the link to its gateway."""

import contextlib
import json
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from laboratory import QUEUE, Laboratory, Victim, laboratory
from local_stack import BIN, Process, free_port, wait_for_node, wait_until
from points import LEASE, PATIENCE, STANDS_STILL
from product import counting_job, effects_of
from proxy import Fault, Proxy
from small_disk import SmallDisk, small_disk

pytestmark = [
    pytest.mark.service("aiida"),
    pytest.mark.service("slurm"),
    pytest.mark.service("mount"),
    pytest.mark.timeout(300),
]

REACHED_SECONDS = 40.0
HOME_MIB, WORK_MIB = 64, 8
PATIENCE_SECONDS, LEASE_WAIT_SECONDS = 2.0, 1.0
LEASE_SECONDS = 2.0  # so that a command that was lost is offered again at once
TOO_LATE_SECONDS = 5.0  # more than both
STANDS_STILL_SECONDS = 12.0  # more than a daemon's start takes
STANDS_STILL_STATUS = 5
LOCKED_SECONDS = 9.0  # in which the job ends, and more than SQLite's driver waits for by itself
AT_LEASE, AT_ACK, AT_INGEST = "/commands:lease", "/commands:ack", "/events:batchIngest"
GIVES_UP_AT_ONCE = {"transport.task_maximum_attempts": "2", "transport.task_retry_initial_interval": "1"}


@dataclass(frozen=True)
class Node:
    """A laboratory whose node has its home and its work directory on small disks, and a link that can fail."""

    lab: Laboratory
    link: Proxy
    home: SmallDisk
    work: SmallDisk

    def events(self, job_id: str) -> list[str]:
        """Return what the product was told of the job, in order."""
        entries = self.lab.stack.product.timeline(job_id)
        return [entry["source_execution_state"] for entry in entries if entry["kind"] == "event"]

    def health(self) -> object:
        """Return what the gateway was last told of the node's health."""
        gateway = self.lab.stack.gateway
        [listed] = gateway.call("GET", "/api/runtime/nodes", token=gateway.token())["nodes"]
        return listed["health"]

    def status(self) -> str:
        """Return what `slipway-node status` says."""
        command = [str(BIN / "slipway-node"), "status", "--home", str(self.home.folder)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def log_has(self, event: str, job_id: str = "", *, after: int = 0) -> bool:
        """Tell whether the agent's log has a line of this event, of this job where one is named, ``after`` a line."""
        lines = self.lab.stack.node.log.read_text().splitlines()[after:]
        return any(f'"event": "{event}"' in line and job_id in line for line in lines)

    def lines_logged(self) -> int:
        """Return how many lines the agent's log has by now."""
        return len(self.lab.stack.node.log.read_text().splitlines())


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    root = tmp_path_factory.mktemp("surroundings")
    port = free_port()
    env = {
        PATIENCE: str(PATIENCE_SECONDS),
        LEASE: str(LEASE_SECONDS),
        STANDS_STILL: str(STANDS_STILL_SECONDS),
        "SLIPWAY_NODE_LEASE_WAIT_SECONDS": str(LEASE_WAIT_SECONDS),
    }
    with (
        Proxy(port, delay_seconds=TOO_LATE_SECONDS) as link,
        small_disk(root / "node", HOME_MIB) as home,
        small_disk(root / "node" / "work", WORK_MIB) as work,
        laboratory(root, gateway_port=port, reached_at=link.port, env=env, aiida_options=GIVES_UP_AT_ONCE) as lab,
    ):
        yield Node(lab, link, home, work)


@pytest.fixture(autouse=True)
def _up_again(node: Node) -> Iterator[None]:
    """Leave the next test a node that runs, also where this one failed halfway."""
    yield
    node.lab.director.disarm()
    if not node.lab.stack.node.process.running():
        node.lab.stack.node.start()
        wait_for_node(node.lab.stack.gateway, node.lab.stack.node, node.lab.stack.gateway.token())


@contextlib.contextmanager
def filled(disk: SmallDisk) -> Iterator[None]:
    disk.fill()
    try:
        yield
    finally:
        disk.free()


@contextlib.contextmanager
def slurm_starting_nothing() -> Iterator[None]:
    def update(*words: str) -> None:
        subprocess.run(["scontrol", "update", "NodeName=ALL", *words], check=True, capture_output=True)

    update("State=DRAIN", "Reason=test")
    try:
        yield
    finally:
        update("State=RESUME")


def assert_failed_for_want_of_storage(node: Node, job_id: str) -> dict:
    end = node.lab.stack.product.wait(job_id)
    assert end["projection_state"] == "failed", end
    assert (end["failure"]["code"], end["failure"]["retryable"]) == ("node_storage", True), end
    assert str(node.work.folder) in end["failure"]["message"]
    return end


def test_a_full_work_directory_refuses_a_job_before_anything_is_stored(node: Node) -> None:
    product = node.lab.stack.product
    uri, effects = counting_job(node.lab.stack.shared, 0)
    with filled(node.work):
        refused = product.submit(uri, QUEUE)
        assert_failed_for_want_of_storage(node, refused)
    assert node.events(refused) == ["failed"]  # and no `accepted`: no process ever came to be
    assert product.wait(product.submit(uri, QUEUE))["projection_state"] == "succeeded"
    assert effects_of(effects) == ["began", "ended"]


@pytest.mark.idempotency("execution-event")
def test_an_upload_without_room_fails_the_job_the_same_after_the_journal_is_lost(node: Node) -> None:
    held = node.lab.director.arm("before worker.upload")
    uri, effects = counting_job(node.lab.stack.shared, 0)
    job_id = node.lab.stack.product.submit(uri, QUEUE)
    assert held.reached(REACHED_SECONDS)
    with filled(node.work):
        held.release()
        assert_failed_for_want_of_storage(node, job_id)
    node.lab.kill(Victim.JOURNAL)
    node.lab.restore(Victim.JOURNAL)
    execution_id = node.lab.stack.product.projection(job_id)["execution_id"]
    wait_until("the end is told again", lambda: ("failed", "delivered") in retold(node, execution_id))
    assert retold(node, execution_id) == [("accepted", "delivered"), ("failed", "delivered")]  # and no conflict
    assert node.events(job_id) == ["accepted", "failed"]
    assert effects_of(effects) == []


def retold(node: Node, execution_id: str) -> list[tuple[str, str]]:
    """Return the execution's events in the node's own outbox: what each tells, and what became of it."""
    with (
        contextlib.suppress(sqlite3.OperationalError),
        contextlib.closing(
            sqlite3.connect(f"{(node.home.folder / 'journal.db').as_uri()}?mode=ro", uri=True)
        ) as journal,
    ):
        rows = [(json.loads(body), state) for body, state in journal.execute("SELECT body, state FROM outbox")]
        return [(event["state"], state) for event, state in rows if event["execution_id"] == execution_id]
    return []


def test_a_job_that_cannot_write_its_claim_does_nothing_and_fails(node: Node) -> None:
    uri, effects = counting_job(node.lab.stack.shared, 0)
    earlier = set(node.work.folder.rglob(".slipway-job-id"))
    with slurm_starting_nothing():
        job_id = node.lab.stack.product.submit(uri, QUEUE)
        wait_until("Slurm has it", lambda: set(node.work.folder.rglob(".slipway-job-id")) > earlier)
        node.work.fill()
    try:
        assert_failed_for_want_of_storage(node, job_id)
    finally:
        node.work.free()
    [recorded] = set(node.work.folder.rglob(".slipway-job-id")) - earlier
    assert list(recorded.parent.glob(".slipway-claim*")) == []
    assert effects_of(effects) == []


def test_a_payload_waits_for_room_in_the_home(node: Node) -> None:
    uri, effects = counting_job(node.lab.stack.shared, 0)
    held = node.lab.director.arm("before fetch")
    job_id = node.lab.stack.product.submit(uri, QUEUE)
    assert held.reached(REACHED_SECONDS)
    with filled(node.home):
        held.release()
        wait_until("it is put off", lambda: node.log_has("step_postponed", job_id))
        assert node.events(job_id) == []
    assert node.lab.stack.product.wait(job_id)["projection_state"] == "succeeded"
    assert effects_of(effects) == ["began", "ended"]


@pytest.mark.idempotency("execution-event")
def test_a_full_home_makes_the_agent_wait_and_loses_nothing(node: Node) -> None:
    uri, effects = counting_job(node.lab.stack.shared, 0)
    held = node.lab.director.arm("before journal.record_leased")
    job_id = node.lab.stack.product.submit(uri, QUEUE)
    assert held.reached(REACHED_SECONDS)
    before = node.lines_logged()
    with filled(node.home):
        held.release()
        wait_until("the journal is not written", lambda: node.log_has("journal_not_written", after=before))
        held = node.lab.director.arm("before publish")
    assert held.reached(REACHED_SECONDS)
    with filled(node.home):
        held.release()
        wait_until("the results are not published", lambda: node.log_has("step_postponed", job_id))
    assert node.lab.stack.product.wait(job_id)["projection_state"] == "succeeded"
    assert node.lab.stack.node.process.running()
    assert effects_of(effects) == ["began", "ended"]
    assert node.events(job_id) == ["accepted", "running", "completed"]


@pytest.mark.idempotency("node-protocol")
@pytest.mark.parametrize("ended_by", [Process.stop, Process.kill], ids=["stopped", "killed"])
def test_an_agent_that_starts_on_a_full_home_waits_and_tells_why(
    node: Node, ended_by: Callable[[Process], object]
) -> None:
    agent, stack = node.lab.stack.node, node.lab.stack
    uri, effects = counting_job(stack.shared, 5)
    job_id = stack.product.submit(uri, QUEUE)
    wait_until("the job runs", lambda: "running" in node.events(job_id))
    ended_by(agent.process)

    with filled(node.home):
        agent.start()
        wait_until("the gateway is told", lambda: "No space left" in json.dumps(node.health()))
        assert "No space left" in node.status()
        assert agent.process.running()

    assert stack.product.wait(job_id)["projection_state"] == "succeeded"
    wait_until("all is well again", lambda: "No space left" not in json.dumps(node.health()))
    assert "No space left" not in node.status()
    assert effects_of(effects) == ["began", "ended"]
    assert node.events(job_id) == ["accepted", "running", "completed"]


def test_an_agent_that_was_never_run_waits_for_its_first_byte(node: Node) -> None:
    """A lock and a journal that are not there yet take room that those of an earlier agent have."""
    home = node.home.folder
    stack = node.lab.stack
    stack.node.process.stop()
    for file in [home / "agent.lock", *home.glob("journal.db*")]:
        file.unlink()

    before = node.lines_logged()
    with filled(node.home):
        stack.node.start()
        wait_until("the lock is not written", lambda: node.log_has("home_not_written", after=before))
        assert stack.node.process.running()

    wait_for_node(stack.gateway, stack.node, stack.gateway.token())
    uri, _ = counting_job(stack.shared, 0)
    assert stack.product.wait(stack.product.submit(uri, QUEUE))["projection_state"] == "succeeded"


@pytest.mark.idempotency("node-protocol")
def test_an_agent_whose_engine_stands_still_ends_and_the_next_one_goes_on(node: Node) -> None:
    held = node.lab.director.arm("before launch.store")  # in the thread that all of AiiDA's work is done in
    uri, effects = counting_job(node.lab.stack.shared, 0)
    job_id = node.lab.stack.product.submit(uri, QUEUE)
    assert held.reached(REACHED_SECONDS)

    agent = node.lab.stack.node
    wait_until("the agent has ended", lambda: not agent.process.running())
    assert agent.process.stop() == STANDS_STILL_STATUS
    assert "AiiDA has done nothing" in agent.process.tail()
    assert "stands still" in node.status()
    node.lab.director.disarm()
    agent.start()

    assert node.lab.stack.product.wait(job_id)["projection_state"] == "succeeded"
    assert effects_of(effects) == ["began", "ended"]
    assert node.events(job_id) == ["accepted", "running", "completed"]


@pytest.mark.idempotency("node-protocol")
def test_jobs_outlive_somebody_who_holds_aiidas_record_locked(node: Node) -> None:
    uri, effects = counting_job(node.lab.stack.shared, 3)
    job_id = node.lab.stack.product.submit(uri, QUEUE)
    wait_until("the job runs", lambda: "running" in node.events(job_id))
    [record] = node.home.folder.rglob("database.sqlite")
    with contextlib.closing(sqlite3.connect(record, isolation_level=None)) as somebody:
        somebody.execute("BEGIN IMMEDIATE")
        time.sleep(LOCKED_SECONDS)
        somebody.execute("ROLLBACK")

    assert node.lab.stack.product.wait(job_id)["projection_state"] == "succeeded"
    assert effects_of(effects) == ["began", "ended"]
    assert node.events(job_id) == ["accepted", "running", "completed"]


@pytest.mark.idempotency("node-protocol")
@pytest.mark.parametrize(
    ("at_lease", "at_ack", "at_ingest"),
    [
        (Fault.CUT, Fault.DELAYED, Fault.HALF_CLOSED),
        (Fault.HALF_CLOSED, Fault.CUT, Fault.WITHHELD),
        (Fault.DELAYED, Fault.HALF_CLOSED, Fault.CUT),
    ],
)
def test_answers_that_the_agent_never_sees_change_nothing(
    node: Node, at_lease: Fault, at_ack: Fault, at_ingest: Fault
) -> None:
    strikes = [
        node.link.arm(AT_LEASE, at_lease, telling=b"command_id"),
        node.link.arm(AT_ACK, at_ack),
        node.link.arm(AT_INGEST, at_ingest),
    ]
    uri, effects = counting_job(node.lab.stack.shared, 0)
    job_id = node.lab.stack.product.submit(uri, QUEUE)
    assert node.lab.stack.product.wait(job_id)["projection_state"] == "succeeded"
    assert all(strike.met.is_set() for strike in strikes)
    assert effects_of(effects) == ["began", "ended"]
    assert node.events(job_id) == ["accepted", "running", "completed"]
