"""For how long something has given no sign of life, as seen by looks that come now and then. Pure."""

from dataclasses import dataclass

GAP_MAX_SECONDS = 15.0
"""What lies between two looks counts as at most this: who was stopped or starved itself cannot tell about others."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Why one thing is taken for silent, and for how many seconds it has been so at every look."""

    why: str
    seconds: float
    looked_at: float


class Silences:
    """The silences that last. A first look gives no more than a suspicion: only the next one can make it lasting."""

    def __init__(self) -> None:
        self._lasting: dict[str, Silence] = {}

    def look(self, what: str, why: str | None, now: float) -> float:
        """Note why ``what`` is silent, or (None) that it is not; return its silence in seconds, 0 at its first look.

        ``now`` is in seconds of a clock that is never set back.
        """
        if why is None:
            self._lasting.pop(what, None)
            return 0.0
        before = self._lasting.get(what)
        seconds = 0.0 if before is None else before.seconds + min(now - before.looked_at, GAP_MAX_SECONDS)
        self._lasting[what] = Silence(why, seconds, now)
        return seconds

    def forget(self) -> None:
        """Begin anew, as after what was silent has been brought back."""
        self._lasting.clear()

    def told(self) -> dict[str, str]:
        """Return what is silent now, and why it is taken for that."""
        return {what: silence.why for what, silence in self._lasting.items()}
