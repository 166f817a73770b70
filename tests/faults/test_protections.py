"""Protections taken out, and the fault that they are there for: the job then runs twice, or its end is never told."""

from pathlib import Path

import pytest
from laboratory import Victim, laboratory
from matrix import Case, Flow, strike

pytestmark = [pytest.mark.service("aiida"), pytest.mark.service("slurm"), pytest.mark.timeout(300)]

MISSED_SECONDS = 40.0  # with all protections in, none of these takes half of it
WORKER_AFTER_SBATCH = Case(Flow.RUN, "after sbatch", Victim.WORKER)
JOURNAL_AFTER_INGEST = Case(Flow.RUN, "after gateway.ingest", Victim.JOURNAL)


@pytest.mark.parametrize(
    ("without", "case", "harm"),
    [
        ("look-up claim following", WORKER_AFTER_SBATCH, ("doubled",)),  # all that makes it more than AiiDA's own
        ("ids", JOURNAL_AFTER_INGEST, ("lost", "events")),
    ],
    ids=["stock AiiDA", "ids"],
)
def test_a_protection_that_is_taken_out_is_missed(
    tmp_path: Path, without: str, case: Case, harm: tuple[str, ...]
) -> None:
    with laboratory(tmp_path, without=without) as lab:
        wrong = strike(lab, case, ended_seconds=MISSED_SECONDS).wrong
    assert any(text.startswith(harm) for text in wrong), wrong
