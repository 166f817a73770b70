"""`kind: quantumespresso.pw` as aiida-quantumespresso's PwCalculation, from a pw.x input file."""

from pathlib import Path
from typing import Any

from slipway_node.payloads import FetchedJob, PwDocument
from slipway_node.payloads.document import INVALID
from slipway_node.ports import RefusedJobError

PLUGIN = "quantumespresso.pw"
PROGRAM = "pw.x"

_BY_SPECIES = frozenset(
    {
        "starting_charge",
        "starting_magnetization",
        "hubbard_u",
        "hubbard_j0",
        "hubbard_alpha",
        "hubbard_beta",
        "angle1",
        "angle2",
        "london_c6",
        "london_rvdw",
    }
)
_BY_MORE = frozenset({"hubbard_j", "hubbard_v", "starting_ns_eigenvalue"})
"""Keywords with several indices, the species among them: sorted species would give them to another."""


def inputs(document: PwDocument, job: FetchedJob, workspace: Path, code: Any) -> dict[str, Any]:
    """Return PwCalculation's inputs but for its metadata; raises RefusedJobError for what pw.x would not take."""
    from aiida.orm import Dict

    parsed = _parse(workspace / job.files["input"].path)
    structure = parsed.get_structuredata()
    found = {
        "code": code,
        "structure": structure,
        "kpoints": parsed.get_kpointsdata(),
        "parameters": Dict(_parameters(parsed)),
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


def _parameters(parsed: Any) -> dict[str, dict[str, Any]]:
    """Return the namelists without the keywords that the plugin sets itself (folders, lattice, atom counts).

    The plugin sorts the species, so a keyword that is indexed by species is turned into one by its name.
    """
    from aiida.plugins import CalculationFactory

    blocked = {(name, keyword) for name, keyword, *_ in CalculationFactory(PLUGIN)._blocked_keywords}  # noqa: SLF001
    species = parsed.atomic_species["names"]
    taken: dict[str, dict[str, Any]] = {}
    for namelist, content in parsed.namelists.items():
        taken[namelist] = {}
        for key, value in content.items():
            keyword, _, index = key.rstrip(")").partition("(")
            if (namelist, keyword) in blocked:
                continue
            if keyword.lower() in _BY_SPECIES:
                taken[namelist].setdefault(keyword, {})[_species(species, index, key)] = value
            elif keyword.lower() in _BY_MORE:
                raise RefusedJobError(INVALID, f"{namelist} {key}: not supported here; use kind: shell with pw.x")
            else:
                taken[namelist][key] = value
    return taken


def _species(names: list[str], index: str, key: str) -> str:
    if not index.isdecimal() or not 1 <= int(index) <= len(names):
        raise RefusedJobError(INVALID, f"{key}: there is no such species; ATOMIC_SPECIES has {len(names)}")
    return names[int(index) - 1]


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
