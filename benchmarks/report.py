"""Rows of the table in benchmarks/README.md, and the machine they were measured on."""

import math
import platform
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- table: written by make bench -->", "<!-- end of table -->"


@dataclass(frozen=True)
class Row:
    """One measured figure: its runs, unit and limit; the median is what is quoted.

    ``p99`` is in the same unit, of single requests, events or jobs in the worst round; None where the runs are but a
    handful of rates or ratios, whose 99th percentile would be their maximum under another name.
    """

    what: str
    unit: str
    runs: Sequence[float]
    limit: str
    holds: bool
    note: str = ""
    p99: float | None = None

    def cells(self) -> list[str]:
        """Return the row's cells as text."""
        low, high = min(self.runs), max(self.runs)
        return [
            self.what,
            f"{statistics.median(self.runs):.3g} {self.unit}",
            "–" if self.p99 is None else f"{self.p99:.3g} {self.unit}",
            f"{low:.3g}–{high:.3g}",
            str(len(self.runs)),
            self.limit,
            "yes" if self.holds else "**no**",
            self.note,
        ]


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that ``percent`` of ``values`` do not exceed (nearest rank)."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)]


def delays(
    what: str,
    unit: str,
    rounds: Sequence[Sequence[float]],
    limits: tuple[float, float] | None = None,
    note: str = "",
) -> Row:
    """Return the row of single delays; ``limits`` are of the median and of the p99, and each round must hold both."""
    medians = [statistics.median(each) for each in rounds]
    p99 = max(percentile(each, 99) for each in rounds)
    runs = medians if len(rounds) > 1 else rounds[0]
    if limits is None:
        return Row(what, unit, runs, "—", holds=True, note=note, p99=p99)
    most, most_p99 = limits
    limit = f"≤ {most:g} {unit}, p99 ≤ {most_p99:g} {unit}"
    return Row(what, unit, runs, limit, max(medians) <= most and p99 <= most_p99, note, p99)


def machine() -> str:
    """Return the machine, the date and the commit in one line."""
    cpuinfo = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    models = [line.split(":", 1)[1].strip() for line in cpuinfo.splitlines() if line.startswith("model name")]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return (
        f"{len(models) or '?'} × {models[0] if models else platform.processor()}, {platform.system()}, "
        f"Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}, commit {commit.stdout.strip() or 'unknown'}"
    )


def table(rows: Sequence[Row]) -> str:
    """Render the rows as Markdown."""
    head = ["what", "median", "p99", "min–max", "runs", "limit", "holds", "how"]
    lines = [head, ["---"] * len(head), *(row.cells() for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write(rows: Sequence[Row]) -> None:
    """Put the table between the markers of benchmarks/README.md."""
    text = README.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    README.write_text(f"{before}{BEGIN}\n\n{machine()}\n\n{table(rows)}\n\n{END}{after}")
