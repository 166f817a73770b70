"""What a payload needs to know of a pw.x input before AiiDA reads it: which pseudopotentials it names."""

import re

from slipway_node.payloads.document import INVALID
from slipway_node.ports import RefusedJobError

_CARD = re.compile(
    r"^\s*(ATOMIC_POSITIONS|K_POINTS|CELL_PARAMETERS|CONSTRAINTS|OCCUPATIONS|ATOMIC_VELOCITIES|ATOMIC_FORCES"
    r"|ADDITIONAL_K_POINTS|SOLVENTS|HUBBARD|&|/)",
    re.IGNORECASE,
)
_SPECIES = re.compile(r"^\s*(?P<species>[A-Za-z][A-Za-z0-9_-]{0,2})\s+[\d.eEdD+-]+\s+(?P<file>[\w.+-]+)\s*$")


_NOT_TAKEN = re.compile(
    r"^\s*((?i:CONSTRAINTS|OCCUPATIONS|ATOMIC_VELOCITIES|ATOMIC_FORCES|ADDITIONAL_K_POINTS|SOLVENTS|HUBBARD))\b"
)
"""Cards that are not carried over to the calculation; run without them it would be another one."""


def refuse_cards_not_taken(text: str) -> None:
    """Raise RefusedJobError for a card that the calculation would be run without."""
    for number, line in enumerate(text.splitlines(), 1):
        card = _NOT_TAKEN.match(line)
        if card is not None and "=" not in line:  # `occupations = 'smearing'` is a keyword, no card
            said = f"the card {card[1]} is not supported here; use kind: shell with pw.x"
            raise RefusedJobError(INVALID, f"pw.x input line {number}: {said}")


def named_pseudos(text: str) -> dict[str, str]:
    """Return species → pseudopotential file name of the ATOMIC_SPECIES card; raises RefusedJobError with the line."""
    lines = text.splitlines()
    start = next((n for n, line in enumerate(lines) if line.strip().upper().startswith("ATOMIC_SPECIES")), None)
    if start is None:
        raise RefusedJobError(INVALID, "the pw.x input has no ATOMIC_SPECIES card")
    found: dict[str, str] = {}
    for number, line in enumerate(lines[start + 1 :], start + 2):
        content = re.split("[!#]", line, maxsplit=1)[0]
        if not content.strip():
            continue
        if _CARD.match(content):
            break
        entry = _SPECIES.match(content)
        if entry is None:
            raise RefusedJobError(INVALID, f"pw.x input line {number}: not `species mass pseudopotential-file`")
        found[entry["species"]] = entry["file"]
    return found
