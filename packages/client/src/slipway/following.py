"""Following a job by polling its timeline, quick at first and slower the longer nothing happens."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from slipway.errors import SlipwayError, WaitTimeoutError
from slipway_contracts.lifecycle import is_terminal
from slipway_contracts.reads import Timeline, TimelineEntry

QUICKEST_SECONDS = 0.5
SLOWEST_SECONDS = 5.0
IDLE_SHARE = 0.05  # a change is seen at most a twentieth later than it took to come
OUTAGE_PATIENCE_SECONDS = 120.0  # a gateway that restarts, or a laptop that changes networks


@dataclass(frozen=True, slots=True)
class Clock:
    """Monotonic seconds, and waiting."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


SYSTEM_CLOCK = Clock()


def pause_seconds(idle_seconds: float) -> float:
    """Return how long to wait before the next look, after ``idle_seconds`` without a change."""
    return min(SLOWEST_SECONDS, max(QUICKEST_SECONDS, idle_seconds * IDLE_SHARE))


@dataclass(slots=True)
class Followed:
    """One submission being followed; ``submission_id`` None becomes the current one at the first look."""

    look: Callable[[], Timeline]
    submission_id: str | None
    clock: Clock
    on_outage: Callable[[SlipwayError], None] | None = None
    _seen: set[str] = field(default_factory=set)
    _away_since: float | None = None

    def changes(self, timeout_seconds: float | None) -> Iterator[TimelineEntry]:
        """Yield each change, from the first to the terminal one.

        A retryable failure to look is outlived for ``OUTAGE_PATIENCE_SECONDS``, then raised. Raises WaitTimeoutError
        after ``timeout_seconds``.
        """
        began = changed = self.clock.now()
        while True:
            for entry in self._new():
                changed = self.clock.now()
                yield entry
                if is_terminal(entry.projection_state):
                    return
            now = self.clock.now()
            left = math.inf if timeout_seconds is None else timeout_seconds - (now - began)
            if left <= 0:
                raise WaitTimeoutError(f"the job is not at its end after {timeout_seconds:g} s")
            self.clock.sleep(min(left, pause_seconds(now - changed)))

    def _new(self) -> list[TimelineEntry]:
        try:
            entries = self.look().entries
        except SlipwayError as error:
            self._outlive(error)
            return []
        self._away_since = None
        if self.submission_id is None and entries:
            self.submission_id = max(entries, key=lambda entry: entry.attempt).submission_id
        ours = [entry for entry in entries if entry.submission_id == self.submission_id]
        new = [entry for entry in ours if entry.projection_event_id not in self._seen]
        self._seen.update(entry.projection_event_id for entry in new)
        return new

    def _outlive(self, error: SlipwayError) -> None:
        """Bear with a gateway that is away; raises ``error`` where it will not come back, or not for too long."""
        now = self.clock.now()
        if not error.retryable:
            raise error
        if self._away_since is None:
            self._away_since = now
            if self.on_outage is not None:
                self.on_outage(error)
        elif now - self._away_since > OUTAGE_PATIENCE_SECONDS:
            raise error
