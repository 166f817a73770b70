"""AiiDA's Slurm plugin, submitting each job once and following the one that counts (entry point ``slipway.slurm``)."""

from collections.abc import Sequence
from typing import Any

from aiida.orm import CalcJobNode, QueryBuilder
from aiida.schedulers.datastructures import JobInfo, JobState
from aiida.schedulers.plugins.slurm import SlurmScheduler

from slipway_node.slurm.submit_once import ENDED, NO_FOLDER_STATUS, follow_command, submit_command


class SlipwaySlurmScheduler(SlurmScheduler):  # type: ignore[misc] # AiiDA's types are skipped by configuration
    """Slurm, with a submission that may be repeated, and jobs that may turn out to be others."""

    def _get_submit_command(self, submit_script: str) -> str:
        return submit_command(submit_script)

    def get_jobs(self, jobs: Sequence[str] | None = None, user: str | None = None, *, as_dict: bool = False) -> Any:
        """Return the jobs that are not at their end; AiiDA takes one that is missing for ended.

        So each that is missing is asked after once more, beside its own files. Where that cannot be done it counts as
        waiting, and is asked after again: what is not known changes nothing, and holds up no other job.
        """
        found = super().get_jobs(jobs=jobs, user=user, as_dict=True)
        for job_id in {*(jobs or ())} - found.keys():
            if not self._has_ended(job_id):
                found[job_id] = _waiting(job_id)
        return found if as_dict else list(found.values())

    def _has_ended(self, job_id: str) -> bool:
        """Tell whether the job has ended and is the one that counts; where another one is, have that followed."""
        calculation = _calculation_of(job_id)
        if calculation is None:
            return True
        script, folder = calculation.get_option("submit_script_filename"), calculation.get_remote_workdir()
        status, told, complaint = self.transport.exec_command_wait(follow_command(job_id, script, folder))
        if status == NO_FOLDER_STATUS:
            return True  # AiiDA says so when it comes for the results
        if status != 0:
            self.logger.warning("what became of job %s cannot be told: %s", job_id, complaint.strip())
            return False
        counts = told.strip()
        if counts == ENDED:
            return True
        self.logger.warning("job %s is followed where %s is gone", counts, job_id)
        calculation.set_job_id(counts)  # AiiDA asks for this one from the next time on
        return False


def _calculation_of(job_id: str) -> Any:
    """Return the newest calculation with this job; ids begin anew where a cluster is set up anew."""
    filters = {"attributes.job_id": job_id, "attributes": {"!has_key": "sealed"}}
    query = QueryBuilder().append(CalcJobNode, filters=filters).order_by({CalcJobNode: {"id": "desc"}}).limit(1)
    return query.first(flat=True)


def _waiting(job_id: str) -> JobInfo:
    info = JobInfo()
    info.job_id, info.job_state = job_id, JobState.QUEUED
    return info
