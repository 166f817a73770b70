"""AiiDA's Slurm plugin, submitting each job once (AiiDA entry point ``slipway.slurm``)."""

from aiida.schedulers.plugins.slurm import SlurmScheduler

from slipway_node.slurm.submit_once import submit_command


class SlipwaySlurmScheduler(SlurmScheduler):  # type: ignore[misc] # AiiDA's types are skipped by configuration
    """Slurm, with a submission that may be repeated."""

    def _get_submit_command(self, submit_script: str) -> str:
        return submit_command(submit_script)
