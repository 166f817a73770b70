"""What Slurm has on offer, looked up and remembered for a while, and whether a job could run on it."""

import contextlib
import getpass
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from slipway_node.ports import EngineUnavailableError, Placement
from slipway_node.slurm import commands
from slipway_node.slurm.commands import Accounting, Association, Partition
from slipway_node.slurm.withdrawals import Withdrawals

ASK_SECONDS = 15.0
LET_GO_SECONDS = 1.0  # for a command to end that was killed; one that waits for a file system that hangs does not
LOOK_AGAIN_SECONDS = 60.0
QUOTED_CHARS = 120  # of an answer that is not understood
MISSES_SOME = frozenset({"proctrack/linuxproc", "proctrack/pgid"})
"""What tracks a job's processes, and misses what a job begins in the moment in which it is cancelled."""

Run = Callable[[tuple[str, ...]], str]
Read = TypeVar("Read")


class NotKnownError(Exception):
    """Slurm answered, and knows nothing of what was asked."""


@dataclass(frozen=True, slots=True)
class Offer:
    """Partitions, and where Slurm keeps accounts, the user's associations and the cluster's QOS."""

    partitions: dict[str, Partition]
    accounting: Accounting
    associations: tuple[Association, ...] = ()
    qos: tuple[str, ...] = ()


class Cluster:
    """The Slurm that the node's commands reach. ``run`` and ``clock`` (seconds) are given so that tests can be."""

    def __init__(self, run: Run | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._run = run or run_command
        self._clock = clock
        self._offer: Offer | None = None
        self._looked_at = 0.0
        self._tracking: str | None = None
        self._tracking_read_at = 0.0
        self._withdrawals = Withdrawals()

    def answers(self) -> bool:
        """Tell whether Slurm is installed and its controller answers."""
        return self.trouble() is None

    def trouble(self) -> str | None:
        """Return in words why Slurm cannot be used, or None."""
        try:
            self._run(commands.PING)
            self._ask(commands.PARTITIONS, commands.read_partitions)
        except (EngineUnavailableError, NotKnownError) as error:
            return str(error)
        return None

    def warning(self) -> str | None:
        """Return in words which of Slurm's settings keeps a promise from holding, or None; read once a minute.

        Raises EngineUnavailableError.
        """
        if self._tracking is None or self._clock() - self._tracking_read_at > LOOK_AGAIN_SECONDS:
            self._tracking = self._require(commands.CONFIGURATION, commands.read_tracking)
            self._tracking_read_at = self._clock()
        if self._tracking not in MISSES_SOME:
            return None
        return f"a job may run on after its cancel: ProctrackType is {self._tracking}, and has to be proctrack/cgroup"

    def offer(self, *, fresh: bool = False) -> Offer:
        """Return what Slurm has on offer, at most a minute old; raises EngineUnavailableError."""
        if self._offer is None or fresh or self._clock() - self._looked_at > LOOK_AGAIN_SECONDS:
            self._offer = self._look()
            self._looked_at = self._clock()
        return self._offer

    def refusal(self, placement: Placement) -> str | None:
        """Return why Slurm would never run this, or None; what was refused is looked up anew before it is said."""
        reason = refusal(self.offer(), placement)
        return None if reason is None else refusal(self.offer(fresh=True), placement)

    def job_state(self, job_id: str, folder: str | None = None) -> str | None:
        """Return the controller's word for a job, None where it has forgotten it; raises EngineUnavailableError.

        With ``folder``, a job that works elsewhere is another one that was given the same id.
        """
        try:
            return self._ask(commands.job(job_id), lambda text: commands.read_job_state(text, folder))
        except NotKnownError:
            return None

    def last_state(self, job_id: str, folder: str) -> str | None:
        """Return the controller's word for the job that worked in ``folder``, or accounting's where that forgot it.

        None says that Slurm was asked and knows neither the job nor an end of it. Raises EngineUnavailableError.
        """
        self._run(commands.PING)
        state = self.job_state(job_id, folder)
        if state is not None:
            return state
        return self._accounted(job_id, lambda text: commands.read_accounted_end(text, folder))

    def was_placed(self, job_id: str, folder: str) -> bool | None:
        """Tell whether the job that was to work in ``folder`` was given a machine, None where that is forgotten.

        Raises EngineUnavailableError.
        """
        with contextlib.suppress(NotKnownError):
            placed = self._ask(commands.job(job_id), lambda text: commands.read_was_placed(text, folder))
            if placed is not None:
                return placed
        return self._accounted(job_id, lambda text: commands.read_accounted_placing(text, folder))

    def is_anothers(self, job_id: str, folder: str) -> bool:
        """Tell whether the number is known to be that of a job in another folder; raises EngineUnavailableError."""
        self._run(commands.PING)
        try:
            return self._ask(commands.job(job_id), lambda text: commands.read_job_state(text, folder) is None)
        except NotKnownError:
            return False

    def withdraw(self, folder: str) -> bool:
        """See to it that no job of this work directory waits or runs; tell whether that is so by now.

        It is to be asked again until it is. Raises EngineUnavailableError where no controller answers.
        """
        if self._withdrawals.may_begin(folder):
            self._run(commands.PING)
            self._withdrawals.begin(folder)
        return self._withdrawals.is_done(folder)

    def exit_status(self, job_id: str, folder: str) -> int | None:
        """Return what the script of the job in ``folder`` ended with, None where that is forgotten.

        Raises EngineUnavailableError.
        """
        try:
            return self._ask(commands.job(job_id), lambda text: commands.read_exit_status(text, folder))
        except NotKnownError:
            return None

    def _accounted(self, job_id: str, read: Callable[[str], Read | None]) -> Read | None:
        """Return what accounting says of a job, None where there is none. Raises EngineUnavailableError."""
        if not self._require(commands.CONFIGURATION, commands.read_accounting).kept:
            return None
        return self._require(commands.accounted(job_id), read)

    def _look(self) -> Offer:
        partitions = self._require(commands.PARTITIONS, commands.read_partitions)
        accounting = self._require(commands.CONFIGURATION, commands.read_accounting)
        if not accounting.kept:
            return Offer(partitions, accounting)
        mine = self._require(commands.associations(getpass.getuser()), commands.read_associations)
        return Offer(partitions, accounting, tuple(mine), tuple(self._require(commands.QOS, commands.read_qos)))

    def _require(self, command: tuple[str, ...], read: Callable[[str], Read]) -> Read:
        """Return what is read from the answer to what Slurm always knows; raises EngineUnavailableError."""
        try:
            return self._ask(command, read)
        except NotKnownError as error:
            raise EngineUnavailableError(f"Slurm cannot be asked: {error}") from error

    def _ask(self, command: tuple[str, ...], read: Callable[[str], Read]) -> Read:
        """Return what is read from the command's answer; raises NotKnownError or EngineUnavailableError."""
        answer = self._run(command)
        try:
            return read(answer)
        except ValueError as error:
            raise EngineUnavailableError(f"{' '.join(command[:3])}: not understood: {_begin_of(answer)}") from error


def refusal(offer: Offer, placement: Placement) -> str | None:
    """Return why the job could never run on what is on offer, naming what is there instead. Pure."""
    return _partition_refusal(offer, placement) or _account_refusal(offer, placement) or _qos_refusal(offer, placement)


def _partition_refusal(offer: Offer, placement: Placement) -> str | None:
    if placement.partition is None:
        return None
    partition = offer.partitions.get(placement.partition)
    if partition is None:
        return f"partition: Slurm has no {placement.partition}; it has {', '.join(sorted(offer.partitions))}"
    if placement.cpu > partition.node_cpus:
        return f"cpu: a node of {partition.name} has {partition.node_cpus}, not {placement.cpu}"
    if placement.memory_mib > partition.node_memory_mib:
        return f"memory_mib: a node of {partition.name} has {partition.node_memory_mib}, not {placement.memory_mib}"
    limit = partition.walltime_seconds
    if limit is not None and placement.walltime_seconds > limit:
        return f"walltime_seconds: {partition.name} allows {limit}, not {placement.walltime_seconds}"
    return None


def _account_refusal(offer: Offer, placement: Placement) -> str | None:
    if not offer.accounting.kept or "associations" not in offer.accounting.enforced:
        return None
    if not offer.associations:
        return "account: this node's user has none in Slurm"
    if placement.account is None or any(_fits(mine, placement) for mine in offer.associations):
        return None
    accounts = ", ".join(sorted({mine.account for mine in offer.associations}))
    return f"account: this node's user has no {placement.account} there; it has {accounts}"


def _qos_refusal(offer: Offer, placement: Placement) -> str | None:
    if not offer.accounting.kept or placement.qos is None:
        return None
    if placement.qos not in offer.qos:
        return f"qos: Slurm has no {placement.qos}; it has {', '.join(offer.qos)}"
    if "qos" not in offer.accounting.enforced or placement.account is None:
        return None
    allowed = sorted({name for mine in offer.associations if _fits(mine, placement) for name in mine.qos})
    if placement.qos in allowed:
        return None
    return f"qos: {placement.account} may not use {placement.qos}; it may use {', '.join(allowed) or 'none'}"


def _fits(mine: Association, placement: Placement) -> bool:
    return mine.account == placement.account and mine.partition in (None, placement.partition)


def run_command(command: tuple[str, ...]) -> str:
    """Run one of Slurm's commands and return what it prints.

    Raises NotKnownError where Slurm knows no such thing, EngineUnavailableError where it could not be asked.
    """
    try:
        done = _run_in_time(command)
    except FileNotFoundError as error:
        raise EngineUnavailableError(f"{command[0]} is not installed on this node") from error
    except OSError as error:
        raise EngineUnavailableError(f"{command[0]} cannot be run: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise EngineUnavailableError(f"{command[0]} did not answer within {ASK_SECONDS:g} s") from error
    if done.returncode == 0:
        return done.stdout
    said = done.stderr.strip() or done.stdout.partition("\n")[0] or f"exit status {done.returncode}"
    if "Invalid job id" in said:
        raise NotKnownError(said)
    raise EngineUnavailableError(f"{' '.join(command[:2])}: {said}")


def _run_in_time(command: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """Do as ``subprocess.run`` does, but for its wait without end for what it has killed."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, errors="replace")  # noqa: S603 - commands.py
    try:
        said, complaint = process.communicate(timeout=ASK_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LET_GO_SECONDS)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        raise
    return subprocess.CompletedProcess(command, process.returncode, said, complaint)


def _begin_of(answer: str) -> str:
    """Return the first line of an answer, as it can be shown."""
    lines = [line for line in answer.splitlines() if line.strip()]
    return repr(lines[0][:QUOTED_CHARS]) if lines else "it said nothing"
