"""AiiDA 2.9's requests to be told of a job, of which a worker keeps those of jobs that were killed.

A killed job's request ends unanswered and stays under its number. Where a controller that came back without its state
gives that number anew, AiiDA meets it, stops at an assertion, and tries again for minutes while the new job runs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any


def let_go_of_ended() -> None:
    """Have a request that has ended be forgotten before a job of its number is asked after; may be repeated.

    One that AiiDA answers it has taken out before: what has ended and is still there is nobody's.
    """
    from aiida.engine.processes.calcjobs.manager import JobsList

    ask = JobsList.request_job_info_update
    if hasattr(ask, "lets_go_of_ended"):
        return

    @wraps(ask)
    @contextmanager
    def asked(self: Any, authinfo: Any, job_id: Any) -> Iterator[Any]:
        former = self._job_update_requests.get(str(job_id))
        if former is not None and former.done():
            del self._job_update_requests[str(job_id)]
        with ask(self, authinfo, job_id) as request:
            yield request

    asked.lets_go_of_ended = True  # type: ignore[attr-defined] # a mark on a function
    JobsList.request_job_info_update = asked
