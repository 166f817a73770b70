"""Stand-ins for uv and pnpm, which run the small repository's own scripts and nothing else."""

import os
from pathlib import Path

STAND_INS = {"uv": 'shift 3; exec "$@"', "pnpm": 'cd "$2" && exec python3 generate.py'}
"""For `uv run --project apps/api …` and `pnpm -C packages/api-client run generate`."""


def with_stand_ins(folder: Path) -> str:
    """Return a PATH on which the stand-ins, made in a new folder below ``folder``, come first."""
    tools = folder / "stand-ins"
    tools.mkdir()
    for name, line in STAND_INS.items():
        (tools / name).write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
        (tools / name).chmod(0o755)
    return f"{tools}{os.pathsep}{os.environ['PATH']}"
