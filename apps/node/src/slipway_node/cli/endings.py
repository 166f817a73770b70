"""How a command ends when something went wrong: an exit status, and one line that says what and what may help."""

import sys

import structlog

from slipway_node.agent import logs
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
from slipway_node.journal import JournalBrokenError, JournalUnusableError, NewerJournalError, NoDeadLetterError
from slipway_node.key_rotation import NewKeyUnusedError
from slipway_node.keys import KeyUnusableError
from slipway_node.lock import AgentRunsError, LockHeldError
from slipway_node.policy_file import PolicyFileError
from slipway_node.ports import EngineSetUpOtherwiseError, EngineStandsStillError, EngineUnavailableError
from slipway_node.tracing import TracingSettingError

OK, REFUSED, USAGE, UNREACHABLE, LEASE_LOST, STANDS_STILL = 0, 1, 2, 3, 4, 5
# As sysexits.h has them. Not Python's own 1 for what nobody catches: that is REFUSED, which ends a unit for good.
FAULT, MAY_PASS = 70, 75

_log = structlog.get_logger(__name__)


class UsageError(Exception):
    """The command line asks for something that cannot be."""


_MADE_ANEW = (
    "with the agent stopped, move HOME/journal.db* away and start it again: "
    "the journal is made anew, of what AiiDA knows and what the gateway offers again"
)

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
    # Its holder may be gone in a moment, as a command that keeps agents out, or an agent that is being stopped.
    LockHeldError: (MAY_PASS, "`slipway-node status` tells more"),
    NetworkFileSystemError: (REFUSED, "choose a --home on a disk of this machine"),
    EnrolledElsewhereError: (REFUSED, "choose another --home"),
    KeyUnusableError: (REFUSED, "put the key back, or enrol another --home"),
    NoDeadLetterError: (REFUSED, "`slipway-node dead-letters list` has their ids"),
    NewerJournalError: (REFUSED, "run the version of slipway-node that wrote it, or a later one"),
    JournalBrokenError: (REFUSED, _MADE_ANEW),
    JournalUnusableError: (
        MAY_PASS,
        "try again; is there room on its disk, and may this account read and write there?",
    ),
    EngineStandsStillError: (STANDS_STILL, "start it again, as a service manager does; jobs go on meanwhile"),
    EngineUnavailableError: (REFUSED, "`slipway-node status`, and the engine's own log under HOME/aiida"),
    EngineSetUpOtherwiseError: (REFUSED, "another --scheduler or kind of --broker wants another --home"),
    TracingSettingError: (USAGE, "correct OTEL_TRACES_EXPORTER in the environment"),
    PermissionError: (REFUSED, "may this account write there?"),
    FileNotFoundError: (REFUSED, "is the path right?"),
    NotADirectoryError: (REFUSED, "is the path right?"),
    OSError: (MAY_PASS, "is there room, does the disk answer, and is the account at one of its limits (`ulimit -a`)?"),
}


def end(error: Exception) -> int:
    """Say what went wrong in one line; return the exit status."""
    status, hint = next(ending for kind, ending in ENDINGS.items() if isinstance(error, kind))
    return say(str(error), status, hint)


def end_of_a_fault(error: Exception) -> int:
    """Log where an error came from that nobody expected, and say so in one line; return the exit status."""
    if not structlog.is_configured():  # by a command that has nothing to log
        logs.configure("error", None)
    _log.error("fault", exc_info=error)
    first = _first_in(error)
    what = " ".join(f"{type(first).__name__}: {first}".split())
    return say(what, FAULT, "this is a fault of Slipway's own; the log has its traceback, start it again and report it")


def _first_in(error: Exception) -> Exception:
    """Return what a group of errors, which says nothing by itself, has first."""
    return _first_in(error.exceptions[0]) if isinstance(error, ExceptionGroup) else error


def say(what: str, exit_status: int, hint: str) -> int:
    """Print one line of what went wrong and what may help; return the exit status."""
    sys.stderr.write(f"slipway-node: {what} (hint: {hint})\n")
    return exit_status
