"""Run the matrix of faults on real Slurm and AiiDA, again and again in random orders; write docs/reliability.md.

usage: make faults ARGS="[--runs N] [--seed S] [--only WORDS] [--no-write]"

N is how often each case is run (1); S gives the order (0); WORDS take the cases whose name has them. Exit status 1
where one went wrong. Needs root, for Slurm.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.slurm import scheduler
from laboratory import laboratory
from matrix import Case, Outcome, cases, strike
from reliability import summary, written_into

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"


def stamp(runs: int, seed: int) -> str:
    """Return when and of what the run was."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return f"{datetime.now(UTC):%Y-%m-%d}, commit {commit.stdout.strip() or 'unknown'}, --runs {runs} --seed {seed}"


def run(todo: list[Case]) -> list[Outcome]:
    """Run the cases in their order, and tell of each as it ends."""
    outcomes: list[Outcome] = []
    with scheduler(), tempfile.TemporaryDirectory(prefix="slipway-faults-") as folder, laboratory(Path(folder)) as lab:
        for number, case in enumerate(todo, 1):
            began = time.monotonic()
            outcome = strike(lab, case)
            outcomes.append(outcome)
            said = "; ".join(outcome.wrong) or f"held, moved again after {outcome.moved_seconds:.1f} s"
            took = time.monotonic() - began
            print(f"{number}/{len(todo)}  {case}  {said}  ({took:.0f} s)", file=sys.stderr, flush=True)
    return outcomes


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1, help="how often each case is run")
    parser.add_argument("--seed", type=int, default=0, help="of the order")
    parser.add_argument("--only", default="", help="the cases whose name has these words")
    parser.add_argument("--no-write", action="store_true", help="leave docs/reliability.md as it is")
    asked = parser.parse_args()
    chosen = [case for case in cases() if asked.only in str(case)]
    if not chosen:
        parser.error(f"no case has {asked.only!r} in its name")
    todo = chosen * asked.runs
    random.Random(asked.seed).shuffle(todo)
    outcomes = run(todo)
    order = {case: place for place, case in enumerate(chosen)}
    outcomes.sort(key=lambda outcome: order[outcome.case])
    said = stamp(asked.runs, asked.seed)
    print(summary(outcomes, said))
    if not asked.no_write and not asked.only:
        PAGE.write_text(written_into(PAGE.read_text(), outcomes, said))
    return 1 if any(outcome.wrong for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
