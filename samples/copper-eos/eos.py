"""Lattice constant and bulk modulus of an fcc metal with ASE's EMT potential.

Writes eos.json (figures, and the points they come from) and eos.png (the fit). usage: eos.py [--element Cu]
"""

import argparse
import json
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.eos import EquationOfState
from ase.units import kJ

mpl.use("Agg")

ELEMENTS = ("Ag", "Al", "Au", "Cu", "Ni", "Pd", "Pt")  # those EMT has parameters for, and that are fcc
STRAINS = np.linspace(0.96, 1.04, 9)  # of the lattice constant; wide enough to curve, narrow enough to fit
GPA = kJ * 1e-24  # eV/Å³ in a gigapascal


def main() -> int:
    """Compute and write; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--element", default="Cu", help=f"one of {', '.join(ELEMENTS)}")
    element = parser.parse_args().element
    if element not in ELEMENTS:
        print(f"eos.py: no parameters for {element}; there are {', '.join(ELEMENTS)}", file=sys.stderr)
        return 2

    reference = bulk(element, "fcc")
    points = []
    for strain in STRAINS:
        atoms = reference.copy()
        atoms.set_cell(reference.cell * strain, scale_atoms=True)
        atoms.calc = EMT()
        points.append((atoms.get_volume(), atoms.get_potential_energy()))
        print(f"volume {points[-1][0]:8.4f} Å³   energy {points[-1][1]:9.5f} eV", flush=True)

    fit = EquationOfState(*zip(*points, strict=True), eos="birchmurnaghan")
    volume, energy, modulus = fit.fit()
    figures = {
        "element": element,
        "lattice_constant_angstrom": float((4 * volume) ** (1 / 3)),  # four atoms in the cubic cell
        "bulk_modulus_gpa": float(modulus / GPA),
        "energy_ev": float(energy),
        "volume_angstrom3": float(volume),
    }
    content = {**figures, "points": [list(map(float, point)) for point in points]}
    Path("eos.json").write_text(json.dumps(content, indent=2), encoding="utf-8")
    fit.plot("eos.png")
    print(f"{element}: a = {figures['lattice_constant_angstrom']:.4f} Å, B = {figures['bulk_modulus_gpa']:.1f} GPa")
    return 0


if __name__ == "__main__":
    sys.exit(main())
