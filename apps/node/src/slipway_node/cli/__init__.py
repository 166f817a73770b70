"""The command line: `slipway-node enroll|run|reconcile|status|unit|drain|rotate-key|dead-letters|policy`."""

import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from slipway_node.cli import dead_letters, joining, reading, stewarding, working
from slipway_node.cli.endings import ENDINGS, OK, USAGE, end, end_of_a_fault, say
from slipway_node.version import VERSION

__all__ = ["VERSION", "app", "main", "run_command_line"]

app = App(
    name="slipway-node",
    version=VERSION,
    help=(
        "The management node's agent: takes jobs from the gateway, runs them under AiiDA, reports back.\n\n"
        "It only dials out. Begin with `slipway-node enroll`, then `slipway-node run`.\n\n"
        "Exit status: 0 done, 1 refused, 2 usage, 3 gateway unreachable, 4 a newer agent has taken this node over, "
        "5 the engine stands still (start the agent again), 70 a fault of Slipway's own (start it again), "
        "75 what may pass by itself, as another agent that runs on the home (try again)."
    ),
)
policy_app = App(name="policy", help="The policy file: what this node runs for its tenant.")
letters_app = App(name="dead-letters", help="Events that the gateway refused for good: see, send again, or give up.")
app.command(policy_app)
app.command(letters_app)
app.command(joining.enroll)
app.command(working.run)
app.command(working.reconcile)
app.command(reading.status)
app.command(reading.unit)
app.command(stewarding.drain)
app.command(stewarding.rotate_key)
policy_app.command(reading.check)
policy_app.command(reading.show)
letters_app.command(dead_letters.list_them, name="list")
letters_app.command(dead_letters.retry)
letters_app.command(dead_letters.drop)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit; what goes wrong is one line with a hint."""
    sys.exit(run_command_line(arguments))


def run_command_line(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    try:
        done = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        return say(" ".join(str(error).split()), USAGE, "slipway-node --help")
    except tuple(ENDINGS) as error:
        return end(error)
    except Exception as error:  # noqa: BLE001 - else Python ends with what means "refused", and the node stays down
        return end_of_a_fault(error)
    return done if isinstance(done, int) else OK
