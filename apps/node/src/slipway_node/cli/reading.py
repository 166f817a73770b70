"""`slipway-node status`, `policy` and `unit`: what is read and changes nothing."""

import os
import sys
from pathlib import Path

from slipway_node import policy_file
from slipway_node.cli.endings import LEASE_LOST, OK, REFUSED, USAGE, UsageError
from slipway_node.cli.options import HomeOption, JsonOption, home_of, tell
from slipway_node.lock import this_process
from slipway_node.running import system_time
from slipway_node.status import status_of
from slipway_node.status_text import status_text
from slipway_node.systemd_unit import systemd_unit


def status(*, home: HomeOption = None, json: JsonOption = False) -> int:
    """Show leases, processes, outbox, dead letters, clock skew and the engine's health."""
    told = status_of(home_of(home), this_process(), system_time())
    tell(told.model_dump_json(indent=2) if json else status_text(told))
    return OK


def unit(*, home: HomeOption = None) -> int:
    """Print a systemd user unit that keeps this node's agent running."""
    place = home_of(home)
    place.identity()  # one that is not enrolled would only end again
    program = Path(sys.argv[0]).absolute()
    path = os.environ.get("PATH", os.defpath)
    try:
        tell(systemd_unit(program, place.root, path, (REFUSED, USAGE, LEASE_LOST)).rstrip())
    except ValueError as error:
        raise UsageError(str(error)) from error
    return OK


def check(*, home: HomeOption = None) -> int:
    """Tell whether the policy file holds, and which version of it that is."""
    place = home_of(home)
    read = policy_file.read(place.policy_file)
    tell(f"{place.policy_file} holds: version {read.policy.policy_version}, queues {', '.join(read.policy.queues)}")
    return OK


def show(*, home: HomeOption = None) -> int:
    """Print the policy as the gateway is told it, in JSON."""
    tell(policy_file.read(home_of(home).policy_file).policy.model_dump_json(indent=2))
    return OK
