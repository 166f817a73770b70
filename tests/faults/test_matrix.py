"""Each boundary of a submission's steps is struck once, on real AiiDA and Slurm; `make faults` does all of it."""

from collections.abc import Iterator

import pytest
from laboratory import Laboratory, laboratory
from matrix import Case, doubled_since, each_boundary_once, strike

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


@pytest.mark.parametrize("case", each_boundary_once(), ids=str)
def test_a_job_whose_submission_is_struck_runs_once_and_ends_as_it_should(lab: Laboratory, case: Case) -> None:
    wrong = strike(lab, case).wrong
    assert not wrong, "\n".join([*wrong, lab.stack.node.process.tail()])
