"""The commands asked of Slurm, and reading what they print. Pure (tried with Slurm 22.05).

Reading raises ValueError where the answer is none that Slurm gives, also where it is cut in a line.
"""

import re
from dataclasses import dataclass

PING = ("scontrol", "ping")  # fails at once where no controller answers, which others take up to 18 s to find
PARTITIONS = ("sinfo", "--all", "--noheader", "--exact", "--format=%R|%a|%l|%c|%m")
CONFIGURATION = ("scontrol", "show", "config")
QOS = ("sacctmgr", "--noheader", "--parsable2", "show", "qos", "format=Name,Priority")

ENDS = frozenset(
    {
        *("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY"),
        *("NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "DEADLINE", "REVOKED"),
    }
)
"""Slurm's words for a job's end; what ends still (`COMPLETING`), or waits to run again, has another."""

_FINAL_REFUSALS = re.compile(
    r"invalid (account|qos|partition|feature|license|generic resource|trackable resource)"
    r"|requested node configuration is not available"
    r"|requested time limit is invalid"
    r"|memory (required by task is not available|specification can not be satisfied)"
    r"|more processors requested than permitted"
    r"|(node|cpu) count (specification invalid|per node can not be satisfied)"
    r"|not permitted to use this partition",
    re.IGNORECASE,
)
_UNLIMITED = "infinite"
_DURATION = re.compile(r"^(?:(?P<days>\d+)-)?(?:(?P<hours>\d+):)?(?P<minutes>\d+):(?P<seconds>\d+)$")


def associations(user: str) -> tuple[str, ...]:
    """Ask for the accounts of ``user``."""
    wanted = "format=Account,Partition,QOS"
    return ("sacctmgr", "--noheader", "--parsable2", "show", "associations", f"user={user}", wanted)


def job(job_id: str) -> tuple[str, ...]:
    """Ask for one job, which the controller remembers for some minutes after its end."""
    return ("scontrol", "show", "job", job_id, "--oneliner")


def accounted(job_id: str) -> tuple[str, ...]:
    """Ask accounting for all jobs that ever had this id: ids begin anew where a controller does."""
    wanted = (f"--jobs={job_id}", "--format=State,WorkDir,NodeList")
    return ("sacct", "--noheader", "--parsable2", "--allocations", "--duplicates", *wanted)


def final_refusal(complaint: str) -> str | None:
    """Return the line of what `sbatch` said that it would say whenever it was asked, without its own name; or None.

    What may pass is none: a controller that is away, and a limit on jobs at once, for which Slurm has the same words as
    for one on a job's size.
    """
    lines = [line.removeprefix("sbatch: ").removeprefix("error: ").strip() for line in complaint.splitlines()]
    return next((line for line in lines if _FINAL_REFUSALS.search(line)), None)


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition, with the most that one of its nodes has. ``walltime_seconds`` None is unlimited."""

    name: str
    up: bool
    walltime_seconds: int | None
    node_cpus: int
    node_memory_mib: int


@dataclass(frozen=True, slots=True)
class Association:
    """An account that the user may charge, on one partition or (None) on all, with these QOS."""

    account: str
    partition: str | None
    qos: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Accounting:
    """Whether Slurm keeps accounts at all, and what it enforces of them."""

    kept: bool
    enforced: frozenset[str]


def read_partitions(text: str) -> dict[str, Partition]:
    """Read ``PARTITIONS``: a line for each partition and sort of node."""
    found: dict[str, Partition] = {}
    for name, up, limit, cpus, memory in _rows(text, columns=5):
        other = found.get(name)
        found[name] = Partition(
            name,
            up=up == "up",
            walltime_seconds=read_duration(limit),
            node_cpus=max(_count(cpus), other.node_cpus if other else 0),
            node_memory_mib=max(_count(memory), other.node_memory_mib if other else 0),
        )
    if not found:
        raise ValueError("no partition")
    return found


def read_duration(text: str) -> int | None:
    """Read ``1-02:03:04`` or ``30:00`` as seconds; None is unlimited."""
    if text in (_UNLIMITED, "UNLIMITED", "n/a"):
        return None
    found = _DURATION.match(text)
    if found is None:
        raise ValueError(f"{text!r} is not a Slurm duration")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def read_accounting(text: str) -> Accounting:
    """Read ``CONFIGURATION`` for what is kept and enforced."""
    _require_whole(text)
    values = dict(re.findall(r"^(AccountingStorage\w+)\s*=\s*(\S*)", text, re.MULTILINE))
    if not values.get("AccountingStorageType", "").startswith("accounting_storage/"):
        raise ValueError("no word on accounting")
    enforced = frozenset(values.get("AccountingStorageEnforce", "none").lower().split(",")) - {"none", ""}
    return Accounting(kept=values["AccountingStorageType"].endswith("/slurmdbd"), enforced=enforced)


def read_tracking(text: str) -> str:
    """Read from ``CONFIGURATION`` by what Slurm knows a job's processes, as in ``proctrack/cgroup``."""
    _require_whole(text)
    found = re.search(r"^ProctrackType\s*=\s*(proctrack/\w+)", text, re.MULTILINE)
    if found is None:
        raise ValueError("no word on tracking")
    return found.group(1)


def read_associations(text: str) -> list[Association]:
    """Read ``associations``."""
    rows = _rows(text, columns=3)
    return [Association(row[0], row[1] or None, tuple(name for name in row[2].split(",") if name)) for row in rows]


def read_qos(text: str) -> list[str]:
    """Read the names in ``QOS``, of which Slurm always has one; what else is asked tells them from an error's words."""
    priorities = {name: _count(priority) for name, priority in _rows(text, columns=2)}
    if not priorities:
        raise ValueError("no QOS")
    return list(priorities)


def read_job_state(text: str, folder: str | None = None) -> str | None:
    """Read the state in ``job``'s answer; None where that is of another job than the one in ``folder``.

    Raises ValueError.
    """
    found = re.search(r"\bJobState=(\w+)\s", text)
    if found is None:
        raise ValueError("no job's state")
    return found.group(1) if folder is None or f" WorkDir={folder} " in f"{text.strip()} " else None


def read_accounted_end(text: str, folder: str) -> str | None:
    """Read from ``accounted``'s answer how the job that worked in ``folder`` ended, None where it tells of no end.

    Raises ValueError.
    """
    rows = _rows(text, columns=3)
    ends = [end for state, where, _ in rows if where == folder and (end := read_end(state)) is not None]
    return ends[-1] if ends else None


def read_was_placed(text: str, folder: str) -> bool | None:
    """Read from ``job``'s answer whether it was given a machine; None where it is of another job. Raises ValueError."""
    if read_job_state(text, folder) is None:
        return None
    found = re.search(r"\sNodeList=(\S*)", text)
    if found is None:
        raise ValueError("no list of nodes")
    return found.group(1) not in ("", "(null)")


def read_accounted_placing(text: str, folder: str) -> bool | None:
    """Read from ``accounted``'s answer whether the job in ``folder`` was given a machine; None where it knows none.

    Raises ValueError.
    """
    nodes = [names for _, where, names in _rows(text, columns=3) if where == folder]
    return nodes[-1] not in ("", "None assigned") if nodes else None


def read_end(cell: str) -> str | None:
    """Read accounting's word for a job's end as in ``CANCELLED by 0``; None where it is no end.

    "CANCELLED" by nobody is what accounting writes of jobs whose controller came back without them.
    """
    word = cell.split(" ", maxsplit=1)[0].rstrip("+")
    return word if word in ENDS and cell != "CANCELLED" else None


def _rows(text: str, columns: int) -> list[list[str]]:
    """Read lines of so many columns, the first of which is never empty."""
    _require_whole(text)
    rows = [line.strip().split("|") for line in text.splitlines() if line.strip()]
    if any(len(row) != columns or not row[0] for row in rows):
        raise ValueError(f"not {columns} columns")
    return rows


def _require_whole(text: str) -> None:
    if text and not text.endswith("\n"):
        raise ValueError("cut short")


def read_exit_status(text: str, folder: str) -> int | None:
    """Read the exit status in ``job``'s answer; None of one that a signal ended, or that works in another folder.

    Raises ValueError.
    """
    if read_job_state(text, folder) is None:
        return None
    found = re.search(r"\bExitCode=(\d+):0\b", text)
    return int(found.group(1)) if found else None


def _count(text: str) -> int:
    """Read ``2`` or, where nodes differ after all, ``2+``."""
    if re.fullmatch(r"[0-9]+\+?", text) is None:
        raise ValueError(f"{text!r} is not a count")
    return int(text.rstrip("+"))
