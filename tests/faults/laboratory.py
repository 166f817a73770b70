"""A whole Slipway on real Slurm whose parts can be killed at any point, and brought back as an init system would."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import psutil
from clocks import CLOCK, LOOK_SECONDS
from director import Director
from local_stack import BIN, TENANT, Gateway, Node, Process, free_port, running, wait_until
from points import ADDRESS, WITHOUT
from product import Product, Stack
from rabbitmq import RabbitMq

from slipway_node import dead_letters
from slipway_node.dead_letters import DeadLetter
from slipway_node.home import Home
from slipway_node.journal import CommandState, Journal, OutboxState
from slipway_node.slurm import own_end

HERE = Path(__file__).parent
SLURM_COMMANDS = ("sbatch", "scancel")  # with points
SLURM_ANSWERS = ("squeue", "scontrol", "sinfo", "sacct")  # which may say something else
QUEUE = "main"  # the first partition that tests/services/slurm.sh sets up


class Victim(StrEnum):
    """What is killed."""

    AGENT = "agent"
    JOURNAL = "agent and journal"  # the agent is killed, and its journal is lost
    WORKER = "worker"
    DAEMON = "daemon"  # with its workers and its broker
    BROKER = "broker"
    SLURMCTLD = "slurmctld"
    SLURMD = "slurmd"
    GATEWAY = "gateway"


@dataclass
class FaultyNode(Node):
    """A node whose agent crosses points. It may reach its gateway at another port, and its AiiDA be set otherwise."""

    gateway_port: int | None = None
    aiida_options: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        argv = [sys.executable, str(HERE / "faulty_agent.py"), "run", "--home", str(self.home)]
        self.process = Process("node", argv, self.log, self.env)

    def enroll(self, gateway: Gateway, *, tenant: str = TENANT, options: Sequence[str] = ()) -> None:
        """Enrol at the port that the gateway is to be reached at."""
        super().enroll(replace(gateway, port=self.gateway_port or gateway.port), tenant=tenant, options=options)
        for option, value in self.aiida_options.items():
            self.verdi("config", "set", option, value).check_returncode()


@dataclass
class FaultyGateway(Gateway):
    """A gateway that may lack a protection, and have short leases."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.process.argv[:1] = [sys.executable, str(HERE / "faulty_gateway.py")]


def _slurmd_log() -> Path:
    return Path(os.environ["SLURM_CONF"]).with_name(f"{Victim.SLURMD}.log")


def _logged() -> dict[Victim, int]:
    return {Victim.SLURMD: _slurmd_log().stat().st_size}


@dataclass(frozen=True)
class Laboratory:
    """The stack, and who holds its processes at points; ``rabbitmq`` where that is AiiDA's broker."""

    stack: Stack
    director: Director
    says: Path
    clocks: Mapping[str, Path]
    rabbitmq: RabbitMq | None = None
    effects: list[tuple[Any, Path, int]] = field(default_factory=list)  # case, what it writes, how often it has begun
    former: set[str] = field(default_factory=set)  # folders of the jobs of cases that are over
    logged: dict[Victim, int] = field(default_factory=_logged)  # bytes of slurmd's log, of those too

    @contextlib.contextmanager
    def slurm_saying(self, answer: str) -> Iterator[None]:
        """Let the commands that ask Slurm print ``answer`` to the node, and nothing else, with exit status 0."""
        self.says.write_text(answer)
        try:
            yield
        finally:
            self.says.unlink()

    def set_clock(self, of: str, seconds: float) -> None:
        """Set the clock of the ``node`` or the ``gateway`` so far ahead, or back."""
        self.clocks[of].write_text(str(seconds))
        time.sleep(2 * LOOK_SECONDS)

    def set_clock_right(self, of: str) -> None:
        """Set the clock of the ``node`` or the ``gateway`` right; a node's workers that were ahead are other ones then.

        The agent ends those, at its next look: the case that comes next is not to meet that.
        """
        was_ahead = of == "node" and float(self.clocks[of].read_text()) > 0
        before = set(self.stack.node.engine_processes("worker"))
        self.set_clock(of, 0.0)
        if was_ahead:
            wait_until("no worker is there that was ahead", lambda: not any(it.is_running() for it in before))

    def kill(self, victim: Victim) -> None:
        """Kill ``victim`` outright."""
        if victim is Victim.BROKER and self.rabbitmq is not None:
            self.rabbitmq.kill()
        else:
            _KILL[victim](self.stack)

    def restore(self, victim: Victim) -> None:
        """Start what nothing of Slipway starts again by itself; returns when the victim is there again."""
        match victim:
            case Victim.AGENT | Victim.JOURNAL:
                self.stack.node.start()
            case Victim.GATEWAY:
                self.stack.gateway.start()
            case Victim.SLURMCTLD | Victim.SLURMD:
                subprocess.run([victim.value, "-f", os.environ["SLURM_CONF"]], check=True)
                wait_until(f"{victim} answers", self.slurm_is_whole)
            case Victim.WORKER | Victim.DAEMON | Victim.BROKER:
                if victim is Victim.BROKER and self.rabbitmq is not None:
                    self.rabbitmq.start()
                wait_until("the engine is back", self._engine_is_back)  # the agent's to notice, and to bring back

    @staticmethod
    def ask_slurmd_again() -> None:
        """Start slurmd anew, which tells the controller what runs, as that asks by itself half an hour later."""
        pid_file = Path(os.environ["SLURM_CONF"]).with_name(f"{Victim.SLURMD}.pid")
        os.kill(int(pid_file.read_text()), signal.SIGTERM)
        wait_until("slurmd has ended", lambda: not pid_file.exists())
        subprocess.run([Victim.SLURMD.value, "-f", os.environ["SLURM_CONF"]], check=True)

    @staticmethod
    def slurmd_has_work() -> bool:
        """Tell whether slurmd runs a job, also one that its controller has forgotten."""
        return any(_slurmd_log().parent.glob("spool/job*"))

    def dead_letters(self, job_id: str) -> list[DeadLetter]:
        """Return what the gateway refused for good of what was told of the job, by the journal there is."""
        letters = dead_letters.listed(Home(self.stack.node.home), lambda: datetime.now(UTC))
        return [letter for letter in letters if letter.job_id == job_id]

    def slurmd_ended_half_way(self) -> bool:
        """Tell whether slurmd could not start the case's job, had it cancelled, and it has not come to its own end.

        So ends one that a controller has forgotten which then gives its number again: what is launched twice is ended.
        """
        said = _slurmd_log().read_bytes()[self.logged[Victim.SLURMD] :].decode(errors="replace")
        return any(
            f"Could not launch job {number} and not able to requeue it" in said
            and not (Path(folder) / own_end.MARK).exists()
            for number, folder in self.slurm_jobs()
        )

    def has_work(self) -> bool:
        """Tell whether the agent has anything left to do, or to tell."""
        file, done = Home(self.stack.node.home).journal_file, {CommandState.DONE, CommandState.DROPPED}
        try:
            with contextlib.closing(Journal.open_for_reading(file, clock=lambda: datetime.now(UTC))) as journal:
                tally, cancels = journal.tally(), journal.open_cancels()
        except sqlite3.OperationalError:  # it was lost, and the agent has not made another yet
            return True
        return bool(tally.commands.keys() - done or tally.outbox.get(OutboxState.PENDING) or cancels)

    def slurm_jobs(self, states: str = "all") -> set[tuple[str, str]]:
        """Return id and folder of the node's jobs that Slurm knows of, ended ones too; others may use the same Slurm.

        None of those that were there when an earlier case ended: a controller that was killed may come back with some
        that it had forgotten, and take one that has ended for running.
        """
        command = ["squeue", "-h", "-t", states, "-o", "%i|%Z"]
        asked = subprocess.run(command, capture_output=True, text=True, check=True)
        rows = (line.split("|") for line in asked.stdout.splitlines())
        own = {(job, folder) for job, folder in rows if folder.startswith(str(self.stack.node.home.resolve()))}
        return {(job, folder) for job, folder in own if folder not in self.former}

    def close_case(self) -> None:
        """Have the jobs that are there, and what slurmd has logged, belong to the cases that are over."""
        self.former.update(folder for _, folder in self.slurm_jobs())
        self.logged.update(_logged())

    def _engine_is_back(self) -> bool:
        words = ["start-circus", "worker"] if self.rabbitmq else ["start-circus", "worker", "broker"]
        return all(self.stack.node.engine_processes(word) for word in words)

    def engine_is_whole(self) -> bool:
        """Tell whether AiiDA's workers run, and none of them is older than its broker: that one would hear nothing."""
        workers, brokers = (self.stack.node.engine_processes(word) for word in ("worker", "broker"))
        if not workers or not (brokers or self.rabbitmq):
            return False
        with contextlib.suppress(psutil.NoSuchProcess):
            return max((it.create_time() for it in brokers), default=0.0) <= min(it.create_time() for it in workers)
        return False

    @staticmethod
    def slurm_is_whole() -> bool:
        """Tell whether the controller answers and its node is up.

        A controller that was killed may come back without knowing that a job has run, start it once more, be told by
        slurmd that it runs already, and drain the node for that: its admin takes it back into service.
        """
        state = node_state()
        if state is not None and state.startswith("drain"):
            subprocess.run(["scontrol", "update", "NodeName=ALL", "State=RESUME"], capture_output=True, check=False)
        return state in ("idle", "mixed", "allocated", "completing")


def node_state() -> str | None:
    """Return Slurm's word for the state of its node; None where nobody answers."""
    asked = subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True, check=False)
    return asked.stdout.split()[0].rstrip("*") if asked.returncode == 0 and asked.stdout.strip() else None


def _kill_engine(word: str) -> Callable[[Stack], None]:
    def kill(stack: Stack) -> None:
        for process in stack.node.engine_processes(word):
            process.kill()

    return kill


def _kill_slurm(daemon: str) -> Callable[[Stack], None]:
    def kill(_stack: Stack) -> None:
        pid_file = Path(os.environ["SLURM_CONF"]).with_name(f"{daemon}.pid")
        os.kill(int(pid_file.read_text()), signal.SIGKILL)

    return kill


def _kill_with_journal(stack: Stack) -> None:
    stack.node.process.kill()
    for part in stack.node.home.glob("journal.db*"):
        part.unlink()


_KILL: Mapping[Victim, Callable[[Stack], None]] = {
    Victim.AGENT: lambda stack: stack.node.process.kill(),
    Victim.JOURNAL: _kill_with_journal,
    Victim.WORKER: _kill_engine("worker"),
    Victim.DAEMON: _kill_engine("daemon"),
    Victim.BROKER: _kill_engine("broker"),
    Victim.SLURMCTLD: _kill_slurm("slurmctld"),
    Victim.SLURMD: _kill_slurm("slurmd"),
    Victim.GATEWAY: lambda stack: stack.gateway.process.kill(),
}


def _commands(folder: Path, says: Path) -> None:
    """Put commands with points before the real ones, and some that print what ``says`` has, where there is one."""
    folder.mkdir()
    ours = {"verdi": f"{HERE / 'faulty_verdi.py'} {folder / 'verdi'}"}
    ours |= {name: f"{HERE / 'faulty_command.py'} {shutil.which(name)}" for name in SLURM_COMMANDS}
    for name, script in ours.items():
        (folder / name).write_text(f'#!/bin/sh\nexec {sys.executable} {script} "$@"\n')
        (folder / name).chmod(0o755)
    for name in SLURM_ANSWERS:
        (folder / name).write_text(f'#!/bin/sh\ncat {says} 2>/dev/null || exec {shutil.which(name)} "$@"\n')
        (folder / name).chmod(0o755)


@contextlib.contextmanager
def laboratory(
    root: Path,
    *,
    without: str = "",
    gateway_port: int | None = None,
    reached_at: int | None = None,
    env: Mapping[str, str] | None = None,
    aiida_options: Mapping[str, str] | None = None,
    rabbitmq: RabbitMq | None = None,
) -> Iterator[Laboratory]:
    """Run a laboratory with its files under ``root``, and some protections taken out (points.py).

    The gateway listens at ``gateway_port``, and the agent reaches it ``reached_at``; ``env`` is what both find in
    their environment, and ``aiida_options`` what is set of the node's AiiDA. ``rabbitmq`` is one that runs, for AiiDA
    in place of its own broker.
    """
    shared, commands, says = root / "shared", root / "bin", root / "slurm-says"
    shared.mkdir()
    _commands(commands, says)
    clocks = {of: root / f"clock-of-the-{of}" for of in ("node", "gateway")}
    for clock in clocks.values():
        clock.write_text("0.0")
    with tempfile.TemporaryDirectory(prefix="slipway-") as short, Director(Path(short) / "director") as director:
        path = os.pathsep.join([str(commands), str(BIN), os.environ["PATH"]])
        common = {**(env or {}), WITHOUT: without}
        gateway = FaultyGateway(
            root / "gateway",
            root / "gateway.log",
            gateway_port or free_port(),
            env={**common, CLOCK: str(clocks["gateway"])},
        )
        own = {ADDRESS: str(director.address), CLOCK: str(clocks["node"]), "PATH": path}
        node = FaultyNode(root / "node", root / "node.log", {**common, **own}, reached_at, aiida_options or {})
        options = ["--scheduler", "slurm", "--input-prefix", shared.as_uri()]
        options += ["--broker", rabbitmq.url] if rabbitmq else []
        with running(gateway, node, options=options) as node_id:
            stack = Stack(gateway, node, Product(gateway.url, gateway.token(), node_id), shared)
            yield Laboratory(stack, director, says, clocks, rabbitmq)
