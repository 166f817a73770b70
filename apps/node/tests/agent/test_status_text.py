import pytest

from slipway_node.status_text import engine_lines

WELL = {"engine": "aiida", "scheduler": "slurm", "scheduler_answers": True, "daemon": "running", "brought_back": 0}


def test_an_engine_that_is_well_takes_one_line():
    assert engine_lines(WELL) == [
        "engine:        engine aiida, scheduler slurm, scheduler_answers yes, daemon running, brought_back 0"
    ]


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (
            {"scheduler_answers": False, "scheduler_trouble": "sinfo is not installed on this node"},
            "scheduler:     cannot be used: sinfo is not installed on this node",
        ),
        ({"silent": {"broker": "it gives no sign of life"}}, "silent:        broker: it gives no sign of life"),
        (
            {"last_brought_back": {"what": "worker", "why": "it was stopped", "at": "2026-01-02T03:04:05+00:00"}},
            "brought back:  last the worker, at 2026-01-02T03:04:05+00:00: it was stopped",
        ),
    ],
)
def test_trouble_has_a_line_of_its_own(told, line):
    first, *others = engine_lines({**WELL, **told})

    assert others == [line]
    assert line.partition(": ")[2].strip() not in first


def test_what_an_older_agent_wrote_is_shown_too():
    assert engine_lines({"engine": "unavailable", "detail": "no daemon"}) == [
        "engine:        engine unavailable, detail no daemon"
    ]
