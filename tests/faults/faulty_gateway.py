"""`slipway-gateway` without what it protects a job by; arguments are the command's."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import clocks
from points import without


def _unprotected() -> None:
    from slipway_gateway.stores.sql import leasing

    if without("epoch"):
        leasing._fenced = lambda *_of: None


if __name__ == "__main__":
    clocks.keep_time()
    from slipway_gateway.cli import main

    _unprotected()
    main()
