"""AiiDA's Slurm plugin, submitting each job once and following the one that counts (entry point ``slipway.slurm``)."""

import random
from collections.abc import Collection, Sequence
from typing import Any, ClassVar

from aiida.engine import ExitCode
from aiida.orm import CalcJobNode, QueryBuilder
from aiida.schedulers import SchedulerError
from aiida.schedulers.datastructures import JobInfo, JobState
from aiida.schedulers.plugins.slurm import SlurmScheduler

from slipway_node.aiida import job_requests, patience, verdicts
from slipway_node.slurm.commands import final_refusal
from slipway_node.slurm.patience import TRY_AGAIN_STATUS, Rests, in_time
from slipway_node.slurm.submit_once import (
    CLAIM,
    ENDED,
    NO_FOLDER_STATUS,
    cancel_command,
    claims_command,
    follow_command,
    submit_command,
)

# A worker loads its scheduler before it asks after a job, and before it has much to write.
job_requests.let_go_of_ended()
patience.wait_for_the_record()

CLAIMS_AT_ONCE = 200  # a command has a bounded length

SUBMIT, LIST, FOLLOW, ACCOUNT, KILL = "sbatch", "squeue", "what became of a job", "sacct", "scancel"

_STARTED = frozenset({JobState.RUNNING, JobState.SUSPENDED})


class SlipwaySlurmScheduler(SlurmScheduler):  # type: ignore[misc] # AiiDA's types are skipped by configuration
    """Slurm, with a submission that may be repeated, and jobs that may turn out to be others."""

    _counting: ClassVar[set[str]] = set()
    """The jobs that run and hold their claim, of those asked after last; AiiDA makes a plugin anew for each look."""
    _rests: ClassVar[Rests] = Rests()

    def _begin(self, kind: str) -> None:
        """Begin to ask; raises SchedulerError, after which AiiDA tries again, while the kind of question rests."""
        if (left := self._rests.left(kind)) > 0:
            raise SchedulerError(f"{kind}: Slurm has not answered, and is asked again in {left:.0f} s")
        self._rests.begin(kind)

    def _get_submit_command(self, submit_script: str) -> str:
        self._begin(SUBMIT)
        return submit_command(submit_script)

    def _get_joblist_command(self, jobs: list[str] | None = None, user: str | None = None) -> str:
        self._begin(LIST)
        return in_time(super()._get_joblist_command(jobs=jobs, user=user))

    def _parse_joblist_output(self, retval: int, stdout: str, stderr: str) -> Any:
        self._rests.end(LIST, retval)
        return super()._parse_joblist_output(retval, stdout, stderr)

    def _get_kill_command(self, jobid: str) -> str:
        self._begin(KILL)
        if folders := _folders_to_cancel(jobid):
            return cancel_command(jobid, folders)
        return in_time(super()._get_kill_command(jobid))

    def _parse_kill_output(self, retval: int, stdout: str, stderr: str) -> Any:
        self._rests.end(KILL, retval)
        return super()._parse_kill_output(retval, stdout, stderr)

    def _get_detailed_job_info_command(self, job_id: str) -> str:
        return in_time(super()._get_detailed_job_info_command(job_id))

    def get_detailed_job_info(self, job_id: str) -> dict[str, str | int]:
        """Return accounting's word for the job; what it does not say now keeps no result waiting, and is asked later.

        Slurm is asked once more before a failure is told (observing.py).
        """
        if self._rests.left(ACCOUNT) > 0:
            return {"retval": TRY_AGAIN_STATUS, "stdout": "", "stderr": "accounting has not answered"}
        self._rests.begin(ACCOUNT)
        told: dict[str, str | int] = super().get_detailed_job_info(job_id)
        self._rests.end(ACCOUNT, int(told["retval"]))
        return told

    def submit_job(self, working_directory: str, filename: str) -> Any:
        """Submit; a refusal for good is kept with the process before AiiDA hears of it.

        AiiDA writes down that the job is with the scheduler also where it is not, and a worker that takes the process
        up from there breaks off, since it finds no number of a job.
        """
        answer = super().submit_job(working_directory, filename)
        if isinstance(answer, ExitCode):
            calculation = QueryBuilder().append(CalcJobNode, filters={"attributes.remote_workdir": working_directory})
            for node in calculation.all(flat=True):
                node.base.extras.set(verdicts.REFUSAL_EXTRA, answer.message)
        return answer

    def _parse_submit_output(self, retval: int, stdout: str, stderr: str) -> Any:
        """Return the job's id, or how the process ends where Slurm would refuse it at each further try too."""
        self._rests.end(SUBMIT, retval)
        refusal = None if retval == 0 else final_refusal(stderr)
        if refusal is not None:
            return ExitCode(verdicts.REFUSED_STATUS, refusal)
        return super()._parse_submit_output(retval, stdout, stderr)

    def get_jobs(self, jobs: Sequence[str] | None = None, user: str | None = None, *, as_dict: bool = False) -> Any:
        """Return the jobs that are not at their end; AiiDA takes one that is missing for ended.

        So each that is missing is asked after once more, beside its own files. And one that runs is told of as waiting
        until it holds its claim: that it runs is told to the product with its id, which is not to change from then on.
        Where that cannot be done it counts as waiting, and is asked after again: what is not known changes nothing, and
        holds up no other job.
        """
        found = super().get_jobs(jobs=jobs, user=user, as_dict=True)
        asked = {*(jobs or ())}
        missing = sorted(asked - found.keys())
        for job_id in random.sample(missing, len(missing)):  # the first may keep the others from being asked
            if not self._has_ended(job_id):
                found[job_id] = _waiting(job_id)
        self._counting.intersection_update(asked)
        started = {job_id for job_id, job in found.items() if job.job_state in _STARTED}
        for job_id in self._not_counting(started & asked - self._counting):
            found[job_id] = _waiting(job_id)
        return found if as_dict else list(found.values())

    def _has_ended(self, job_id: str) -> bool:
        """Tell whether the job has ended and is the one that counts; where another one is, have that followed."""
        if self._rests.left(FOLLOW) > 0:
            return False
        calculation = _calculations_of([job_id]).get(job_id)
        if calculation is None:
            return True
        script, folder = calculation.get_option("submit_script_filename"), calculation.get_remote_workdir()
        self._rests.begin(FOLLOW)
        status, told, complaint = self.transport.exec_command_wait(follow_command(job_id, script, folder))
        self._rests.end(FOLLOW, status)
        if status == NO_FOLDER_STATUS:
            return True  # AiiDA says so when it comes for the results
        if status != 0:
            self.logger.warning("what became of job %s cannot be told: %s", job_id, complaint.strip())
            return False
        counts = told.strip()
        if counts == ENDED:
            return True
        self._follow(calculation, job_id, counts)
        return False

    def _not_counting(self, started: Collection[str]) -> list[str]:
        """Return those of the running jobs that do not hold their claim; where another one does, have that followed.

        A job without our script makes none.
        """
        waiting = []
        calculations = [*_calculations_of(started).items()]
        for begin in range(0, len(calculations), CLAIMS_AT_ONCE):
            some = calculations[begin : begin + CLAIMS_AT_ONCE]
            command = claims_command([calculation.get_remote_workdir() for _, calculation in some])
            status, told, complaint = self.transport.exec_command_wait(command)
            holders = told.splitlines()
            if status != 0 or len(holders) != len(some):
                self.logger.warning("who holds the claims cannot be told: %s", complaint.strip())
                waiting += [job_id for job_id, _ in some]
                continue
            for (job_id, calculation), holder in zip(some, holders, strict=True):
                if holder == job_id or (not holder and CLAIM not in (calculation.get_option("prepend_text") or "")):
                    self._counting.add(job_id)
                    continue
                waiting.append(job_id)
                if holder:
                    self._follow(calculation, job_id, holder)
        return waiting

    def _follow(self, calculation: CalcJobNode, job_id: str, counts: str) -> None:
        """Have AiiDA ask after another job from the next time on."""
        if counts != job_id:
            self.logger.warning("job %s is followed in the place of %s", counts, job_id)
            calculation.set_job_id(counts)


def _calculations_of(job_ids: Collection[str]) -> dict[str, Any]:
    """Return the newest calculation with each of these jobs; ids begin anew where a cluster is set up anew."""
    if not job_ids:
        return {}
    filters = {"attributes.job_id": {"in": list(job_ids)}, "attributes": {"!has_key": "sealed"}}
    query = QueryBuilder().append(CalcJobNode, filters=filters).order_by({CalcJobNode: {"id": "asc"}})
    return {calculation.get_job_id(): calculation for calculation in query.all(flat=True)}


def _folders_to_cancel(job_id: str) -> list[str]:
    """Return where the calculations with this job work, of several those whose cancel was asked for."""
    filters = {"attributes.job_id": job_id, "attributes": {"!has_key": "sealed"}}
    # Columns, since the worker's session does not look again at what another process has written to its own node.
    columns = ["attributes.remote_workdir", f"extras.{verdicts.CANCEL_EXTRA}"]
    found = QueryBuilder().append(CalcJobNode, filters=filters, project=columns).all()
    return [folder for folder, asked in found if asked] or [folder for folder, _ in found]


def _waiting(job_id: str) -> JobInfo:
    info = JobInfo()
    info.job_id, info.job_state = job_id, JobState.QUEUED
    return info
