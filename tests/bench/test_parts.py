"""Which parts of the benchmarks run, and when the table is written."""

import pytest
from benchmarks import __main__ as bench
from benchmarks import report


@pytest.mark.parametrize(
    ("arguments", "ran", "written"),
    [
        ([], {"accept", "demo"}, True),
        (["--peer"], {"accept", "demo", "peer"}, True),
        (["--no-write"], {"accept", "demo"}, False),
        (["peer"], {"peer"}, False),
    ],
)
def test_the_peer_runs_only_where_it_is_asked_for_and_the_whole_is_written(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], ran: set[str], *, written: bool
) -> None:
    row = report.Row("a", "s", [1.0], "—", holds=True)
    names: list[str] = []
    tables: list[object] = []
    parts = {name: lambda name=name: names.append(name) or [row] for name in ("accept", "demo", "peer")}
    monkeypatch.setattr(bench, "PARTS", parts)
    monkeypatch.setattr(report, "write", tables.append)
    assert bench.main(arguments) == 0
    assert (set(names), bool(tables)) == (ran, written)
