from datetime import timedelta

import pytest

from slipway.cli import hints
from slipway.rendering import TAIL_LINES, duration, ended, entry_detail, quantity, shown, uri_text
from slipway_contracts.errors import ERRORS, Code

NEVER_A_PRODUCTS = {  # answered to nodes, or by the Product SoR to the gateway
    Code.INVALID_EVENT,
    Code.SUBMISSION_NOT_FOUND,
    Code.EVENT_ID_CONFLICT,
    Code.EVENT_GAP,
    Code.INVALID_TRANSITION,
    Code.JOIN_TOKEN_SPENT,
    Code.LEASE_LOST,
} | {code for code, spec in ERRORS.items() if spec.answered_by == "product_store"}


def test_every_code_that_a_product_can_meet_has_a_hint_of_its_own():
    assert set(hints.REFUSALS) | {Code.INTERNAL_ERROR} == set(Code) - NEVER_A_PRODUCTS


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("lattice_constant_angstrom", 3.5898828132164913, ("lattice constant", "3.5898828", "Å")),
        ("volume_angstrom3", 11.5, ("volume", "11.5", "Å³")),
        ("total_force_ev_per_angstrom", 0.0, ("total force", "0", "eV/Å")),
        ("energy_ev", -213.03195, ("energy", "-213.03195", "eV")),
        ("element", "Cu\nAg", ("element", "Cu Ag", "")),
        ("converged", True, ("converged", "True", "")),
    ],
)
def test_the_end_of_a_quantitys_name_is_its_unit(name, value, expected):
    assert quantity(name, value) == expected


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.4, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3660, "1 h 1 min"), (90_000, "1 d 1 h"), (-5, "0 s")],
)
def test_a_span_of_time_is_said_in_its_two_largest_units(seconds, said):
    assert duration(timedelta(seconds=seconds).total_seconds()) == said


def test_nothing_that_a_terminal_would_obey_is_shown():
    assert shown("a\x1b[2Jb\x07\nc") == "a�[2Jb�\nc"


def test_an_inline_input_is_told_by_its_size_and_a_local_one_by_its_path():
    assert uri_text("data:application/gzip;base64,AAAA") == "inline, 33 characters of application/gzip;base64"
    assert uri_text("file:///srv/a%20b/") == "/srv/a b/"
    assert len(uri_text("https://example.org/" + "a" * 500)) < 200


def test_a_change_says_what_its_state_does_not(said):
    accepted = said.entry(said.A, 2, scheduler_ref={"slurm_job_id": "17", "partition": "gpu"}, display_message="taken")
    assert entry_detail(said.entry(None, 1)) == "submitted"
    assert entry_detail(accepted) == "accepted by the node, scheduler job 17 in gpu, taken"
    assert entry_detail(said.entry(said.R, 3)) == ""


def test_of_what_a_job_printed_the_last_lines_are_shown_and_nothing_that_a_terminal_would_obey(said):
    tail = "\n" * 1000 + "a\tb\r\n\x1b[2Jend"
    text, *_ = ended(None, said.result(output_uri="s3://lab/j1/", summary={"output_tail": tail}))
    lines = text.plain.split("\n")
    assert len(lines) == TAIL_LINES
    assert lines[-2:] == ["a       b", "�[2Jend"]


def test_a_job_that_printed_nothing_has_no_line_of_it(said):
    (place,) = ended(None, said.result(output_uri="s3://lab/j1/", summary={"output_tail": "\n"}))
    assert place.plain == "outputs     s3://lab/j1/"
