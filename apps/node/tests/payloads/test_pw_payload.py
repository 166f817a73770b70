from pathlib import Path

import pytest

from slipway_node.payloads import PwDocument, fetch
from slipway_node.payloads.pw_input import named_pseudos
from slipway_node.ports import RefusedJobError

INPUT = """&CONTROL
/
&SYSTEM
  occupations = 'smearing'
/
ATOMIC_SPECIES
  Si 28.086 Si.upf   ! silicon
  Al1 2.7d1 Al.upf

ATOMIC_POSITIONS alat
  Si 0 0 0
"""


def test_the_pseudopotentials_are_those_of_the_species_card():
    assert named_pseudos(INPUT) == {"Si": "Si.upf", "Al1": "Al.upf"}


def test_a_species_line_that_is_none_is_named_by_its_line():
    with pytest.raises(RefusedJobError, match="line 8"):
        named_pseudos(INPUT.replace("Al1 2.7d1 Al.upf", "Al1 ../Al.upf"))


@pytest.mark.parametrize("kind", ["in", "pwi"])
async def test_a_bare_input_brings_the_pseudopotentials_beside_it(tmp_path, kind):
    for name, text in {f"al.{kind}": INPUT, "Si.upf": "beside", "Al.upf": "beside"}.items():
        (tmp_path / name).write_text(text)

    job = await fetch((tmp_path / f"al.{kind}").as_uri(), tmp_path / "w", [tmp_path.as_uri()])

    assert isinstance(job.document, PwDocument)
    assert set(job.files) == {"input", "pseudos.Si", "pseudos.Al1"}
    assert (tmp_path / "w" / job.files["pseudos.Si"].path).read_text() == "beside"


async def test_a_pseudopotential_that_is_not_beside_the_input_is_the_nodes_own(tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    for name in ("Si.upf", "Al.upf"):
        (own / name).write_text("own")
    (tmp_path / "al.in").write_text(INPUT)
    (tmp_path / "Si.upf").write_text("beside")

    job = await fetch((tmp_path / "al.in").as_uri(), tmp_path / "w", [tmp_path.as_uri()], pseudo_folders=[own])

    content = {key: (tmp_path / "w" / file.path).read_text() for key, file in job.files.items()}
    assert (content["pseudos.Si"], content["pseudos.Al1"]) == ("beside", "own")


async def test_a_pseudopotential_that_is_nowhere_is_named(tmp_path):
    (tmp_path / "al.in").write_text(INPUT)

    with pytest.raises(RefusedJobError, match=r"ATOMIC_SPECIES Si: .*Si.upf is not there"):
        await fetch((tmp_path / "al.in").as_uri(), tmp_path / "w", [tmp_path.as_uri()], pseudo_folders=[])


@pytest.mark.parametrize("card", ["HUBBARD (ortho-atomic)", "constraints", "ATOMIC_FORCES"])
async def test_a_card_that_would_be_dropped_is_refused_by_its_line(tmp_path: Path, card):
    (tmp_path / "al.in").write_text(f"{INPUT}{card}\n")

    with pytest.raises(RefusedJobError, match="line 12: the card"):
        await fetch((tmp_path / "al.in").as_uri(), tmp_path / "w", [tmp_path.as_uri()])
