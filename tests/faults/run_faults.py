"""Run the matrix of faults on real Slurm and AiiDA, again and again in random orders; write docs/reliability.md.

usage: make faults ARGS="[--runs N] [--minutes M] [--seed S] [--at-once K] [--only WORDS] [--rabbitmq] [--no-write]"
                        [--add-to FILE]
       make faults ARGS="--side-by-side [--runs N] [--no-write]"

N is how many runs in all: each case is run once before one is run again (each once, where N is not given). After M
minutes none is begun any more. S gives the order (0). K stacks, each with a Slurm of its own, share them (1). WORDS
take the cases whose name has them, and write nothing. --rabbitmq is for AiiDA on RabbitMQ, in a table of its own. FILE
has the outcomes of earlier runs: this one's are added to it, and the page tells of all; so a run that was broken off is
gone on with. Exit status 1 where one went wrong. The logs of what did, or took long, are kept under .slipway/faults.
Ctrl-C, or a SIGTERM, ends the run after the cases under way, and what was done counts; a second one ends it at once.
Side by side, each protection of a job is taken out, and the fault that it is there for is run N times (2) with it and
without. Needs root, for Slurm.
"""

import argparse
import concurrent.futures
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import httpx
from benchmarks.slurm import scheduler
from laboratory import Laboratory, laboratory
from local_stack import StackError, is_free
from matrix import MOVED_SECONDS, Case, Outcome, cases
from protections import MISSED_SECONDS, PROTECTIONS
from rabbitmq import rabbitmq_in
from reliability import BEGIN, BESIDE_BEGIN, BESIDE_END, END, ON_RABBITMQ, side_by_side, summary, written_into
from striking import NOT_STRUCK, doubled_since, strike

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
KEPT = ROOT / ".slipway" / "faults"
ENDING, SHARES = threading.Event(), list[subprocess.Popen[str]]()
CASES_PER_STACK = 60  # each that loses the journal has all former jobs taken up once more
PORT, PORTS_APART = 10817, 1000  # none that the system gives to connections


def stamp(runs: int, seed: int, at_once: int) -> str:
    """Return when, of what and on what the run was."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, commit {commit.stdout.strip() or 'unknown'}, --runs {runs} --seed {seed} "
        f"--at-once {at_once}, on {os.cpu_count()} processors"
    )


def in_order(chosen: Sequence[Case], runs: int, seed: int) -> list[Case]:
    """Return so many cases, in random order, each once before one comes again."""
    generator, todo = random.Random(seed), list[Case]()
    while len(todo) < runs:
        todo += generator.sample(chosen, min(len(chosen), runs - len(todo)))
    return todo


def run(todo: Sequence[Case], *, on_rabbitmq: bool, minutes: float | None) -> Iterator[Outcome]:
    """Run the cases in their order, some on a stack, a new one after a case that it did not outlive; tell of each."""
    missed: list[Case] = []
    left, end = list(reversed(todo)), time.monotonic() + 60 * (minutes or float("inf"))

    def goes_on() -> bool:
        return bool(left) and time.monotonic() < end and not ENDING.is_set()

    with scheduler():
        while goes_on():
            with contextlib.ExitStack() as stack:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slipway-faults-")))
                rabbitmq = stack.enter_context(rabbitmq_in(folder / "rabbitmq")) if on_rabbitmq else None
                lab = stack.enter_context(laboratory(folder, rabbitmq=rabbitmq))
                whole, until = True, max(0, len(left) - CASES_PER_STACK)
                while len(left) > until and whole and goes_on():
                    began, case = time.monotonic(), left.pop()
                    outcome, whole = _struck(lab, case)
                    said = "; ".join(outcome.wrong) or f"held, moved again after {outcome.moved_seconds:.1f} s"
                    count = f"{len(todo) - len(left)}/{len(todo)}"
                    took = time.monotonic() - began
                    print(f"{count}  {case}  {said}  ({took:.0f} s)", file=sys.stderr, flush=True)
                    if outcome.wrong == [NOT_STRUCK] and case not in missed:
                        missed.append(case)  # it says nothing of anybody: once more, when the others are done
                        left.insert(0, case)
                        continue
                    if outcome.wrong or outcome.moved_seconds > MOVED_SECONDS:
                        print(f"  its logs: {_kept(folder)}", file=sys.stderr, flush=True)
                    yield outcome
                for outcome in doubled_since(lab):
                    print(f"{outcome.case}  {outcome.wrong}", file=sys.stderr, flush=True)
                    yield outcome


def _kept(folder: Path) -> Path:
    """Keep the logs of the stack in ``folder`` and of Slurm, and the folder of the job that came last."""
    into = KEPT / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}"
    into.mkdir(parents=True)
    slurm = Path(os.environ["SLURM_CONF"]).parent
    for log in [*folder.glob("*.log"), *folder.glob("node/aiida/**/*.log"), *slurm.glob("*.log")]:
        with contextlib.suppress(OSError):  # it may be gone since
            shutil.copy(log, into)
    jobs = {lock.stat().st_mtime: lock.parent for lock in folder.glob("node/work/**/.slipway-lock")}
    if jobs:
        with contextlib.suppress(OSError):
            shutil.copytree(jobs[max(jobs)], into / "job")
    return into


def _struck(lab: Laboratory, case: Case) -> tuple[Outcome, bool]:
    """Return what came of a case, and whether the stack goes on."""
    try:
        return strike(lab, case), True
    except (StackError, AssertionError, httpx.HTTPError) as error:
        return Outcome(case, [f"lost: the stack: {error}"], 0.0, 0.0), False


def run_share(share: int, asked: argparse.Namespace) -> tuple[list[Outcome], bool]:
    """Run one of the shares in a process with a Slurm of its own; return its outcomes, and whether it ended well."""
    own = {"SLIPWAY_SLURM_DIR": f"/var/tmp/slipway-faults-{share}"}
    own |= {"SLIPWAY_SLURM_PORT": str(_two_ports(PORT + share * PORTS_APART)), "SLURM_CONF": "none"}
    argv = [sys.executable, __file__, f"--runs={asked.runs}", f"--seed={asked.seed}", f"--only={asked.only}"]
    argv += [f"--at-once={asked.at_once}", f"--share={share}"]
    argv += ["--rabbitmq"] if asked.rabbitmq else []
    argv += [] if asked.minutes is None else [f"--minutes={asked.minutes}"]
    # In a session of its own: a terminal's Ctrl-C is passed on to it once.
    process = subprocess.Popen(
        argv, stdout=subprocess.PIPE, text=True, env={**os.environ, **own}, start_new_session=True
    )
    SHARES.append(process)
    said, _ = process.communicate()
    chosen = {str(case): case for case in cases()}
    told = map(json.loads, said.splitlines())
    return [Outcome(chosen[name], wrong, moved, ended) for name, wrong, moved, ended in told], process.returncode == 0


def _two_ports(first: int) -> int:
    """Return the first of two free ports in a row, from ``first`` on: another Slurm may be here."""
    return next(port for port in range(first, first + PORTS_APART, 2) if is_free(port) and is_free(port + 1))


def _end(number: int, _frame: object) -> None:
    """End after the cases under way, with all shares; asked again, end at once, and stop what was started."""
    again = ENDING.is_set()
    ENDING.set()
    for share in SHARES:
        share.terminate()
    if again:
        sys.exit(128 + number)


def added(file: Path, said: str, outcomes: Sequence[Outcome]) -> tuple[list[str], list[Outcome]]:
    """Add a run to those in ``file``, one a line; return what is said of each, and all outcomes."""
    with file.open("a", encoding="utf-8") as out:
        told = [[str(it.case), it.wrong, it.moved_seconds, it.ended_seconds] for it in outcomes]
        out.write(json.dumps([said, told]) + "\n")
    runs = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    known = {str(case): case for case in cases()}
    return [said for said, _ in runs], [Outcome(known[name], *rest) for _, told in runs for name, *rest in told]


def compare(runs: int) -> list[tuple[str, list[Outcome], list[Outcome]]]:
    """Run each protection's fault so often with all of them, and with that one taken out."""
    pairs = []
    with scheduler():
        for protection in PROTECTIONS:
            both: list[list[Outcome]] = []
            for without in ("", protection.without):
                with (
                    tempfile.TemporaryDirectory(prefix="slipway-faults-") as folder,
                    laboratory(Path(folder), without=without) as lab,
                ):
                    both.append([strike(lab, protection.case, ended_seconds=MISSED_SECONDS) for _ in range(runs)])
                print(
                    f"{protection.name}: {'without' if without else 'with'} it: {both[-1]}", file=sys.stderr, flush=True
                )
            pairs.append((protection.name, both[0], both[1]))
    return pairs


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, help="how many runs in all")
    parser.add_argument("--minutes", type=float, help="after which no run is begun any more")
    parser.add_argument("--seed", type=int, default=0, help="of the order")
    parser.add_argument("--at-once", type=int, default=1, help="how many stacks share them")
    parser.add_argument("--share", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--only", default="", help="the cases whose name has these words")
    parser.add_argument("--rabbitmq", action="store_true", help="with RabbitMQ for AiiDA's broker")
    parser.add_argument("--no-write", action="store_true", help="leave docs/reliability.md as it is")
    parser.add_argument("--add-to", type=Path, help="a file with the outcomes of earlier runs")
    parser.add_argument("--side-by-side", action="store_true", help="with each protection, and without")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    if asked.side_by_side:
        ENDING.set()  # it has nothing that would count
        pairs = compare(asked.runs or 2)
        page = side_by_side(PAGE.read_text(), pairs, stamp(asked.runs or 2, asked.seed, 1))
        print(page.split(BESIDE_BEGIN)[1].split(BESIDE_END)[0])
        if not asked.no_write:
            PAGE.write_text(page)
        return 1 if any(outcome.wrong for _, whole, _ in pairs for outcome in whole) else 0
    chosen = [case for case in cases() if asked.only in str(case)]
    if not chosen:
        parser.error(f"no case has {asked.only!r} in its name")
    asked.runs = asked.runs or len(chosen)
    todo = in_order(chosen, asked.runs, asked.seed)
    if asked.share is not None:
        for outcome in run(todo[asked.share :: asked.at_once], on_rabbitmq=asked.rabbitmq, minutes=asked.minutes):
            told = [str(outcome.case), outcome.wrong, outcome.moved_seconds, outcome.ended_seconds]
            print(json.dumps(told), flush=True)
        return 0
    with concurrent.futures.ThreadPoolExecutor() as pool:
        shares = list(pool.map(lambda share: run_share(share, asked), range(asked.at_once)))
    outcomes = [outcome for share, _ in shares for outcome in share]
    whole = all(ended for _, ended in shares)
    said = [stamp(len(outcomes), asked.seed, asked.at_once)]
    if asked.add_to:
        said, outcomes = added(asked.add_to, said[0], outcomes)
    order = {case: place for place, case in enumerate(cases())}
    outcomes.sort(key=lambda outcome: order[outcome.case])
    print(summary(outcomes, "\n\n".join(said)))
    if not (asked.no_write or asked.only):
        marks = ON_RABBITMQ if asked.rabbitmq else (BEGIN, END)
        PAGE.write_text(written_into(PAGE.read_text(), outcomes, "\n\n".join(said), marks))
    if not whole:
        print("a share broke off; what it had done was counted", file=sys.stderr)
    held = not any(outcome.wrong or outcome.moved_seconds > MOVED_SECONDS for outcome in outcomes)
    return 0 if whole and held else 1


if __name__ == "__main__":
    sys.exit(main())
