"""AiiDA's own list of jobs, of a worker that has killed one; its loop and its transports are not touched."""

import asyncio
from types import SimpleNamespace

import pytest
from aiida.engine.processes.calcjobs.manager import JobsList

import slipway_node.aiida.slurm_scheduler
from slipway_node.aiida import job_requests


@pytest.fixture
def jobs(monkeypatch):
    made = JobsList.__new__(JobsList)
    made._job_update_requests = {}
    monkeypatch.setattr(JobsList, "_ensure_updating", lambda _self: None)
    return made


async def test_a_number_that_is_given_anew_is_asked_after_anew(jobs):
    assert slipway_node.aiida.slurm_scheduler  # with which a worker has what is tested here
    killed = asyncio.get_running_loop().create_future()
    killed.cancel()
    jobs._job_update_requests["7"] = killed

    with jobs.request_job_info_update(SimpleNamespace(), 7) as request:
        assert not request.done()


async def test_two_that_ask_after_one_job_share_the_request(jobs):
    with jobs.request_job_info_update(SimpleNamespace(), "7") as one, jobs.request_job_info_update(None, "7") as other:
        assert one is other


def test_it_is_done_once():
    ask = JobsList.request_job_info_update
    job_requests.let_go_of_ended()
    assert JobsList.request_job_info_update is ask
