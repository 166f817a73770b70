"""Measure everything, print the table, write it into benchmarks/README.md; exit 1 when a limit does not hold.

usage: python -m benchmarks [--no-write] [accept] [batch] [streams] [growth] [slurm] [agent] [demo]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

from benchmarks import accept, agent, batch, demo, growth, report, slurm, streams

PARTS = {
    "accept": accept.measure,
    "batch": batch.measure,
    "streams": streams.measure,
    "growth": growth.measure,
    "slurm": slurm.measure,
    "agent": agent.measure,
    "demo": demo.measure,
}


def main(arguments: list[str]) -> int:
    """Run the named parts (all of them when none is named)."""
    names = [argument for argument in arguments if not argument.startswith("-")] or list(PARTS)
    if unknown := set(names) - set(PARTS):
        print(f"bench: no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    rows = [row for name in names for row in PARTS[name]()]
    print(report.machine())
    print(report.table(rows))
    if names == list(PARTS) and "--no-write" not in arguments:
        report.write(rows)
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
