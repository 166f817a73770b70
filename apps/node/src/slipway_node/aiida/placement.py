"""The job's placement as AiiDA's scheduler options."""

from typing import Any

from slipway_node.aiida.profile import SchedulerKind
from slipway_node.ports import Placement
from slipway_node.slurm import own_end
from slipway_node.slurm.submit_once import claim

KIB_PER_MIB = 1024
GRACE_SECONDS = 10  # between TERM and KILL
TIMEOUT_STATUS = 124  # what coreutils' timeout exits with when the time ran out
WALLTIME_MARK = "slipway: the walltime is exceeded"


def options(placement: Placement, scheduler: SchedulerKind, *, ranks: int) -> dict[str, Any]:
    """Return ``metadata.options`` for ``ranks`` MPI ranks that share the placement's cpus."""
    threads = max(1, placement.cpu // ranks)
    chosen: dict[str, Any] = {
        "resources": {"num_machines": 1, "num_mpiprocs_per_machine": ranks, "num_cores_per_mpiproc": threads},
        "withmpi": ranks > 1,
        "environment_variables": {"OMP_NUM_THREADS": str(threads)},
    }
    match scheduler:
        case SchedulerKind.SLURM:
            chosen["max_wallclock_seconds"] = placement.walltime_seconds
            chosen["prepend_text"] = claim()
            chosen["append_text"] = own_end.mark()
            # A second job, which does nothing, is not to empty what Slurm wrote down of the first one's end.
            chosen["custom_scheduler_commands"] = "#SBATCH --open-mode=append"
            chosen["max_memory_kb"] = placement.memory_mib * KIB_PER_MIB
            words = {"queue_name": placement.partition, "account": placement.account, "qos": placement.qos}
            chosen |= {name: word for name, word in words.items() if word is not None}
        case SchedulerKind.DIRECT:
            # AiiDA's direct scheduler bounds neither time nor memory. Time is bounded by running the script under
            # `timeout`; memory is not, since a limit on address space kills healthy programs.
            chosen["custom_scheduler_commands"] = _timed(placement.walltime_seconds)
    return chosen


def _timed(walltime_seconds: int) -> str:
    """Return a header that runs the job script itself under `timeout`, and says so where it ran out."""
    return (
        f'if [ -z "$SLIPWAY_TIMED" ]; then SLIPWAY_TIMED=1 timeout -k {GRACE_SECONDS} {walltime_seconds} bash "$0"; '
        f"ended=$?; [ $ended -eq {TIMEOUT_STATUS} ] && echo '{WALLTIME_MARK}' >&2; exit $ended; fi"
    )
