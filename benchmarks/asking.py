"""What it costs to ask Slurm: the look-up at an `sbatch`, and how often a node asks for so many jobs."""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_stack import BIN, Gateway, Node, running, wait_until

from benchmarks import report
from benchmarks.report import Row
from benchmarks.slurm import WITH_ACCOUNTS, own_scheduler, scheduler
from slipway import Slipway
from slipway_node.slurm.submit_once import INTENT, submit_command

ROUNDS = 40
LOOKUP_MS = 50.0
JOBS = (1, 10, 100)
WINDOW_SECONDS = 30.0
SUBMITTED_SECONDS = 300.0
GROWTH = 1.2  # that is no growth: what is counted in half a minute varies by some
FORGOTTEN_SECONDS = 400.0  # tests/services/slurm.sh has the controller remember jobs for 300
QUESTIONS = ("squeue", "scontrol", "sacct")
HELD = "#!/bin/bash\n#SBATCH --hold --output=out --mem=10\ntrue\n"
DOCUMENT = """
slipway: 1
kind: shell
program: sh
arguments: ["-c", "sleep 600"]
"""


def measure() -> list[Row]:
    """Return the rows of the look-up's cost in milliseconds, and of status queries a minute."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with scheduler():
            rows = [*_lookups(root / "without-accounts", "no accounts"), *_questions(root)]
        with own_scheduler(WITH_ACCOUNTS):
            return [*rows, *_lookups(root / "with-accounts", "slurmdbd", in_accounting=True)]


def _lookups(root: Path, where: str, *, in_accounting: bool = False) -> list[Row]:
    """Time an `sbatch` plain, as a first step, and as one that has to look for the job of an earlier try, in turn.

    ``in_accounting``: also as one that has to look there too, for a try so long ago that the controller may have
    forgotten it.
    """
    plain, first, again, long_after = [], [], [], []
    root.mkdir()
    with _cancelled_at_the_end(root):
        for number in range(ROUNDS):
            folder, lost, old = (root / f"submission-{number}{which}" for which in ("", "-again", "-long-after"))
            for made in (folder, lost, old):
                made.mkdir()
                (made / "job.sh").write_text(HELD)
            for made, seconds_ago in ((lost, 0.0), (old, FORGOTTEN_SECONDS)):
                (made / INTENT).write_text(f"{int(time.time() - seconds_ago)}\n")  # as an `sbatch` leaves it, killed
            plain.append(_milliseconds("sbatch --parsable job.sh", folder))
            first.append(_milliseconds(submit_command("job.sh"), folder))
            again.append(_milliseconds(submit_command("job.sh"), lost))
            if in_accounting:
                long_after.append(_milliseconds(submit_command("job.sh"), old))
    added = [with_lookup - without for with_lookup, without in zip(again, plain, strict=True)]
    jobs = sum(map(len, (plain, first, again, long_after)))
    note = f"{where}; {ROUNDS} in turn; {jobs} jobs in Slurm's list at the end"
    held = statistics.median(added) <= LOOKUP_MS
    p99 = report.percentile(added, 99)
    return [
        Row("look-up, added to an sbatch", "ms", added, f"≤ {LOOKUP_MS:g} ms", held, note, p99),
        report.delays("sbatch, plain", "ms", [plain], note=note),
        report.delays("sbatch as one locked step", "ms", [first], note=note),
        report.delays("the step with a look-up", "ms", [again], note=note),
        *(
            [report.delays("the step with a look-up in accounting too", "ms", [long_after], note=note)]
            if long_after
            else []
        ),
    ]


def _milliseconds(command: str, folder: Path) -> float:
    began = time.perf_counter()
    subprocess.run(["bash", "-c", command], cwd=folder, check=True, capture_output=True)
    return 1000 * (time.perf_counter() - began)


def _questions(root: Path) -> list[Row]:
    """Count the commands with which a node asks Slurm, while so many of its jobs wait or run."""
    shared, counted = root / "shared", root / "asked"
    shared.mkdir()
    (shared / "slipway.yaml").write_text(DOCUMENT)
    counted.touch()
    gateway = Gateway(root / "gateway", root / "gateway.log")
    env = {"PATH": os.pathsep.join([str(_counting(root / "bin", counted)), str(BIN), os.environ["PATH"]])}
    node = Node(root / "node", root / "node.log", env)
    options = ["--scheduler", "slurm", "--input-prefix", shared.as_uri()]
    rates: list[float] = []
    with (
        running(gateway, node, options=options) as node_id,
        Slipway(gateway.url, gateway.token()) as client,
        _cancelled_at_the_end(node.home),
    ):
        queue = min(client.nodes()[0].policy.queues)  # type: ignore[union-attr] # the node has told its policy
        command = client.prepare(
            input_uri=(shared / "slipway.yaml").as_uri(), node=node_id, queue=queue, cpu=1, memory_mib=10,
            walltime_seconds=600,
        )  # fmt: skip
        made = 0
        for jobs in JOBS:
            names = [f"{command.job_id}-{number}" for number in range(made, jobs)]
            client.submit_many(command.model_copy(update={"job_id": name, "idempotency_key": name}) for name in names)
            made = jobs
            wait_until(
                f"{jobs} jobs are at Slurm", lambda wanted=jobs: len(_jobs_in(node.home)) == wanted, SUBMITTED_SECONDS
            )
            time.sleep(WINDOW_SECONDS / 3)  # what their submission asked is not counted
            before = len(counted.read_text())
            time.sleep(WINDOW_SECONDS)
            rates.append(60 * (len(counted.read_text()) - before) / WINDOW_SECONDS)
            print(f"bench: asking, {jobs} jobs: {rates[-1]:.0f} questions a minute", file=sys.stderr)
    note = f"{WINDOW_SECONDS:g} s each, with the node's defaults"
    growth = rates[-1] / rates[0]
    row = Row(f"questions to Slurm, {JOBS[-1]} ÷ {JOBS[0]} jobs", "×", [growth], f"≤ {GROWTH}", growth <= GROWTH, note)
    return [
        row,
        *(Row(f"questions to Slurm, {jobs} jobs", "/min", [rate], "—", holds=True, note=note)
          for jobs, rate in zip(JOBS, rates, strict=True)),
    ]  # fmt: skip


def _counting(folder: Path, counted: Path) -> Path:
    """Put commands before Slurm's own that write down a character each time."""
    folder.mkdir()
    for name in QUESTIONS:
        (folder / name).write_text(f'#!/bin/sh\nprintf . >> {counted}\nexec {shutil.which(name)} "$@"\n')
        (folder / name).chmod(0o755)
    return folder


@contextmanager
def _cancelled_at_the_end(folder: Path) -> Iterator[None]:
    try:
        yield
    finally:
        for job_id in _jobs_in(folder):
            subprocess.run(["scancel", job_id], check=False)


def _jobs_in(folder: Path) -> list[str]:
    """Return the jobs in the queue that work somewhere in ``folder``."""
    asked = subprocess.run(["squeue", "-h", "-o", "%i|%Z"], capture_output=True, text=True, check=True)
    rows = (line.split("|") for line in asked.stdout.splitlines())
    return [job_id for job_id, works_in in rows if works_in.startswith(str(folder.resolve()))]
