"""Watching a job to its end: live on a terminal, a line a change on a pipe, a JSON document a line with `--json`."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

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
    progress = Progress()

    def away(error: SlipwayError) -> None:
        progress.away()
        tell(f"slipway: {' '.join(str(error).split())}; trying again")

    changes = client.watch(job_id, submission_id=submission_id, on_outage=away, on_answer=progress.answered)
    shown: list[TimelineEntry] = []
    try:
        with _shown(progress, as_json=as_json) as show:
            for entry in changes:
                progress.reached(entry)
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
def _shown(progress: "Progress", *, as_json: bool) -> Iterator[Callable[[TimelineEntry], None]]:
    if as_json:
        yield lambda entry: print_json({"entry": entry.model_dump(mode="json", include=ENTRY_FIELDS)}, indent=None)
    elif sys.stdout.isatty():
        spinner = Spinner("dots")

        def last_line() -> Spinner:
            spinner.update(text=progress.line())
            return spinner

        with Live(
            get_renderable=last_line, console=console(), refresh_per_second=REFRESHES_PER_SECOND, transient=True
        ) as live:
            yield lambda entry: live.console.print(entry_line(entry))
    else:
        yield _print_plain


class Progress:
    """The last line of a live view: the state and how long it has been that, or how long nobody has told.

    ``now`` gives the time in UTC.
    """

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._last: TimelineEntry | None = None
        self._away_since: datetime | None = None

    def reached(self, entry: TimelineEntry) -> None:
        """Note a change; the state began with the first one that told it, whenever that is seen."""
        if self._last is None or entry.projection_state is not self._last.projection_state:
            self._last = entry

    def away(self) -> None:
        """Note that the gateway does not answer."""
        self._away_since = self._now()

    def answered(self) -> None:
        """Note that the gateway is there."""
        self._away_since = None

    def line(self) -> Text:
        """Return the line as it is now."""
        last, away_since = self._last, self._away_since  # read once: another thread writes them
        if away_since is not None:
            seen = "" if last is None else f"; last seen {last.projection_state.value}"
            return Text(f"no answer for {self._since(away_since)}{seen}", style="yellow")
        if last is None:
            return Text("looking", style="dim")
        state = last.projection_state
        return Text(f"{state.value} for {self._since(last.occurred_at)}", style=colour(state))

    def _since(self, moment: datetime) -> str:
        return duration((self._now() - moment).total_seconds())  # never negative, whatever the node's clock says


def _print_plain(entry: TimelineEntry) -> None:
    sys.stdout.write(entry_plain(entry) + "\n")
    sys.stdout.flush()
