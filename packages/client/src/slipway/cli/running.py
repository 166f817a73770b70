"""The commands put together, and what becomes of what they raise."""

import importlib.metadata
import sys
from collections.abc import Callable, Mapping, Sequence

import stamina
from cyclopts import App

from slipway.cli import completion, reading, session, submitting
from slipway.cli.endings import Ending, Exit, ending_of
from slipway.cli.printing import tell

HELP = """\
Submit jobs to a lab's nodes through a Slipway gateway, watch them, fetch their results.

Begin with `slipway login`. Every command but `completion` takes --json.
"""
EPILOGUE = """\
Exit status: 0 done; 1 refused, or the watched job failed or was cancelled; 2 usage; 3 gateway unreachable;
130 interrupted.

Examples:

  slipway login --url https://slipway.example.org
  slipway submit samples/copper-eos --watch
  slipway jobs --state failed
  slipway outputs copper-eos-1a2b3c --to results
"""
COMMANDS: Mapping[Callable[..., int], Sequence[str]] = {
    session.login: ("login --url https://slipway.example.org", "login < token.txt"),
    submitting.submit: submitting.EXAMPLES,
    reading.jobs: ("jobs --state failed --limit 10", "jobs --all --json"),
    reading.show: ("show copper-eos-1a2b3c",),
    reading.watch: ("watch copper-eos-1a2b3c", "watch copper-eos-1a2b3c --json"),
    reading.cancel: ("cancel copper-eos-1a2b3c",),
    reading.outputs: ("outputs copper-eos-1a2b3c --to results",),
    reading.nodes: ("nodes", "nodes --json"),
    completion.completion: ("completion bash",),
}
"""Each command with its examples, in the order of their first use."""


def build() -> App:
    """Return the application."""
    app = App(
        name="slipway",
        help=HELP,
        help_epilogue=EPILOGUE,
        help_format="plaintext",
        suppress_keyboard_interrupt=False,  # `watch` has something to say then
        version=importlib.metadata.version("slipway"),
    )
    for order, (command, examples) in enumerate(COMMANDS.items()):
        app.command(
            command,
            help_epilogue="\n".join(["Examples:", "", *(f"  slipway {line}" for line in examples), ""]),
            sort_key=order,
        )
    return app


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit status."""
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    stamina.instrumentation.set_on_retry_hooks([])  # retries are our business; stdout is the caller's
    try:
        done = build()(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away, as `head` does: no more is to be said
        return Exit.OK
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except Exception as error:
        ending = ending_of(error)
        if ending is None:
            raise
        return _end(ending, as_json="--json" in tokens)
    return done if isinstance(done, int) else Exit.OK


def _end(ending: Ending, *, as_json: bool) -> int:
    if as_json:
        sys.stdout.write(ending.as_json() + "\n")
    tell(ending.line())
    return ending.status
