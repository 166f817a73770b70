"""What protects a job, and for each protection a fault that it is there for; the epoch has a test of its own."""

from dataclasses import dataclass

from laboratory import Victim
from matrix import Case, Deed, Flow

MISSED_SECONDS = 25.0  # with all protections in, none of these faults takes half of it

WORKER_AFTER_SBATCH = Case(Flow.RUN, "after sbatch", Victim.WORKER)


@dataclass(frozen=True, slots=True)
class Protection:
    """``without`` is what is taken out (points.py), ``harm`` how what is then found begins."""

    name: str
    without: str
    case: Case
    harm: tuple[str, ...]


PROTECTIONS = (
    Protection("all around `sbatch`: stock AiiDA", "look-up claim following", WORKER_AFTER_SBATCH, ("doubled",)),
    # The claim keeps the second job from doing anything.
    Protection("look-up", "look-up", WORKER_AFTER_SBATCH, ("2 jobs at Slurm",)),
    Protection("claim", "claim", Case(Flow.RUN, "before sbatch", Deed.LATE_AND_SECOND), ("doubled",)),
    Protection("labels", "labels", Case(Flow.RUN, "after launch.hand_over", Victim.AGENT), ("doubled",)),
    Protection("derived ids", "ids", Case(Flow.RUN, "after gateway.ingest(accepted)", Victim.JOURNAL), ("refused",)),
)
