"""`kind: quantumespresso.pw` as aiida-quantumespresso's PwCalculation, from a pw.x input file."""

import re
from pathlib import Path
from typing import Any

from slipway_node.payloads import FetchedJob, PwDocument
from slipway_node.payloads.document import INVALID
from slipway_node.ports import RefusedJobError

PLUGIN = "quantumespresso.pw"
PROGRAM = "pw.x"


def inputs(document: PwDocument, job: FetchedJob, workspace: Path, code: Any) -> dict[str, Any]:
    """Return PwCalculation's inputs but for its metadata; raises RefusedJobError for what pw.x would not take."""
    from aiida.orm import Dict

    parsed = _parse(workspace / job.files["input"].path)
    structure = parsed.get_structuredata()
    found = {
        "code": code,
        "structure": structure,
        "kpoints": parsed.get_kpointsdata(),
        "parameters": Dict(_parameters(parsed.namelists)),
        "pseudos": _pseudos(document, job, workspace, structure),
    }
    settings = _settings(parsed)
    return found | ({"settings": Dict(settings)} if settings else {})


def _parse(path: Path) -> Any:
    from aiida_quantumespresso.tools.pwinputparser import PwInputFile

    try:
        parsed = PwInputFile(path.read_text(encoding="utf-8"))
        parsed.get_kpointsdata()
    except Exception as error:  # the parser raises of any kind, its own and Python's, on what it does not understand
        raise RefusedJobError(INVALID, f"{path.name}: not a pw.x input: {error}") from error
    return parsed


def _parameters(namelists: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the namelists without the keywords that the plugin sets itself (folders, lattice, atom counts)."""
    from aiida.plugins import CalculationFactory

    blocked = {(name, keyword) for name, keyword, *_ in CalculationFactory(PLUGIN)._blocked_keywords}  # noqa: SLF001
    return {
        name: {key: value for key, value in content.items() if (name, re.sub(r"\(\d+\)", "", key)) not in blocked}
        for name, content in namelists.items()
    }


def _settings(parsed: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    if parsed.k_points["type"] == "gamma":
        settings["GAMMA_ONLY"] = True
    fixed = parsed.atomic_positions["fixed_coords"]
    if any(any(coordinates) for coordinates in fixed):
        settings["FIXED_COORDS"] = fixed
    return settings


def _pseudos(document: PwDocument, job: FetchedJob, workspace: Path, structure: Any) -> dict[str, Any]:
    """Return species → pseudopotential; an equal file is one node however many jobs bring it."""
    from aiida_pseudo.data.pseudo import UpfData

    if document.family is not None:
        return _of_family(document.family, structure)
    pseudos: dict[str, Any] = {}
    for key, file in job.files.items():
        species = key.removeprefix("pseudos.")
        if species == key:
            continue
        try:
            pseudos[species] = UpfData.get_or_create((workspace / file.path).resolve(), filename=file.name)
        except ValueError as error:
            raise RefusedJobError(INVALID, f"pseudos.{species}: {file.name} is not a UPF file: {error}") from error
    missing = sorted(set(structure.get_kind_names()) - set(pseudos))
    if missing:
        raise RefusedJobError(INVALID, f"pseudos: no pseudopotential for {', '.join(missing)}")
    return {name: pseudos[name] for name in structure.get_kind_names()}


def _of_family(family: str, structure: Any) -> dict[str, Any]:
    from aiida.common.exceptions import NotExistent
    from aiida.orm import load_group

    try:
        return dict(load_group(family).get_pseudos(structure=structure))
    except (NotExistent, AttributeError, ValueError) as error:
        raise RefusedJobError(
            INVALID, f"family: {family} on this node has no such pseudopotentials: {error}"
        ) from error
