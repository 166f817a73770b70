import json

import pytest

from slipway_contracts.execution_event import SUMMARY_MAX_BYTES
from slipway_node.results.summary import Told, output_tail, summarise


def told(**changes) -> Told:
    plain = {"process_type": "core.shell", "exit_message": None, "outputs": {}, "json_files": [], "output_text": ""}
    return Told(**{**plain, **changes})


def test_a_pw_calculation_is_summed_up_with_its_units():
    parameters = {"energy": -215.4, "volume": 39.3, "fermi_energy": 5.5, "creator_name": "pwscf"}

    summary = summarise(told(process_type="quantumespresso.pw", outputs={"output_parameters": parameters}))

    assert summary == {"energy_ev": -215.4, "volume_angstrom3": 39.3, "fermi_energy_ev": 5.5}


def test_the_top_level_scalars_of_json_outputs_are_taken():
    files = [("eos.json", json.dumps({"bulk_modulus_gpa": 134.2, "points": [1], "ok": True}).encode())]

    assert summarise(told(json_files=files)) == {"bulk_modulus_gpa": 134.2, "ok": True}


@pytest.mark.parametrize("content", [b"[1, 2]", b"not json", b"\xff", b"[" * 100_000])
def test_json_that_is_no_object_adds_nothing(content):
    assert summarise(told(json_files=[("x.json", content)])) == {}


def test_numbers_that_json_does_not_have_are_said_as_text():
    assert summarise(told(json_files=[("x.json", b'{"gap": NaN}')])) == {"gap": "NaN"}


def test_the_output_ends_with_its_last_lines():
    text = "\n".join(f"line {n}" for n in range(50))

    assert output_tail(text).splitlines() == [f"line {n}" for n in range(40, 50)]


def test_a_summary_never_exceeds_its_limit():
    files = [("x.json", json.dumps({f"name{n}": "ä" * 200 for n in range(100)}).encode())]

    summary = summarise(told(json_files=files, output_text="ü" * 10_000, exit_message="m" * 5_000))

    assert len(json.dumps(summary).encode()) <= SUMMARY_MAX_BYTES
    assert "output_tail" in summary
