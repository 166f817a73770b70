"""Measure everything, print the table, write it into benchmarks/README.md; exit 1 when a limit does not hold.

usage: python -m benchmarks [--no-write] [--peer] [PART...]

The parts are accept, batch, streams, growth, slurm, asking, agent, demo, and peer

`peer` installs another system from PyPI: it runs where it is named, and as part of the whole with --peer.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

from benchmarks import accept, agent, asking, batch, demo, growth, peer, report, slurm, streams

PARTS = {
    "accept": accept.measure,
    "batch": batch.measure,
    "streams": streams.measure,
    "growth": growth.measure,
    "slurm": slurm.measure,
    "asking": asking.measure,
    "agent": agent.measure,
    "demo": demo.measure,
    "peer": peer.measure,
}


def main(arguments: list[str]) -> int:
    """Run the named parts; the whole when none is named, which is also written down."""
    whole = [name for name in PARTS if name != "peer" or "--peer" in arguments]
    names = [argument for argument in arguments if not argument.startswith("-")] or whole
    if unknown := set(names) - set(PARTS):
        print(f"bench: no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    rows = [row for name in names for row in PARTS[name]()]
    print(report.machine())
    print(report.table(rows))
    if names == whole and "--no-write" not in arguments:
        report.write(rows)
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
