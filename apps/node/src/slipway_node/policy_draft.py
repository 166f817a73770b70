"""The first policy file, drafted from what the node has; the admin edits it afterwards."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from slipway_contracts.node_policy import INLINE_PREFIX, QueueLimits
from slipway_node.slurm.commands import Partition

# What a lab's node commonly has; each is put on the list where it is on the PATH.
PROGRAMS = ("bash", "sh", "python3", "pw.x", "ph.x", "pp.x", "dos.x", "projwfc.x", "bands.x", "cp2k.psmp", "lmp")
MIB = 1024 * 1024
DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Found:
    """What the draft is made of. ``partitions`` None where the node runs jobs without a scheduler."""

    partitions: Mapping[str, Partition] | None
    cpus: int
    memory_mib: int
    programs: Mapping[str, str | None]
    input_prefixes: Sequence[str]
    artifacts: str


def programs_on_path() -> dict[str, str | None]:
    """Return those of ``PROGRAMS`` that are installed; None stands for "wherever the PATH has it"."""
    return {program: None for program in PROGRAMS if shutil.which(program) is not None}


def memory_mib() -> int:
    """Return this machine's memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // MIB


def draft(found: Found) -> str:
    """Return the text of a policy file. Pure."""
    return "\n".join(
        [
            "# What this node runs for its tenant. The agent reads this file at every heartbeat and checks each job",
            "# against it; `slipway-node policy check` tells whether it holds.",
            "",
            "# Queues, as the product names them. `partition` null: jobs run on this machine, without a scheduler.",
            "# More to a queue: default_account, accounts: [...], default_qos, qos: [...].",
            "# Limits are for one job; `jobs` bounds how many run at once. A limit left out is none.",
            "queues:",
            *_queues(found),
            "",
            "# Programs that a job of `kind: shell` may name; after the colon a path, where it is not on the PATH.",
            "programs:" if found.programs else "programs: {}",
            *[f"  {program}:{' ' + _quoted(path) if path else ''}" for program, path in found.programs.items()],
            "",
            "# AiiDA entry points that other jobs may name, as in quantumespresso.pw.base.",
            "entry_points: []",
            "",
            "# Where inputs may come from. `data:` lets a job bring its document along.",
            "input_prefixes:",
            *[f"  - {_quoted(prefix)}" for prefix in dict.fromkeys([INLINE_PREFIX, *found.input_prefixes])],
            "",
            "# Where results may go; the first is where they go unless a job says otherwise.",
            "artifact_prefixes:",
            f"  - {_quoted(found.artifacts)}",
            "",
        ]
    )


def _queues(found: Found) -> list[str]:
    if found.partitions is None:
        limits = QueueLimits(
            cpu=found.cpus, memory_mib=found.memory_mib, walltime_seconds=DAY_SECONDS, jobs=max(1, found.cpus)
        )
        return _queue("default", None, limits)
    return [line for partition in found.partitions.values() for line in _partition_queue(partition)]


def _partition_queue(partition: Partition) -> list[str]:
    limits = QueueLimits(
        cpu=partition.node_cpus, memory_mib=partition.node_memory_mib, walltime_seconds=partition.walltime_seconds
    )
    return _queue(partition.name, partition.name, limits)


def _queue(name: str, partition: str | None, limits: QueueLimits) -> list[str]:
    bounds = [f"{key}: {value}" for key, value in limits.model_dump(exclude_none=True).items()]
    return [
        f"  {_quoted(name)}:",
        f"    partition: {'null' if partition is None else _quoted(partition)}",
        f"    limits: {{{', '.join(bounds)}}}",
    ]


def _quoted(text: str) -> str:
    """Return ``text`` as a YAML string; JSON's is one, whatever it holds."""
    return json.dumps(text)
