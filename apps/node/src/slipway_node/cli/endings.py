"""How a command ends when something went wrong: an exit status, and one line that says what and what may help."""

import sys

from slipway_node.enrolment import EnrolledElsewhereError
from slipway_node.filesystem import NetworkFileSystemError
from slipway_node.gateway_client import (
    GatewayRefusedError,
    GatewayUnreachableError,
    JoinTokenSpentError,
    LeaseLostError,
    NodeForbiddenError,
    NodeNotRecognisedError,
)
from slipway_node.home import NotEnrolledError
from slipway_node.journal import NewerJournalError, NoDeadLetterError
from slipway_node.key_rotation import NewKeyUnusedError
from slipway_node.keys import KeyUnusableError
from slipway_node.lock import AgentRunsError, LockHeldError
from slipway_node.policy_file import PolicyFileError
from slipway_node.ports import EngineStandsStillError, EngineUnavailableError

OK, REFUSED, USAGE, UNREACHABLE, LEASE_LOST, STANDS_STILL = 0, 1, 2, 3, 4, 5


class UsageError(Exception):
    """The command line asks for something that cannot be."""


# What ends a command, how, and what may help. The first that fits counts.
ENDINGS: dict[type[Exception], tuple[int, str]] = {
    UsageError: (USAGE, "slipway-node --help"),
    PolicyFileError: (USAGE, "correct the file, then `slipway-node policy check`"),
    NotEnrolledError: (USAGE, "`slipway-node enroll`, or another --home"),
    LeaseLostError: (LEASE_LOST, "two agents run as this node; this one has ended, see to the other"),
    NodeForbiddenError: (REFUSED, "the node was revoked; its jobs at the scheduler run on, enrol a new home to go on"),
    JoinTokenSpentError: (REFUSED, "ask an admin for a new join token"),
    GatewayRefusedError: (REFUSED, "the gateway's log has more of it"),
    NodeNotRecognisedError: (REFUSED, "is HOME/node.key the node's own, and this machine's clock right?"),
    NewKeyUnusedError: (UNREACHABLE, "the next call uses it: `slipway-node run`"),
    GatewayUnreachableError: (UNREACHABLE, "is the gateway's URL right, and is it up?"),
    AgentRunsError: (REFUSED, "stop the agent before, and start it again after; its jobs go on"),
    LockHeldError: (REFUSED, "`slipway-node status` tells more"),
    NetworkFileSystemError: (REFUSED, "choose a --home on a disk of this machine"),
    EnrolledElsewhereError: (REFUSED, "choose another --home"),
    KeyUnusableError: (REFUSED, "put the key back, or enrol another --home"),
    NoDeadLetterError: (REFUSED, "`slipway-node dead-letters list` has their ids"),
    NewerJournalError: (REFUSED, "run the version of slipway-node that wrote it, or a later one"),
    EngineStandsStillError: (STANDS_STILL, "start it again, as a service manager does; jobs go on meanwhile"),
    EngineUnavailableError: (REFUSED, "`slipway-node status`, and the engine's own log under HOME/aiida"),
    ValueError: (REFUSED, "another --scheduler or kind of --broker wants another --home"),
    OSError: (REFUSED, "may this account write there?"),
}


def end(error: Exception) -> int:
    """Say what went wrong in one line; return the exit status."""
    status, hint = next(ending for kind, ending in ENDINGS.items() if isinstance(error, kind))
    return say(str(error), status, hint)


def say(what: str, exit_status: int, hint: str) -> int:
    """Print one line of what went wrong and what may help; return the exit status."""
    sys.stderr.write(f"slipway-node: {what} (hint: {hint})\n")
    return exit_status
