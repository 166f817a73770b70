"""Which point of a submission meets which fault, and what has to come of it."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import httpx
from director import Strike
from laboratory import QUEUE, Laboratory, Victim
from local_stack import StackError, wait_for_node, wait_until
from points import LATER
from product import TERMINAL, counting_job, effects_of

JOB_SECONDS = 1.0
CANCELLED_JOB_SECONDS = 60.0
REACHED_SECONDS = 40.0
ENDED_SECONDS = 90.0
MOVED_SECONDS = 15.0
"""Within this time after the last part is back, a job's state is to move again, or to have reached its end."""


class Flow(StrEnum):
    """What the product wants of the job that is struck."""

    RUN = "run"
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
    Deed.EXPIRED: ("before gateway.ack", "before gateway.ingest"),  # no lease is good for so long
}
NOT_STRUCK = "not struck: the point was not reached"
GOES_ON = "PENDING,CONFIGURING,RUNNING"
STILL_SECONDS = 2.0  # in which a job that is left at Slurm shows
SETTLED_SECONDS = 40.0
ANSWERED_SECONDS = 4.0  # in which the queue is asked some eight times


@dataclass(frozen=True, slots=True)
class Case:
    """At the ``nth`` crossing of ``point``, a victim is killed or a deed is done."""

    flow: Flow
    point: str
    what: Victim | Deed
    nth: int = 1

    def __str__(self) -> str:
        nth = f" #{self.nth}" if self.nth > 1 else ""
        return f"{self.flow}: {self.point}{nth}: {self.fault}"

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


Step = tuple[str, int]

AGENT_STEPS: dict[Flow, list[Step]] = {
    Flow.RUN: [
        ("journal.record_leased", 1),
        ("gateway.ack", 1),
        ("journal.record_acks", 1),
        ("engine.find", 1),
        ("fetch", 1),
        ("launch.store", 1),
        ("launch.hand_over", 1),
        ("engine.launch", 1),
        ("journal.record_launch", 1),
        ("gateway.ingest", 1),
        ("journal.record_deliveries", 1),
        ("journal.record_events", 1),
        ("gateway.ingest", 2),
        ("engine.collect", 1),
        ("publish", 1),
        ("journal.record_events", 2),
        ("gateway.ingest", 3),
        ("journal.record_deliveries", 3),
    ],
    Flow.CANCEL: [("engine.kill", 1), ("journal.record_acks", 2)],
}
WITHIN_THE_LAUNCH = ["after gateway.lease", "between launch.inputs and launch.process", "before launch.commit"]
WITH_THE_ENGINE = ["before worker.upload", "before worker.submit", "after sbatch", "before worker.retrieve"]
"""Points of a worker's at which, in CI too, what it works with is struck, and Slurm's answers are."""
ASKS_THE_ENGINE: dict[Flow, list[Step]] = {
    Flow.RUN: [("launch.store", 1), ("launch.hand_over", 1), ("engine.collect", 1)],
    Flow.CANCEL: [("engine.kill", 1)],
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
STATES_TO_CANCEL = {
    ("before journal.record_leased", 1),  # leased
    ("before fetch", 1),  # acked
    ("before launch.store", 1),
    ("before launch.hand_over", 1),  # stored, and not taken up
    ("before worker.upload", 1),  # taken up, and not submitted
    ("before sbatch", 1),  # being submitted
    ("before worker.retrieve", 1),  # done at Slurm
    ("before worker.seal", 1),
    ("before publish", 1),  # ended
    ("before gateway.ingest", 3),  # ended, and not told
}
WORKER_STEPS: dict[Flow, list[Step]] = {
    Flow.RUN: [
        ("worker.upload", 1),
        ("worker.submit", 1),
        ("sbatch", 1),
        ("worker.retrieve", 1),
        ("worker.parse", 1),
        ("worker.seal", 1),
    ],
    Flow.CANCEL: [("worker.kill", 1), ("scancel", 1)],
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
        yield from _around(flow, [step for step in AGENT_STEPS[flow] if step[0] in GATEWAY_STEPS], (Victim.GATEWAY,))
        yield from _around(flow, WORKER_STEPS[flow], (Victim.WORKER, Victim.DAEMON, *BESIDE_A_WORKER))
        for step, nth in ASKS_THE_ENGINE[flow]:
            for victim in (Victim.WORKER, Victim.DAEMON, Victim.BROKER, Victim.SLURMCTLD):
                yield Case(flow, f"before {step}", victim, nth)
        for step, nth in AGENT_STEPS[flow] + WORKER_STEPS[flow]:
            if step in REPEATABLE:
                yield Case(flow, f"before {step}", Deed.TWICE, nth)
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
    for step, nth in AGENT_STEPS[Flow.RUN] + WORKER_STEPS[Flow.RUN]:
        yield Case(Flow.RUN, f"before {step}", Deed.CANCELLED, nth)


def each_boundary_once() -> list[Case]:
    """Return a case for each boundary between two steps, struck by who is at it, and those with the engine in it.

    What stands after one of the agent's steps stands before the next. A cancel meets each state that a job can be in,
    and what else is done is done once.
    """
    return [case for case in cases() if _is_in_ci(case)]


def _is_in_ci(case: Case) -> bool:
    step = case.point.partition(" ")[2]
    is_workers = any(step == known for flow in Flow for known, _ in WORKER_STEPS[flow])
    match case.what:
        case Victim.WORKER:
            return is_workers
        case Victim.AGENT if not is_workers:
            return case.point.startswith("before ") or case.point in WITHIN_THE_LAUNCH
        case Victim.AGENT | Victim.BROKER | Victim.SLURMCTLD | Victim.SLURMD | Victim.GATEWAY:
            return case.flow is Flow.RUN and case.point in WITH_THE_ENGINE
        case Deed.CANCELLED:
            return (case.point, case.nth) in STATES_TO_CANCEL
        case _:
            return (case.what, case.point) in DONE_ONCE


def _around(flow: Flow, steps: Sequence[Step], victims: Sequence[Victim]) -> Iterator[Case]:
    for step, nth in steps:
        for side in ("before", "after"):
            for victim in victims:
                yield Case(flow, f"{side} {step}", victim, nth)


def strike(lab: Laboratory, case: Case, *, ended_seconds: float = ENDED_SECONDS) -> Outcome:
    """Run one job, strike it at the case's point, and look at what came of it within ``ended_seconds``."""
    product = lab.stack.product
    held = lab.director.arm(case.point, case.nth)
    cancelled = case.flow is Flow.CANCEL
    uri, effects = counting_job(lab.stack.shared, CANCELLED_JOB_SECONDS if cancelled else JOB_SECONDS)
    job_id = product.submit(uri, QUEUE)
    try:
        if cancelled:
            wait_until("the job began", lambda: effects_of(effects) == ["began"])
            product.wait(job_id, {"running"})
            product.request("POST", f"/jobs/{job_id}:cancel")
        if not held.reached(REACHED_SECONDS):
            return Outcome(case, [NOT_STRUCK], 0.0, 0.0)
        seen = _done_to(lab, case, held, job_id)
        back = time.monotonic()
        moved = _seconds_until(lambda: _has_moved(lab, job_id, seen), ended_seconds)
        try:
            end = product.wait(job_id, TERMINAL, max(1.0, ended_seconds - moved))
        except AssertionError as error:
            lost = [f"doubled: {did}" for did in [effects_of(effects)] if did.count("began") > 1] + [
                f"lost: {str(error).splitlines()[0]}"
            ]
            return Outcome(case, lost, moved, ended_seconds)
        ended = time.monotonic() - back
        wrong = list(_wrong(lab, case, job_id, effects, end))
        made = lab.slurm_jobs()
        if len(made) not in _jobs_allowed(case):
            wrong.append(f"{len(made)} jobs at Slurm")
        return Outcome(case, wrong, moved, ended)
    finally:
        lab.effects.append((case, effects, effects_of(effects).count("began")))
        lab.director.disarm()
        if case.what in CLOCKS:
            lab.set_clock(CLOCKS[case.what][0], 0.0)
        _made_whole(lab)


def doubled_since(lab: Laboratory) -> list[Outcome]:
    """Return what has begun once more after its case was over; to be asked when all are."""
    return [
        Outcome(case, ["doubled: it began again after its end"], 0.0, 0.0)
        for case, effects, begun in lab.effects
        if effects_of(effects).count("began") > begun
    ]


def _done_to(lab: Laboratory, case: Case, held: Strike, job_id: str) -> int:
    """Strike at the point where ``held`` is, and bring back what has to be; return how much of the job was told."""
    seen = len(_timeline(lab, job_id))
    match case.what:
        case Victim() as victim:
            lab.kill(victim)
            held.release()
            seen = len(_timeline(lab, job_id))
            lab.restore(victim)
        case Deed.TWICE:
            held.times = 2
            held.release()
        case Deed.CANCELLED:
            lab.stack.product.request("POST", f"/jobs/{job_id}:cancel")
            held.release()
        case Deed.LATE_AND_FIRST | Deed.LATE_AND_SECOND:
            _commit_late(lab, held, first=case.what is Deed.LATE_AND_FIRST)
        case Deed.NONSENSE | Deed.SILENCE as deed:
            with lab.slurm_saying(ANSWERS[deed]):
                held.release()
                time.sleep(ANSWERED_SECONDS)
        case Deed.BEHIND | Deed.AHEAD | Deed.EXPIRED as deed:
            lab.set_clock(*CLOCKS[deed])
            held.release()
    return seen


def _commit_late(lab: Laboratory, held: Strike, *, first: bool) -> None:
    """Let an `sbatch` have no answer, and be committed once a second one has been looked up for and not found."""
    late, committed = lab.director.arm("before sbatch that is late"), lab.director.arm("after sbatch that is late")
    again, answered = lab.director.arm("before sbatch"), lab.director.arm("after sbatch")
    held.times = LATER
    held.release()
    for strike_ in (late, again):
        if not strike_.reached(REACHED_SECONDS):
            raise StackError(f"{strike_.point} was not reached")
    for strike_, done in ((late, committed), (again, answered)) if first else ((again, answered), (late, committed)):
        strike_.release()
        if not done.reached(REACHED_SECONDS):
            raise StackError(f"{done.point} was not reached")
    committed.release()
    answered.release()


def _jobs_allowed(case: Case) -> range:
    """Return how many jobs Slurm may have been given; one effective one at the most, whatever their number."""
    match case.what:
        case Victim.SLURMCTLD:  # which may forget one, and give its number again
            return range(3)
        case Deed.CANCELLED:  # which may come before there is one
            return range(2)
        case Deed.LATE_AND_FIRST | Deed.LATE_AND_SECOND:
            return range(2, 3)
        case Deed.TWICE if case.point == "before sbatch":
            return range(2, 3)
        case _:
            return range(1, 2)


def _wrong(lab: Laboratory, case: Case, job_id: str, effects: Path, end: dict) -> Iterator[str]:
    """Yield what is not as it has to be: the job's own effects, its end, and what was told of it."""
    states = [each["source_execution_state"] for each in lab.stack.product.timeline(job_id) if each["kind"] == "event"]
    did, ended_as = effects_of(effects), end["projection_state"]
    told = ["accepted", "running"]
    if case.what is Deed.CANCELLED and ended_as == "cancelled":  # else the job's end has come before it
        if did.count("began") > 1:
            yield f"doubled: {did}"
        # What the node has not acked is cancelled at the gateway, and the node never hears of it.
        if states not in ([], ["cancelled"], ["accepted", "cancelled"], [*told, "cancelled"]) or (did and not states):
            yield f"events: {states}"
        time.sleep(STILL_SECONDS)
        if lab.slurm_jobs(GOES_ON) or effects_of(effects) != did:
            yield f"doubled: a job went on after its cancellation was told: {effects_of(effects)}"
        return
    cancelled = case.flow is Flow.CANCEL
    wanted_end, wanted_effects = ("cancelled", ["began"]) if cancelled else ("succeeded", ["began", "ended"])
    if ended_as != wanted_end:
        yield f"ended as {ended_as}: {end.get('failure')}"
    if did != wanted_effects:
        yield f"{'doubled' if did.count('began') > 1 else 'effects'}: {did}"
    if states != [*told, "cancelled" if cancelled else "completed"]:
        yield f"events: {states}"


def _timeline(lab: Laboratory, job_id: str) -> list[dict]:
    """Read the job's changes; a gateway that is away is asked again."""
    while True:
        try:
            return lab.stack.product.timeline(job_id)
        except httpx.TransportError:
            if not lab.stack.gateway.process.running():
                return []
            time.sleep(0.05)


def _has_moved(lab: Laboratory, job_id: str, seen: int) -> bool:
    entries = _timeline(lab, job_id)
    return len(entries) > seen or (bool(entries) and entries[-1]["projection_state"] in TERMINAL)


def _seconds_until(holds: Callable[[], bool], limit_seconds: float) -> float:
    """Return how long it took until ``holds``, or the limit."""
    began = time.monotonic()
    while not holds() and time.monotonic() - began < limit_seconds:
        time.sleep(0.05)
    return time.monotonic() - began


def _made_whole(lab: Laboratory) -> None:
    """Wait until every part is there for the next case, which is to meet no former job; raises StackError."""
    if not lab.stack.node.process.running():
        raise StackError(f"the agent is not running:\n{lab.stack.node.process.tail()}")
    wait_for_node(lab.stack.gateway, lab.stack.node, lab.stack.product.token)
    wait_until("AiiDA's workers hear their broker", lab.engine_is_whole)
    wait_until("Slurm is whole", lab.slurm_is_whole)
    _seconds_until(lambda: not lab.has_work(), SETTLED_SECONDS)  # one that was lost is never done
    lab.close_case()
