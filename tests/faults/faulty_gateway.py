"""`slipway-gateway` without a protection of a job, or with leases of another length; arguments are the command's."""

import os
import sys
from pathlib import Path
from unittest.mock import ANY

sys.path.insert(0, str(Path(__file__).parent))

import clocks
from points import LEASE, without


def _leases() -> None:
    """Set how long leases are good; called before the gateway's own modules read it."""
    from slipway_contracts import node_protocol

    if seconds := os.environ.get(LEASE):
        node_protocol.LEASE_SECONDS = float(seconds)


def _unprotected() -> None:
    from slipway_gateway.stores.sql import leasing
    from slipway_gateway.usecases import ingest_events

    if without("epoch"):
        leasing._fenced = lambda *_of: None
    if without("ids"):
        ingest_events.event_id_for = lambda *_of: ANY  # else it would refuse each id that is not derived


if __name__ == "__main__":
    clocks.keep_time()
    _leases()
    from slipway_gateway.cli import main

    _unprotected()
    main()
