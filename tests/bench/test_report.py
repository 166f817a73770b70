"""The benchmarks' report: what a percentile is, and how a row reads."""

from benchmarks.report import Row, percentile, table


def test_a_percentile_is_the_value_that_so_many_do_not_exceed() -> None:
    values = list(range(100, 0, -1))
    assert [percentile(values, percent) for percent in (1, 50, 99, 100)] == [1, 50, 99, 100]
    assert percentile([7.0], 99) == 7.0


def test_a_row_tells_median_range_runs_and_whether_the_limit_holds() -> None:
    row = Row("batch submit", "jobs/s", [3.0, 1.0, 2.0], "≥ 2", holds=False, note="as told")
    assert table([row]).splitlines()[-1] == "| batch submit | 2 jobs/s | 1–3 | 3 | ≥ 2 | **no** | as told |"
