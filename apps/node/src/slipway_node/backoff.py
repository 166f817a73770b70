"""How long to wait before the next try: exponential, bounded, with jitter."""

from collections.abc import Callable

FIRST_SECONDS = 0.5
MAX_SECONDS = 30.0  # a gateway that comes back after days is noticed within half a minute


class Backoff:
    """The pauses of one row of tries. ``draw`` gives a number in [0, 1)."""

    def __init__(
        self, draw: Callable[[], float], *, first_seconds: float = FIRST_SECONDS, max_seconds: float = MAX_SECONDS
    ) -> None:
        self._draw = draw
        self._first = first_seconds
        self._max = max_seconds
        self._tries = 0

    def succeeded(self) -> None:
        """Start over."""
        self._tries = 0

    def failed(self, retry_after_seconds: float | None = None) -> float:
        """Return the seconds to wait now: half fixed and half drawn, and never less than what was asked for."""
        pause = min(self._max, self._first * 2.0 ** min(self._tries, 32))
        self._tries += 1
        jittered = pause / 2 + pause / 2 * self._draw()
        return max(jittered, retry_after_seconds or 0.0)


class Pacing:
    """A back-off a key: which of many things may be tried now. ``clock`` gives monotonic seconds."""

    def __init__(
        self, clock: Callable[[], float], draw: Callable[[], float], *, max_seconds: float = MAX_SECONDS
    ) -> None:
        self._clock = clock
        self._draw = draw
        self._max = max_seconds
        self._backoffs: dict[str, Backoff] = {}
        self._due: dict[str, float] = {}

    def is_due(self, key: str) -> bool:
        """Tell whether ``key`` may be tried now."""
        return self._due.get(key, 0.0) <= self._clock()

    def resting(self) -> list[str]:
        """Return the keys that may not be tried yet."""
        return [key for key in self._due if not self.is_due(key)]

    def failed(self, key: str) -> float:
        """Let ``key`` rest for the returned seconds, longer each time."""
        backoff = self._backoffs.setdefault(key, Backoff(self._draw, max_seconds=self._max))
        return self.rest(key, backoff.failed())

    def rest(self, key: str, seconds: float) -> float:
        """Let ``key`` rest for ``seconds``."""
        self._due[key] = self._clock() + seconds
        return seconds

    def succeeded(self, key: str) -> None:
        """Forget ``key``'s failures."""
        self._backoffs.pop(key, None)
        self._due.pop(key, None)

    def next_due_in(self, at_most_seconds: float) -> float:
        """Return the seconds until the next resting key is due, at most ``at_most_seconds``."""
        now = self._clock()
        return min([at_most_seconds, *(due - now for due in self._due.values() if due > now)])
