"""Which point of a submission meets which fault. Pure; what is done then, striking.py has."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from laboratory import Victim

MOVED_SECONDS = 15.0
"""Within this time after the last part is back, a job's state is to move again, or to have reached its end."""


class Flow(StrEnum):
    """What the job that is struck is for."""

    RUN = "run"
    FAIL = "fail"  # its program ends with an exit status
    CANCEL = "cancel"


class Deed(StrEnum):
    """What is done to a job at a point where nobody is killed."""

    TWICE = "done twice"
    CANCELLED = "cancelled there"
    LATE_AND_FIRST = "no answer, committed before the next try"
    LATE_AND_SECOND = "no answer, committed after the next try"
    NONSENSE = "Slurm talks nonsense"
    SILENCE = "Slurm says nothing"
    BEHIND = "node's clock an hour back"
    AHEAD = "node's clock an hour ahead"
    EXPIRED = "gateway's clock ten minutes ahead"


ANSWERS = {Deed.NONSENSE: "<html><body>502 Bad Gateway</body></html>\n", Deed.SILENCE: ""}
CLOCKS = {Deed.BEHIND: ("node", -3600.0), Deed.AHEAD: ("node", 3600.0), Deed.EXPIRED: ("gateway", 600.0)}
CLOCK_POINTS = {
    Deed.BEHIND: ("before gateway.ack", "before worker.submit", "before worker.retrieve"),
    Deed.AHEAD: ("before gateway.ack", "before worker.submit", "before worker.retrieve"),
    Deed.EXPIRED: ("before gateway.ack", "before gateway.ingest(accepted)"),  # no lease is good for so long
}


@dataclass(frozen=True, slots=True)
class Case:
    """At ``point`` a victim is killed, or a deed is done."""

    flow: Flow
    point: str
    what: Victim | Deed

    def __str__(self) -> str:
        return f"{self.flow}: {self.point}: {self.fault}"

    @property
    def fault(self) -> str:
        """Return the fault's name."""
        return f"{self.what} killed" if isinstance(self.what, Victim) else str(self.what)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a case. ``wrong`` is empty where all held; times are seconds after the last part was back."""

    case: Case
    wrong: list[str]
    moved_seconds: float
    ended_seconds: float


AGENT_STEPS: dict[Flow, list[str]] = {
    Flow.RUN: [
        "journal.record_leased",
        "gateway.ack",
        "journal.record_acks(submit)",
        "engine.find",
        "fetch",
        "launch.store",
        "launch.hand_over",
        "engine.launch",
        "journal.record_launch",
        "gateway.ingest(accepted)",
        "journal.record_deliveries(accepted)",
        "journal.record_events(running)",
        "gateway.ingest(running)",
        "engine.collect",
        "publish",
        "journal.record_events(end)",
        "gateway.ingest(end)",
        "journal.record_deliveries(end)",
    ],
    Flow.FAIL: ["engine.collect", "publish", "journal.record_events(end)", "gateway.ingest(end)"],
    Flow.CANCEL: ["engine.kill", "journal.record_acks(cancel)"],
}
WITHIN_THE_LAUNCH = ["after gateway.lease", "between launch.inputs and launch.process", "before launch.commit"]
WITH_THE_ENGINE = ["before worker.upload", "before worker.submit", "after sbatch", "before worker.retrieve"]
"""Points of a worker's at which, in CI too, what it works with is struck, and Slurm's answers are."""
ASKS_THE_ENGINE: dict[Flow, list[str]] = {
    Flow.RUN: ["launch.store", "launch.hand_over", "engine.collect"],
    Flow.FAIL: ["engine.collect"],
    Flow.CANCEL: ["engine.kill"],
}
"""The agent's steps for which it needs AiiDA's daemon and Slurm."""
DONE_ONCE = {
    (Deed.LATE_AND_FIRST, "before sbatch"),
    (Deed.LATE_AND_SECOND, "before sbatch"),
    (Deed.NONSENSE, "after sbatch"),
    (Deed.SILENCE, "before worker.retrieve"),
    (Deed.BEHIND, "before worker.retrieve"),
    (Deed.AHEAD, "before worker.submit"),
    (Deed.EXPIRED, "before gateway.ack"),
}
FAILED_ONCE = {(Victim.WORKER, "before worker.parse"), (Victim.AGENT, "before journal.record_events(end)")}
STATES_TO_CANCEL = {
    "before journal.record_leased",  # leased
    "before fetch",  # acked
    "before launch.store",
    "before launch.hand_over",  # stored, and not taken up
    "before worker.upload",  # taken up, and not submitted
    "before sbatch",  # being submitted
    "before worker.retrieve",  # done at Slurm
    "before worker.seal",
    "before publish",  # ended
    "before gateway.ingest(end)",  # ended, and not told
}
WORKER_STEPS: dict[Flow, list[str]] = {
    Flow.RUN: [
        "worker.upload",
        "worker.submit",
        "sbatch",
        "worker.retrieve",
        "worker.parse",
        "worker.seal",
    ],
    Flow.FAIL: ["sbatch", "worker.retrieve", "worker.parse", "worker.seal"],
    Flow.CANCEL: ["worker.kill", "scancel"],
}
BESIDE_A_WORKER = (Victim.AGENT, Victim.BROKER, Victim.SLURMCTLD, Victim.SLURMD, Victim.GATEWAY)
GATEWAY_STEPS = {"gateway.ack", "gateway.ingest"}
REPEATABLE = {
    "journal.record_leased",
    "gateway.ack",
    "journal.record_acks",
    "engine.find",
    "fetch",
    "engine.launch",
    "journal.record_launch",
    "gateway.ingest",
    "journal.record_deliveries",
    "journal.record_events",
    "engine.collect",
    "publish",
    "engine.kill",
    "worker.upload",
    "worker.submit",
    "sbatch",
    "worker.retrieve",
    "worker.kill",
    "scancel",
}
"""Steps that may be taken twice.

Those within engine.launch are, with it: done twice alone they are no step of ours but AiiDA's `submit` and `continue`,
and agent and engine see to it that they are not. worker.parse and worker.seal are AiiDA's own writes into a process
that is its worker's alone.
"""


def cases() -> Iterator[Case]:
    """Yield every case once."""
    for flow in Flow:
        yield from _around(flow, AGENT_STEPS[flow], (Victim.AGENT, Victim.JOURNAL))
        yield from _around(
            flow, [step for step in AGENT_STEPS[flow] if _kind(step) in GATEWAY_STEPS], (Victim.GATEWAY,)
        )
        yield from _around(flow, WORKER_STEPS[flow], (Victim.WORKER, Victim.DAEMON, *BESIDE_A_WORKER))
        for step in ASKS_THE_ENGINE[flow]:
            for victim in (Victim.WORKER, Victim.DAEMON, Victim.BROKER, Victim.SLURMCTLD):
                yield Case(flow, f"before {step}", victim)
        for step in AGENT_STEPS[flow] + WORKER_STEPS[flow]:
            if _kind(step) in REPEATABLE:
                yield Case(flow, f"before {step}", Deed.TWICE)
    for point in WITHIN_THE_LAUNCH:
        yield Case(Flow.RUN, point, Victim.AGENT)
    for point in WITH_THE_ENGINE:
        for answer in ANSWERS:
            yield Case(Flow.RUN, point, answer)
    yield from _deeds()


def _deeds() -> Iterator[Case]:
    for deed in (Deed.LATE_AND_FIRST, Deed.LATE_AND_SECOND):
        yield Case(Flow.RUN, "before sbatch", deed)
    for deed, points in CLOCK_POINTS.items():
        for point in points:
            yield Case(Flow.RUN, point, deed)
    for step in AGENT_STEPS[Flow.RUN] + WORKER_STEPS[Flow.RUN]:
        yield Case(Flow.RUN, f"before {step}", Deed.CANCELLED)


def each_boundary_once() -> list[Case]:
    """Return a case for each boundary between two steps, struck by who is at it, and those with the engine in it.

    What stands after one of the agent's steps stands before the next. A cancel meets each state that a job can be in,
    and what else is done is done once.
    """
    return [case for case in cases() if _is_in_ci(case)]


def _is_in_ci(case: Case) -> bool:
    if case.flow is Flow.FAIL:  # what comes before its end is as in any other
        return (case.what, case.point) in FAILED_ONCE
    step = case.point.partition(" ")[2]
    is_workers = any(step == known for flow in Flow for known in WORKER_STEPS[flow])
    match case.what:
        case Victim.WORKER:
            return is_workers
        case Victim.AGENT if not is_workers:
            return case.point.startswith("before ") or case.point in WITHIN_THE_LAUNCH
        case Victim.AGENT | Victim.BROKER | Victim.SLURMCTLD | Victim.SLURMD | Victim.GATEWAY:
            return case.flow is Flow.RUN and case.point in WITH_THE_ENGINE
        case Deed.CANCELLED:
            return case.point in STATES_TO_CANCEL
        case _:
            return (case.what, case.point) in DONE_ONCE


def _kind(step: str) -> str:
    """Return what step it is, whatever it is about (subjects.py)."""
    return step.partition("(")[0]


def _around(flow: Flow, steps: Sequence[str], victims: Sequence[Victim]) -> Iterator[Case]:
    for step in steps:
        for side in ("before", "after"):
            for victim in victims:
                yield Case(flow, f"{side} {step}", victim)
