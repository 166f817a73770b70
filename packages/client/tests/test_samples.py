import json
import subprocess
import sys
from pathlib import Path

import pytest

from slipway.job_file import read_job_file

SAMPLES = Path(__file__).parents[3] / "samples"


def run_eos(folder, *arguments):
    return subprocess.run(
        [sys.executable, SAMPLES / "copper-eos/eos.py", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize(("element", "angstrom", "gpa"), [("Cu", 3.59, 134), ("Al", 3.99, 39)])
def test_the_equation_of_state_is_that_of_the_element_asked_for(element, angstrom, gpa, tmp_path):
    ran = run_eos(tmp_path, "--element", element)
    assert ran.returncode == 0, ran.stderr
    result = json.loads((tmp_path / "eos.json").read_text())
    assert result["element"] == element
    assert result["lattice_constant_angstrom"] == pytest.approx(angstrom, abs=0.01)
    assert result["bulk_modulus_gpa"] == pytest.approx(gpa, rel=0.03)
    assert len(result["points"]) >= 7
    assert (tmp_path / "eos.png").read_bytes().startswith(b"\x89PNG")


def test_an_unknown_element_is_refused_with_those_that_are_known(tmp_path):
    ran = run_eos(tmp_path, "--element", "Xx")
    assert ran.returncode != 0
    assert "Xx" in ran.stderr
    assert "Ag, Al, Au, Cu, Ni, Pd, Pt" in ran.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["copper-eos", "silicon-scf"])
def test_a_sample_fits_inline(name):
    read = read_job_file(SAMPLES / name)
    assert read.name == name
    assert read.draft["payload_ref"]["input_uri"].startswith("data:application/gzip;base64,")
