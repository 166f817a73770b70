"""The benchmarks' report: what a percentile is, and how a row reads."""

import pytest
from benchmarks.report import Row, delays, percentile, table


def test_a_percentile_is_the_value_that_so_many_do_not_exceed() -> None:
    values = list(range(100, 0, -1))
    assert [percentile(values, percent) for percent in (1, 50, 99, 100)] == [1, 50, 99, 100]
    assert percentile([7.0], 99) == 7.0


def test_a_row_tells_median_range_runs_and_whether_the_limit_holds() -> None:
    row = Row("batch submit", "jobs/s", [3.0, 1.0, 2.0], "≥ 2", holds=False, note="as told")
    assert table([row]).splitlines()[-1] == "| batch submit | 2 jobs/s | – | 1–3 | 3 | ≥ 2 | **no** | as told |"


def test_a_row_of_delays_tells_median_and_p99_of_the_worst_round_in_one_line() -> None:
    rounds = [[4.0] * 98 + [48.76] * 2, [5.0] * 100, [6.0] * 100]
    head, _, line = table([delays("event due → subscriber", "ms", rounds, (10, 50))]).splitlines()
    assert head == "| what | median | p99 | min–max | runs | limit | holds | how |"
    assert line == "| event due → subscriber | 5 ms | 48.8 ms | 4–6 | 3 | ≤ 10 ms, p99 ≤ 50 ms | yes |  |"


def test_the_only_round_of_delays_tells_their_own_range_and_number() -> None:
    assert delays("job's end → visible", "s", [[3.0, 1.0, 2.0]]).cells()[1:6] == ["2 s", "3 s", "1–3", "3", "—"]


@pytest.mark.parametrize(
    "worst", [pytest.param([11.0] * 100, id="median"), pytest.param([1.0] * 98 + [51.0] * 2, id="p99")]
)
def test_one_round_over_either_limit_is_enough_not_to_hold(worst: list[float]) -> None:
    assert not delays("event due → subscriber", "ms", [[1.0] * 100, worst, [1.0] * 100], (10, 50)).holds
