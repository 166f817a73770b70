"""Write the wire of a release to packages/contracts/schemas/v<version>, once; see the README there.

usage: write_schemas.py
"""

import sys
from pathlib import Path

from contract_gate.released import FOLDER, write
from contract_gate.rules import GateError

ROOT = Path(__file__).resolve().parents[3]


def main() -> int:
    """Write the files of a version that has none; return the exit code."""
    try:
        files = write(ROOT, ROOT / FOLDER)
    except GateError as error:
        print(f"{error.file}: {error.message}", file=sys.stderr)
        return 1
    print(f"wrote {len(files)} files to {FOLDER}/{files[0].relative_to(ROOT / FOLDER).parts[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
