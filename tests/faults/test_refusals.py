"""A job that only `sbatch` refuses, and a worker that dies once AiiDA has written down that the job was handed in."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from laboratory import Laboratory, Victim, laboratory
from product import counting_job, effects_of
from striking import REACHED_SECONDS

pytestmark = [pytest.mark.service("aiida"), pytest.mark.service("slurm"), pytest.mark.timeout(240)]

QUEUE = "passing"


def partition(*words: str) -> None:
    subprocess.run(["scontrol", *words], check=True, capture_output=True)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Laboratory]:
    """One whose policy has a queue for a partition that is taken away in the middle."""
    partition("create", f"PartitionName={QUEUE}", "Nodes=ALL")
    try:
        with laboratory(tmp_path) as made:
            yield made
    finally:
        subprocess.run(["scontrol", "delete", f"PartitionName={QUEUE}"], check=False, capture_output=True)


def test_it_fails_with_what_sbatch_said_whoever_takes_it_up_from_there(lab: Laboratory) -> None:
    uri, _ = counting_job(lab.stack.shared, 0)
    assert lab.stack.product.wait(lab.stack.product.submit(uri, QUEUE))["projection_state"] == "succeeded"
    partition("delete", f"PartitionName={QUEUE}")  # what the node remembers of Slurm's offer for a minute

    held = lab.director.arm("after worker.hand_in")
    uri, effects = counting_job(lab.stack.shared, 0)
    job_id = lab.stack.product.submit(uri, QUEUE)
    assert held.reached(REACHED_SECONDS)
    lab.kill(Victim.WORKER)
    held.release()

    end = lab.stack.product.wait(job_id)
    assert (end["projection_state"], end["failure"]["code"]) == ("failed", "policy_rejected"), end["failure"]
    assert "invalid partition specified" in end["failure"]["message"]
    assert effects_of(effects) == []
