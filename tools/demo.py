"""`make demo` and `make dev`: a gateway and a node on this machine, and real jobs from submit to visible result.

usage: demo.py [--keep]     --keep stays up after the jobs (make dev); without it nothing is left running
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from local_stack import BIN, Gateway, Node, StackError, free_port, is_free, running
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
HOME = ROOT / ".slipway" / "demo"
SAMPLES = ROOT / "samples"
PREFERRED_PORT = 8700
LOOK_SECONDS = 1.0
PSEUDOS = Path("/usr/share/espresso/pseudo")  # where Debian puts them

console = Console(highlight=False)


def port() -> int:
    """Return the demo's port: 8700 or, where that was taken at the first start, another, kept from then on.

    The node is enrolled with the gateway's URL, so the port stays what it was. Raises StackError when it is in use.
    """
    kept = HOME / "port"
    if not kept.exists():
        HOME.mkdir(parents=True, exist_ok=True)
        kept.write_text(str(PREFERRED_PORT if is_free(PREFERRED_PORT) else free_port()))
    number = int(kept.read_text())
    if not is_free(number):
        raise StackError(f"port {number} is in use: is `make dev` running? (`rm -r .slipway/demo` starts afresh)")
    return number


def sample_names() -> list[str]:
    """Return the samples this machine can run."""
    names = ["copper-eos"]
    if shutil.which("pw.x"):
        names.append("silicon-scf")
    else:
        console.print("pw.x is not here (Debian: quantum-espresso), so silicon-scf is left out")
    return names


def submit(name: str, environment: dict[str, str]) -> dict[str, object]:
    """Submit a sample as a user would, show its states as they come, and return what became of the job."""
    job_id = f"{name}-{time.strftime('%H%M%S')}"
    command = ["slipway", "submit", str((SAMPLES / name).relative_to(ROOT)), "--job-id", job_id, "--watch"]
    console.print(f"\n[bold]$ {' '.join(command)}[/bold]")
    done = subprocess.run([str(BIN / command[0]), *command[1:]], cwd=ROOT, env=environment, check=False)  # noqa: S603 - ours
    if done.returncode != 0:
        raise StackError(f"{name} did not succeed (exit {done.returncode}); the logs are in {HOME}")
    show = [str(BIN / "slipway"), "show", job_id, "--json"]
    shown = subprocess.run(show, capture_output=True, text=True, env=environment, check=True)  # noqa: S603 - ours
    job: dict[str, object] = json.loads(shown.stdout)
    return job


def result_table(jobs: list[dict[str, object]]) -> Table:
    """Return the table of results; a figure a job does not compute is a dash."""
    table = Table(title="Results", title_justify="left")
    for column in ("job", "state", "lattice constant, Å", "bulk modulus, GPa", "energy, eV"):
        is_name = column in ("job", "state")
        table.add_column(column, justify="left" if is_name else "right", no_wrap=is_name)
    for job in jobs:
        projection = job["projection"]
        if not isinstance(projection, dict):
            raise StackError("show did not answer with a projection")
        summary = projection["result_ref"]["summary"]
        figures = [
            f"{summary[key]:.{digits}f}" if isinstance(summary.get(key), int | float) else "–"
            for key, digits in (("lattice_constant_angstrom", 4), ("bulk_modulus_gpa", 1), ("energy_ev", 4))
        ]
        table.add_row(projection["job_id"], projection["projection_state"], *figures)
    return table


def where(jobs: list[dict[str, object]]) -> None:
    """Print where outputs and provenance lie."""
    for job in jobs:
        projection = job["projection"]
        if isinstance(projection, dict):
            console.print(f"{projection['job_id']}", style="bold")
            console.print(f"  outputs     {projection['result_ref']['output_uri']}", soft_wrap=True)
            console.print(f"  provenance  {projection['result_ref']['metadata_uri']}", soft_wrap=True)


def stay_up(gateway: Gateway, node: Node, token: str) -> None:
    """Print what to do next, and stay until a signal; raises StackError when a part has ended."""
    console.print(f"\nSlipway is up: [bold]{gateway.url}[/bold]     (Ctrl-C ends it)\n")
    print(f"export PATH={BIN}:$PATH")
    print(f"export SLIPWAY_URL={gateway.url}")
    print(f"export SLIPWAY_TOKEN={token}")
    print("slipway submit samples/copper-eos --watch")
    print("slipway jobs")
    print('curl -H "Authorization: Bearer $SLIPWAY_TOKEN" $SLIPWAY_URL/api/runtime/jobs', flush=True)
    while True:
        for part in (gateway.process, node.process):
            if not part.running():
                raise StackError(f"the {part.name} has ended; its log is {part.log}")
        time.sleep(LOOK_SECONDS)


def main(arguments: list[str]) -> int:
    """Run the demo; return the exit code."""
    keep = arguments == ["--keep"]
    if arguments and not keep:
        print(__doc__, file=sys.stderr)
        return 2
    gateway = Gateway(HOME / "gateway", HOME / "gateway.log", port())
    node = Node(HOME / "demo-node", HOME / "node.log", env={"PATH": f"{BIN}:{os.environ['PATH']}"})
    console.print("starting the gateway and a management node (AiiDA's own set-up takes longest) …")
    began = time.monotonic()
    # On this machine alone, also where it has a Slurm: whose partitions and accounts those are nobody has said.
    options = ["--scheduler", "direct"]
    options += ["--input-prefix", PSEUDOS.as_uri()] if PSEUDOS.is_dir() else []
    with running(gateway, node, options=options):
        console.print(f"both are up after {time.monotonic() - began:.1f} s: {gateway.url}")
        token = gateway.token()
        environment = {**os.environ, "SLIPWAY_URL": gateway.url, "SLIPWAY_TOKEN": token}
        jobs = [submit(name, environment) for name in sample_names()]
        console.print()
        console.print(result_table(jobs))
        where(jobs)
        if keep:
            stay_up(gateway, node, token)
    console.print("\nstopped; nothing is left running. `make dev` keeps it up.")
    return 0


def _end(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background jobs begin with SIGINT ignored
        signal.signal(number, _end)
    try:
        sys.exit(main(sys.argv[1:]))
    except StackError as error:
        print(f"demo: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
