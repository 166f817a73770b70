"""Whether the engine's one thread stands still: AiiDA may wait for ever, and everything waits with it."""

from collections.abc import Callable
from pathlib import Path

from slipway_node.aiida.silence import Silences
from slipway_node.aiida.thread import EngineThread

CALL = "the engine's call"
AT_WORK_TICKS = 5  # hundredths of a second of processor, between two looks
AT_WORK_BYTES = 64 * 1024

Work = tuple[int, tuple[int, int] | None]
"""Which call the thread is at, and its ticks of processor and bytes moved since it began."""


class Standstill:
    """Looks at a thread from another one. ``clock`` is in seconds and never set back."""

    def __init__(self, thread: EngineThread, clock: Callable[[], float]) -> None:
        self._thread = thread
        self._clock = clock
        self._silences = Silences()
        self._before: Work = (0, None)

    def seconds(self) -> float:
        """Look, and return for how long the thread has been at one call and done nothing, at looks that came often."""
        before, self._before = self._before, (self._thread.calls, self._done())
        still = self._thread.is_busy and self._is_at_rest(before, self._before)
        return self._silences.look(CALL, "it does nothing" if still else None, self._clock())

    @staticmethod
    def _is_at_rest(before: "Work", now: "Work") -> bool:
        (call_before, done_before), (call, done) = before, now
        if call != call_before or done is None or done_before is None:
            return False
        return done[0] - done_before[0] < AT_WORK_TICKS and done[1] - done_before[1] < AT_WORK_BYTES

    def _done(self) -> tuple[int, int] | None:
        """Return the thread's ticks of processor and bytes read and written; None where that cannot be told."""
        task = Path(f"/proc/self/task/{self._thread.native_id}")
        try:
            # Behind the name, which is in parentheses: the state, and then numbers; user and system time are 12 and 13.
            numbers = (task / "stat").read_text().rpartition(")")[2].split()
            moved = dict(line.split(": ") for line in (task / "io").read_text().splitlines())
        except OSError:
            return None
        return int(numbers[11]) + int(numbers[12]), int(moved["rchar"]) + int(moved["wchar"])
