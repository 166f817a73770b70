"""The command line `slipway` (docs/how-to/cli.md)."""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    from slipway.cli.running import run

    sys.exit(run(arguments))
