"""The page that a run of the faults writes."""

from matrix import Case, Deed, Flow, Outcome, Victim
from reliability import BEGIN, END, cells_of, summary, table, written_into
from striking import NOT_STRUCK

KILLED = Case(Flow.RUN, "before sbatch", Victim.WORKER)
AGAIN = Case(Flow.RUN, "before gateway.ingest(running)", Deed.TWICE)
HELD = Outcome(KILLED, [], 2.4, 3.0)
MISSED = Outcome(KILLED, [NOT_STRUCK], 0.0, 0.0)
LOST = Outcome(KILLED, ["lost: for ever"], 90.0, 90.0)
TWICE = Outcome(AGAIN, [], 0.1, 0.2)


def test_a_cell_tells_how_many_runs_held_and_the_longest_time_until_the_job_moved() -> None:
    head, _, killed, again = table(cells_of([HELD, HELD, TWICE])).splitlines()
    assert head == "| point | worker killed | done twice |"
    assert killed == "| run: before sbatch | 2/2 (2 s) |  |"
    assert again == "| run: before gateway.ingest(running) |  | 1/1 (0 s) |"


def test_a_run_that_went_wrong_is_counted_and_told() -> None:
    assert "**1/2**" in table(cells_of([HELD, LOST]))
    said = summary([HELD, LOST], "today")
    assert "2 runs: 1 lost, 0 doubled, 0 wrong ends, 0 not struck." in said
    assert "- run: before sbatch: worker killed: lost: for ever" in said


def test_a_fault_that_never_came_is_none_that_held() -> None:
    said = summary([HELD, MISSED], "today")
    assert "0 wrong ends, 1 not struck. Where it held, the job moved again 2.4 s (median)" in said
    assert "**1/2**" in table(cells_of([HELD, MISSED]))


def test_a_run_takes_the_place_of_the_one_before() -> None:
    page = f"# Page\n{BEGIN}\nold\n{END}\nthe end\n"
    once = written_into(page, [HELD], "first")
    again = written_into(once, [TWICE], "second")
    assert again.startswith("# Page\n")
    assert again.endswith("the end\n")
    assert "second" in again
    assert "first" not in again
