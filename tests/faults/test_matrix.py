"""Each boundary of a submission's steps is struck once, on real AiiDA and Slurm; `make faults` does all of it."""

import os
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest
from laboratory import Laboratory, laboratory
from matrix import MOVED_SECONDS, Case, Outcome, each_boundary_once
from reliability import cells_of, summary, table
from striking import doubled_since, strike

pytestmark = [
    pytest.mark.service("aiida"),
    pytest.mark.service("slurm"),
    pytest.mark.timeout(300),
    pytest.mark.idempotency("execution-event"),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    with laboratory(tmp_path_factory.mktemp("faults")) as made:
        yield made
        assert doubled_since(made) == []


@pytest.fixture(scope="module")
def outcomes() -> Iterator[list[Outcome]]:
    """What came of each case; told as a table where a workflow keeps a summary.

    On a busy machine one may be late for that alone; half of them are not.
    """
    told: list[Outcome] = []
    yield told
    if page := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(page).open("a", encoding="utf-8") as out:
            out.write(f"{summary(told, 'Faults, each point once')}\n\n{table(cells_of(told))}\n")
    assert statistics.median([outcome.moved_seconds for outcome in told] or [0.0]) < MOVED_SECONDS


@pytest.mark.parametrize("case", each_boundary_once(), ids=str)
def test_a_job_whose_submission_is_struck_runs_once_and_ends_as_it_should(
    lab: Laboratory, outcomes: list[Outcome], case: Case
) -> None:
    outcome = strike(lab, case)
    outcomes.append(outcome)
    assert not outcome.wrong, "\n".join([*outcome.wrong, lab.stack.node.process.tail()])
