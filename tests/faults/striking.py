"""Striking one job at its case's point, and looking at what came of it."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
from director import Strike
from laboratory import QUEUE, Laboratory, Victim
from local_stack import StackError, wait_for_node, wait_until
from matrix import ANSWERS, CLOCKS, Case, Deed, Flow, Outcome
from points import LATER
from product import TERMINAL, counting_job, effects_of

JOB_SECONDS = 1.0
CANCELLED_JOB_SECONDS = 60.0
REACHED_SECONDS = 40.0
ENDED_SECONDS = 90.0
NOT_STRUCK = "not struck: the point was not reached"
GOES_ON = "PENDING,CONFIGURING,RUNNING"
STILL_SECONDS = 2.0  # in which a job that is left at Slurm shows
SETTLED_SECONDS = 40.0
ORPHANED_SECONDS = 10.0  # within which slurmd has ended what its controller has forgotten
COMPLETED_SECONDS = 70.0  # within which a controller asks slurmd once more to end a job
FORGOTTEN_SECONDS = (
    14.0  # after which a job that its node does not know is none that is just starting: 1 + 10 in slurm.conf
)
ANSWERED_SECONDS = 4.0  # in which the queue is asked some eight times


@dataclass(frozen=True, slots=True)
class End:
    """The right one: what is told of the job, one or the other, what the product sees, and what the job has done."""

    told: list[list[str]]
    projected: str
    effects: list[str]
    code: str | None = None


ENDS = {
    Flow.RUN: End([["accepted", "running", "completed"]], "succeeded", ["began", "ended"]),
    # That it ran is told where somebody saw it run; of one that has failed there is no other evidence.
    Flow.FAIL: End(
        [["accepted", "running", "failed"], ["accepted", "failed"]], "failed", ["began", "ended"], "exit_400"
    ),
    Flow.CANCEL: End([["accepted", "running", "cancelled"]], "cancelled", ["began"]),
}
NEVER_BEGAN = End([["accepted", "failed"]], "failed", [], "node_failure")
"""That of a job whose start slurmd was told and has forgotten, killed in that instant."""
CANCELLED_BY_SLURMD = End(
    [["accepted", "running", "failed"], ["accepted", "failed"]], "failed", [], "scheduler_lost_job"
)
"""That of a job that a killed controller has forgotten, and whose number it gave again while it was there."""
HALF_DONE: list[list[str]] = [[], ["began"], ["began", "ended"]]
"""What such a job has done; what it ended with is not known, for its script has not come to its end."""


def strike(lab: Laboratory, case: Case, *, ended_seconds: float = ENDED_SECONDS) -> Outcome:
    """Run one job, strike it at the case's point, and look at what came of it within ``ended_seconds``."""
    product = lab.stack.product
    held = lab.director.arm(case.point)
    cancelled, fails = case.flow is Flow.CANCEL, case.flow is Flow.FAIL
    seconds = CANCELLED_JOB_SECONDS if cancelled else JOB_SECONDS
    uri, effects = counting_job(lab.stack.shared, seconds, exit_status=1 if fails else 0)
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
        moved = _moved_after(lab, case, lambda: _has_moved(lab, job_id, seen), ended_seconds)
        try:
            end = product.wait(job_id, TERMINAL, max(1.0, ended_seconds - moved))
        except AssertionError as error:
            lost = [f"doubled: {did}" for did in [effects_of(effects)] if did.count("began") > 1] + [
                f"lost: {str(error).splitlines()[0]}"
            ]
            return Outcome(case, lost, moved, ended_seconds)
        ended = time.monotonic() - back
        wrong = list(_wrong(lab, case, job_id, effects, end))
        _seconds_until(lambda: not lab.has_work(), SETTLED_SECONDS)  # what is told again may be refused after the end
        wrong += [f"refused: {letter.state}: {letter.refusal}" for letter in lab.dead_letters(job_id)]
        made = lab.slurm_jobs()
        if len(made) not in _jobs_allowed(case):
            wrong.append(f"{len(made)} jobs at Slurm")
        return Outcome(case, wrong, moved, ended)
    finally:
        lab.effects.append((case, effects, effects_of(effects).count("began")))
        lab.director.disarm()
        if case.what in CLOCKS:
            lab.set_clock_right(CLOCKS[case.what][0])
        _made_whole(lab, case)


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


def _moved_after(lab: Laboratory, case: Case, has_moved: Callable[[], bool], limit_seconds: float) -> float:
    """Return how many seconds it took until the job moved, after the last part was back and knew of it again."""
    if case.what is Victim.SLURMD:
        took = _seconds_until(has_moved, FORGOTTEN_SECONDS)
        if took < FORGOTTEN_SECONDS or not lab.slurm_jobs("RUNNING"):
            return took + (0.0 if has_moved() else _seconds_until(has_moved, limit_seconds))
        lab.ask_slurmd_again()
    return _seconds_until(has_moved, limit_seconds)


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
    if case.what is Deed.CANCELLED and ended_as == "cancelled":  # else the job's end has come before it
        if did.count("began") > 1:
            yield f"doubled: {did}"
        # What the node has not acked is cancelled at the gateway, and the node never hears of it.
        told = [[], ["cancelled"], ["accepted", "cancelled"], *ENDS[Flow.CANCEL].told]
        if states not in told or (did and not states):
            yield f"events: {states}"
        time.sleep(STILL_SECONDS)
        if lab.slurm_jobs(GOES_ON) or effects_of(effects) != did:
            yield f"doubled: a job went on after its cancellation was told: {effects_of(effects)}"
        return
    got, right = (ended_as, (end.get("failure") or {}).get("code")), _right_ends(lab, case, did)
    wanted = next((each for each in right if (each.projected, each.code) == got), right[0])
    if got != (wanted.projected, wanted.code):
        yield f"ended as {ended_as}: {end.get('failure')}"
    if did != wanted.effects:
        yield f"{'doubled' if did.count('began') > 1 else 'effects'}: {did}"
    if states not in wanted.told:
        yield f"events: {states}"


def _right_ends(lab: Laboratory, case: Case, did: list[str]) -> list[End]:
    """Return the ends that are right, of a job that has done ``did``; the first is the one to be expected."""
    if case.what is Victim.SLURMD and not did:
        return [NEVER_BEGAN]
    ends = [ENDS[case.flow]]
    if case.what is Victim.SLURMCTLD and case.flow is not Flow.CANCEL and lab.slurmd_ended_half_way():
        ends += [replace(CANCELLED_BY_SLURMD, effects=did)] if did in HALF_DONE else []
    return ends


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


def _made_whole(lab: Laboratory, case: Case) -> None:
    """Wait until every part is there for the next case, which is to meet no former job; raises StackError."""
    if not lab.stack.node.process.running():
        raise StackError(f"the agent is not running:\n{lab.stack.node.process.tail()}")
    wait_for_node(lab.stack.gateway, lab.stack.node, lab.stack.product.token)
    wait_until("AiiDA's workers hear their broker", lab.engine_is_whole)
    wait_until("Slurm is whole", lab.slurm_is_whole)
    _seconds_until(lambda: not lab.has_work(), SETTLED_SECONDS)  # one that was lost is never done
    # A controller that has forgotten a job gives its number to the next one, which slurmd then will not start.
    _seconds_until(lambda: not lab.slurmd_has_work(), ORPHANED_SECONDS)
    # One that a slurmd was killed over as it ended keeps the node from what comes next until the controller asks again.
    _seconds_until(lambda: not lab.slurm_jobs("COMPLETING"), COMPLETED_SECONDS)
    if case.what is Victim.SLURMCTLD:
        # It keeps the number of a job that it ran and its controller has forgotten, also when that has ended.
        lab.ask_slurmd_again()
        wait_until("Slurm is whole again", lab.slurm_is_whole)
    lab.close_case()
