import json

import pytest

from slipway_node.aiida.profile import SchedulerKind
from slipway_node.payloads import fetch
from slipway_node.ports import Phase, Placement, RefusedJobError

pytestmark = [pytest.mark.service("aiida"), pytest.mark.service("pw.x")]

SCHEDULER = SchedulerKind.DIRECT
PLACEMENT = Placement(partition=None, account=None, qos=None, cpu=1, memory_mib=512, walltime_seconds=60)

SILICON = """&CONTROL
  calculation = 'scf'
/
&SYSTEM
  ibrav = 2, celldm(1) = 10.2, nat = 2, ntyp = 1, ecutwfc = 18.0
/
&ELECTRONS
  conv_thr = 1.0d-8
  electron_maxstep = 50
/
ATOMIC_SPECIES
  Si 28.086 Si.pz-vbc.UPF
ATOMIC_POSITIONS alat
  Si 0.00 0.00 0.00
  Si 0.25 0.25 0.25
K_POINTS automatic
  2 2 2 1 1 1
"""
DOCUMENT = """slipway: 1
kind: quantumespresso.pw
input: {uri: silicon.in}
"""


async def test_silicon_has_the_energy_it_should_have(lab, tmp_path):
    submission_id, execution_id = await lab.launch(DOCUMENT, files={"silicon.in": SILICON}, cpu=2)

    ended = await lab.until_ended(submission_id)
    collected = await lab.engine.collect(execution_id, tmp_path / "results")

    assert ended.phase is Phase.FINISHED
    assert collected.summary["energy_ev"] == pytest.approx(-215.4145, abs=1e-3)
    assert collected.summary["volume_angstrom3"] == pytest.approx(39.314, abs=1e-3)
    assert "JOB DONE" in collected.summary["output_tail"]
    parsed = json.loads((collected.folder / "results.json").read_text())["outputs"]["output_parameters"]
    assert parsed["energy"] == collected.summary["energy_ev"]


async def test_a_bare_input_runs_as_the_document_that_names_it(lab, tmp_path):
    source = tmp_path / "si.pwi"
    source.write_text(SILICON)
    envelope = lab.envelope()
    await fetch(source.as_uri(), tmp_path / "workspace", [tmp_path.as_uri()])

    await lab.engine.launch(envelope, tmp_path / "workspace")

    assert (await lab.until_ended(envelope.command.submission_id)).phase is Phase.FINISHED


async def test_a_calculation_that_does_not_converge_fails_with_its_own_code(lab):
    unconverged = SILICON.replace("electron_maxstep = 50", "electron_maxstep = 1")
    submission_id, _ = await lab.launch(DOCUMENT, files={"silicon.in": unconverged})

    ended = await lab.until_ended(submission_id)

    assert (ended.phase, ended.failure.code) == (Phase.FAILED, "exit_410")


async def test_an_input_that_pw_would_not_read_is_refused(lab):
    with pytest.raises(RefusedJobError) as refused:
        await lab.launch(DOCUMENT, files={"silicon.in": SILICON.replace("ATOMIC_POSITIONS alat", "")})

    assert refused.value.code == "invalid_payload"
