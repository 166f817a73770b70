"""`slipway-node status` and `slipway-node policy`: what is read and changes nothing."""

from slipway_node import policy_file
from slipway_node.cli.endings import OK
from slipway_node.cli.options import HomeOption, JsonOption, home_of, tell
from slipway_node.lock import this_process
from slipway_node.running import system_time
from slipway_node.status import status_of
from slipway_node.status_text import status_text


def status(*, home: HomeOption = None, json: JsonOption = False) -> int:
    """Show leases, processes, outbox, dead letters, clock skew and the engine's health."""
    told = status_of(home_of(home), this_process(), system_time())
    tell(told.model_dump_json(indent=2) if json else status_text(told))
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
