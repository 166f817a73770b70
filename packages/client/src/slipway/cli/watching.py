"""Watching a job to its end: live on a terminal, a line a change on a pipe, a JSON document a line with `--json`."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from slipway.cli.endings import Exit, HintedError
from slipway.cli.hints import of_failure
from slipway.cli.printing import console, jsonable, print_for_people, print_json, tell
from slipway.client import Slipway
from slipway.errors import SlipwayError
from slipway.rendering import colour, duration, ended, entry_line, entry_plain
from slipway_contracts.projection_update import ProjectionState
from slipway_contracts.reads import Projection, TimelineEntry

REFRESHES_PER_SECOND = 8
ENTRY_FIELDS = set(TimelineEntry.model_fields)  # a stream's have one more, and one form is printed


def watch(client: Slipway, job_id: str, submission_id: str | None, *, as_json: bool) -> int:
    """Show each change as it comes and how the job ended; return the exit status."""
    changes = client.watch(job_id, submission_id=submission_id, on_outage=_tell_outage)
    shown: list[TimelineEntry] = []
    try:
        with _shown(as_json=as_json) as show:
            for entry in changes:
                show(entry)
                shown.append(entry)
        if as_json:
            _print_end(client.projection(job_id), shown[-1])
    except KeyboardInterrupt:
        tell(f"slipway: the job goes on; `slipway watch {job_id}` takes it up again")
        return Exit.INTERRUPTED
    except SlipwayError as error:
        if error.retryable:
            raise HintedError(error, f"the job goes on; `slipway watch {job_id}` takes it up again") from error
        raise
    last = shown[-1]  # the terminal one: the view ends with it, or raises
    if not as_json:
        print_for_people(*ended(last.failure, last.result_ref))
    if last.failure is not None:
        tell(f"hint: {of_failure(last.failure.code, retryable=last.failure.retryable)}")
    return Exit.OK if last.projection_state is ProjectionState.SUCCEEDED else Exit.REFUSED


def _print_end(seen: Projection, last: TimelineEntry) -> None:
    """Print the projection as the last document, unless it is of a later submission than the one that was watched."""
    if seen.submission_id == last.submission_id:
        print_json({"projection": jsonable(seen)}, indent=None)


@contextmanager
def _shown(*, as_json: bool) -> Iterator[Callable[[TimelineEntry], None]]:
    if as_json:
        yield lambda entry: print_json({"entry": entry.model_dump(mode="json", include=ENTRY_FIELDS)}, indent=None)
    elif sys.stdout.isatty():
        progress = _Progress()
        with Live(
            get_renderable=progress.now, console=console(), refresh_per_second=REFRESHES_PER_SECOND, transient=True
        ) as live:

            def show(entry: TimelineEntry) -> None:
                progress.reached(entry.projection_state)
                live.console.print(entry_line(entry))

            yield show
    else:
        yield _print_plain


class _Progress:
    """The last line of a live view: the state, and how long it has been that."""

    def __init__(self) -> None:
        self._state: ProjectionState | None = None
        self._since = time.monotonic()
        self._spinner = Spinner("dots")

    def reached(self, state: ProjectionState) -> None:
        if state is not self._state:
            self._state, self._since = state, time.monotonic()

    def now(self) -> Spinner:
        state = self._state
        said = "looking" if state is None else f"{state.value} for {duration(time.monotonic() - self._since)}"
        self._spinner.update(text=Text(said, style="dim" if state is None else colour(state)))
        return self._spinner


def _print_plain(entry: TimelineEntry) -> None:
    sys.stdout.write(entry_plain(entry) + "\n")
    sys.stdout.flush()


def _tell_outage(error: SlipwayError) -> None:
    tell(f"slipway: {' '.join(str(error).split())}; trying again")
