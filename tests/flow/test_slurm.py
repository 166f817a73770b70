"""The flow on a real Slurm, with a real pw.x."""

import subprocess
from pathlib import Path

import pytest
from local_stack import wait_until
from product import Stack, counting_job, document, effects_of

pytestmark = [pytest.mark.service("aiida"), pytest.mark.service("slurm"), pytest.mark.timeout(240)]

SAMPLES = Path(__file__).parents[2] / "samples"
QUEUE = "main"  # the first partition that tests/services/slurm.sh sets up


def test_a_job_on_slurm_carries_the_schedulers_own_id(slurm_stack: Stack) -> None:
    uri, effects = counting_job(slurm_stack.shared, 1)
    job_id = slurm_stack.product.submit(uri, QUEUE)
    seen = slurm_stack.product.wait(job_id)
    assert seen["projection_state"] == "succeeded", seen
    assert effects_of(effects) == ["began", "ended"]
    slurm_job_id = seen["scheduler_ref"]["slurm_job_id"]
    shown = subprocess.run(["scontrol", "show", "job", slurm_job_id], capture_output=True, text=True, check=True)
    assert "JobState=COMPLETED" in shown.stdout
    assert f"Partition={QUEUE}" in shown.stdout


@pytest.mark.service("pw.x")
def test_pw_x_computes_silicon_on_slurm(slurm_stack: Stack) -> None:
    sample = (SAMPLES / "silicon-scf" / "silicon.in").read_text()
    text = (SAMPLES / "silicon-scf" / "slipway.yaml").read_text()
    pseudo = Path("/usr/share/espresso/pseudo/Si.pz-vbc.UPF")
    (slurm_stack.shared / "silicon").mkdir(exist_ok=True)
    (slurm_stack.shared / "silicon" / "Si.upf").write_bytes(pseudo.read_bytes())
    uri = document(slurm_stack.shared / "silicon", text.replace(pseudo.as_uri(), "Si.upf"), silicon__in=sample)
    seen = slurm_stack.product.wait(slurm_stack.product.submit(uri, QUEUE), timeout_seconds=120)
    assert seen["projection_state"] == "succeeded", seen
    # Two silicon atoms in the local-density approximation: some -15.8 Ry = -215 eV, within the cut-off's error.
    assert -217 < seen["result_ref"]["summary"]["energy_ev"] < -211
    assert seen["scheduler_ref"]["slurm_job_id"].isdigit()


def test_a_job_over_its_walltime_fails_as_walltime_exceeded(slurm_stack: Stack) -> None:
    uri, effects = counting_job(slurm_stack.shared, 200)
    shape = {"cpu": 1, "memory_mib": 512, "walltime_seconds": 60}
    job_id = slurm_stack.product.submit(uri, QUEUE, resource_shape=shape)
    wait_until("the job began", lambda: effects_of(effects) == ["began"])
    number = slurm_stack.product.wait(job_id, {"running"})["scheduler_ref"]["slurm_job_id"]
    # Slurm has no shorter limit than a minute: this one is over now.
    subprocess.run(["scontrol", "update", f"JobId={number}", "EndTime=now"], check=True)
    seen = slurm_stack.product.wait(job_id, timeout_seconds=120)
    assert seen["projection_state"] == "failed"
    assert seen["failure"]["code"] == "walltime_exceeded"


def test_a_cancelled_job_is_gone_from_slurm(slurm_stack: Stack) -> None:
    uri, effects = counting_job(slurm_stack.shared, 60)
    job_id = slurm_stack.product.submit(uri, QUEUE)
    wait_until("the job began", lambda: effects_of(effects) == ["began"])
    slurm_stack.product.request("POST", f"/jobs/{job_id}:cancel")
    seen = slurm_stack.product.wait(job_id)
    assert seen["projection_state"] == "cancelled"
    queued = subprocess.run(["squeue", "-h", "-o", "%i %T"], capture_output=True, text=True, check=True).stdout
    assert f"{seen['scheduler_ref']['slurm_job_id']} RUNNING" not in queued


def test_the_agent_killed_in_mid_job_on_slurm_loses_and_doubles_nothing(slurm_stack: Stack) -> None:
    uri, effects = counting_job(slurm_stack.shared, 4)
    job_id = slurm_stack.product.submit(uri, QUEUE)
    wait_until("the job began", lambda: effects_of(effects) == ["began"])
    slurm_stack.node.process.kill()
    slurm_stack.node.start()
    assert slurm_stack.product.wait(job_id)["projection_state"] == "succeeded"
    assert effects_of(effects) == ["began", "ended"]
