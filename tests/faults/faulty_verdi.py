"""`verdi` with points between the steps that AiiDA's worker takes a job through.

The first argument is the command that calls this, which the daemon is to start its workers with; the rest is verdi's.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import clocks
from points import around, without


def _worker() -> None:
    from aiida.engine import CalcJob
    from aiida.engine.daemon import execmanager
    from aiida.engine.processes.calcjobs import tasks
    from aiida.orm import ProcessNode

    around(execmanager, "upload_calculation", "worker.upload")
    around(execmanager, "submit_calculation", "worker.submit")
    around(execmanager, "retrieve_calculation", "worker.retrieve")
    around(execmanager, "kill_calculation", "worker.kill")
    around(tasks, "task_submit_job", "worker.hand_in")  # a submit, its tries again, and AiiDA's note that it is done
    around(CalcJob, "parse", "worker.parse")
    around(ProcessNode, "seal", "worker.seal")


def _unprotected() -> None:
    """Take out what the scheduler plugin protects a job by; what is left is AiiDA's own."""
    from aiida.schedulers.plugins.slurm import SlurmScheduler

    from slipway_node.aiida.slurm_scheduler import SlipwaySlurmScheduler

    if without("look-up"):
        SlipwaySlurmScheduler._get_submit_command = SlurmScheduler._get_submit_command
    if without("following"):
        SlipwaySlurmScheduler.get_jobs = SlurmScheduler.get_jobs


if __name__ == "__main__":
    clocks.keep_time()
    from aiida.cmdline.commands.cmd_verdi import verdi
    from aiida.engine.daemon import client

    client.VERDI_BIN = sys.argv.pop(1)
    if "worker" in sys.argv:
        _unprotected()
        _worker()
    sys.argv[0] = "verdi"
    verdi()
