"""The lifecycle cell by cell: each standing state with each proposed one, and what each projects to."""

import pytest

from slipway_contracts.execution_event import ExecutionState
from slipway_contracts.lifecycle import (
    ADVANCES,
    GAPS,
    PROJECTION_RANK,
    TERMINAL_RANK,
    Step,
    is_terminal,
    projection_event_id_for,
    projection_of,
    step,
)
from slipway_contracts.projection_update import ProjectionState

NONE = None
ACCEPTED, RUNNING, COMPLETED, FAILED, CANCELLED = ExecutionState
ADVANCE, GAP, REGRESSION = Step

# Written out by hand and compared with nothing but the contract's words.
CELLS = [
    (NONE, ACCEPTED, ADVANCE),
    (NONE, RUNNING, GAP),
    (NONE, COMPLETED, GAP),
    (NONE, FAILED, ADVANCE),
    (NONE, CANCELLED, ADVANCE),
    (ACCEPTED, ACCEPTED, REGRESSION),
    (ACCEPTED, RUNNING, ADVANCE),
    (ACCEPTED, COMPLETED, GAP),
    (ACCEPTED, FAILED, ADVANCE),
    (ACCEPTED, CANCELLED, ADVANCE),
    (RUNNING, ACCEPTED, REGRESSION),
    (RUNNING, RUNNING, REGRESSION),
    (RUNNING, COMPLETED, ADVANCE),
    (RUNNING, FAILED, ADVANCE),
    (RUNNING, CANCELLED, ADVANCE),
    (COMPLETED, ACCEPTED, REGRESSION),
    (COMPLETED, RUNNING, REGRESSION),
    (COMPLETED, COMPLETED, REGRESSION),
    (COMPLETED, FAILED, REGRESSION),
    (COMPLETED, CANCELLED, REGRESSION),
    (FAILED, ACCEPTED, REGRESSION),
    (FAILED, RUNNING, REGRESSION),
    (FAILED, COMPLETED, REGRESSION),
    (FAILED, FAILED, REGRESSION),
    (FAILED, CANCELLED, REGRESSION),
    (CANCELLED, ACCEPTED, REGRESSION),
    (CANCELLED, RUNNING, REGRESSION),
    (CANCELLED, COMPLETED, REGRESSION),
    (CANCELLED, FAILED, REGRESSION),
    (CANCELLED, CANCELLED, REGRESSION),
]
PROJECTIONS = [
    (ACCEPTED, ProjectionState.QUEUED),
    (RUNNING, ProjectionState.RUNNING),
    (COMPLETED, ProjectionState.SUCCEEDED),
    (FAILED, ProjectionState.FAILED),
    (CANCELLED, ProjectionState.CANCELLED),
]


@pytest.mark.parametrize(("standing", "proposed", "expected"), CELLS, ids=lambda value: str(value or "none"))
def test_a_proposed_state_is_to_the_standing_one(
    standing: ExecutionState | None, proposed: ExecutionState, expected: Step
) -> None:
    assert step(standing, proposed) is expected


def test_the_cells_are_all_there_are() -> None:
    every = {(standing, proposed) for standing in (None, *ExecutionState) for proposed in ExecutionState}
    assert {(standing, proposed) for standing, proposed, _ in CELLS} == every
    assert len(CELLS) == len(every)


def test_no_state_is_both_an_advance_and_a_gap() -> None:
    assert all(not ADVANCES[standing] & GAPS[standing] for standing in (None, *ExecutionState))


@pytest.mark.parametrize(("state", "expected"), PROJECTIONS, ids=str)
def test_an_execution_state_projects_to(state: ExecutionState, expected: ProjectionState) -> None:
    assert projection_of(state) is expected


def test_every_execution_state_projects_to_something() -> None:
    assert [state for state, _ in PROJECTIONS] == list(ExecutionState)


@pytest.mark.parametrize(
    ("state", "rank"),
    [
        (ProjectionState.QUEUED, 0),
        (ProjectionState.RUNNING, 1),
        (ProjectionState.SUCCEEDED, 2),
        (ProjectionState.FAILED, 2),
        (ProjectionState.CANCELLED, 2),
    ],
)
def test_a_projection_state_has_its_rank_and_absorbs_at_the_highest(state: ProjectionState, rank: int) -> None:
    assert PROJECTION_RANK[state] == rank
    assert is_terminal(state) is (rank == TERMINAL_RANK)


def test_every_advance_raises_the_rank_but_for_accepted_which_enriches_queued() -> None:
    for standing, proposed, verdict in CELLS:
        if verdict is ADVANCE:
            before = -1 if standing is None else PROJECTION_RANK[projection_of(standing)]
            assert PROJECTION_RANK[projection_of(proposed)] > before


def test_two_submissions_whose_emitters_choose_the_same_event_id_have_two_receipts() -> None:
    assert projection_event_id_for("sub-1", "evt-1") != projection_event_id_for("sub-2", "evt-1")
