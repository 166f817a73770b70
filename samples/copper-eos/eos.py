"""Equation of state of an fcc metal: energies at several volumes, a Birch-Murnaghan fit, a plot.

The interatomic potential is ASE's effective medium theory (EMT), so a run takes seconds and needs PyPI packages only.
Writes eos.json (lengths in Å, energies in eV, the bulk modulus in GPa; energy and volume are of one atom) and eos.png.
"""

import argparse
import json
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")  # no display on a compute node, so before anything draws

from ase.build import bulk
from ase.calculators.emt import EMT
from ase.data import atomic_numbers, reference_states
from ase.eos import EquationOfState
from ase.units import GPa

ELEMENTS = ("Ag", "Al", "Au", "Cu", "Ni", "Pd", "Pt")  # the fcc metals that EMT has parameters for
STRAINS = (-0.04, -0.03, -0.02, -0.01, 0.0, 0.01, 0.02, 0.03, 0.04)  # of the lattice constant
ATOMS_IN_CUBIC_CELL = 4


def main() -> None:
    """Read the command line, compute, and write both files."""
    parser = argparse.ArgumentParser(description="Equation of state of an fcc metal with EMT")
    parser.add_argument("--element", default="Cu", help=f"one of {', '.join(ELEMENTS)}")
    element = parser.parse_args().element
    if element not in ELEMENTS:
        parser.error(f"EMT has no fcc metal {element!r}; choose one of {', '.join(ELEMENTS)}")
    points = energies(element)
    result, fit = fitted(element, points)
    Path("eos.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    plot(fit, element)
    print(f"lattice constant  {result['lattice_constant_angstrom']:.4f} Å", flush=True)
    print(f"bulk modulus      {result['bulk_modulus_gpa']:.2f} GPa", flush=True)
    print(f"energy            {result['energy_ev']:.6f} eV", flush=True)


def energies(element: str) -> list[dict[str, float]]:
    """Return volume (Å³) and energy (eV) of one atom at each strained lattice constant (Å)."""
    reference = float(reference_states[atomic_numbers[element]]["a"])
    points = []
    for number, strain in enumerate(STRAINS, 1):
        constant = reference * (1 + strain)
        atoms = bulk(element, "fcc", a=constant)
        atoms.calc = EMT()
        volume, energy = float(atoms.get_volume()), float(atoms.get_potential_energy())
        print(f"{number}/{len(STRAINS)}  a = {constant:.4f} Å  V = {volume:.4f} Å³  E = {energy:.6f} eV", flush=True)
        points.append({"lattice_constant_angstrom": constant, "volume_angstrom3": volume, "energy_ev": energy})
    return points


def fitted(element: str, points: list[dict[str, float]]) -> tuple[dict[str, object], EquationOfState]:
    """Fit the points and return the result with its equation of state."""
    fit = EquationOfState(
        [point["volume_angstrom3"] for point in points], [point["energy_ev"] for point in points], eos="birchmurnaghan"
    )
    volume, energy, modulus = (float(value) for value in fit.fit())
    result = {
        "element": element,
        "lattice_constant_angstrom": (ATOMS_IN_CUBIC_CELL * volume) ** (1 / 3),
        "bulk_modulus_gpa": modulus / GPa,
        "energy_ev": energy,
        "volume_angstrom3": volume,
        "points": points,
    }
    return result, fit


def plot(fit: EquationOfState, element: str) -> None:
    """Draw the points and the fitted curve to eos.png."""
    axes = fit.plot()
    axes.figure.suptitle(f"{element}, fcc, EMT")
    axes.figure.savefig("eos.png", dpi=120)


if __name__ == "__main__":
    main()
