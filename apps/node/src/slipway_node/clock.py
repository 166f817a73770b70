"""The node's time, corrected by the gateway's."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

TOLERATED_SECONDS = 2.0  # a `Date` header has whole seconds and the answer was under way: less is no skew


class Clock:
    """Gives the corrected time. ``system`` is this machine's clock, aware and in UTC."""

    def __init__(self, system: Callable[[], datetime]) -> None:
        self._system = system
        self._skew = timedelta()

    @property
    def skew_seconds(self) -> float:
        """How far this machine's clock is behind the gateway's; negative when it is ahead."""
        return self._skew.total_seconds()

    def system(self) -> datetime:
        """Return this machine's own time."""
        return self._system()

    def now(self) -> datetime:
        """Return the corrected time."""
        return self._system() + self._skew

    def corrected(self, moment: datetime | None) -> datetime | None:
        """Return a time that this machine told, corrected."""
        return None if moment is None else moment + self._skew

    def learn(self, date: str | None, asked_at: datetime) -> None:
        """Take in an answer's ``Date`` header; ``asked_at`` is :meth:`system` when the request went out.

        A server may have written the header at any moment between: of a long poll it tells next to nothing. So what is
        known is kept for as long as it may be so.
        """
        if date is None:
            return
        try:
            told = parsedate_to_datetime(date).astimezone(UTC)
        except (TypeError, ValueError):
            return
        answered_at = self._system()
        # The gateway's clock was within [told, told + 1 s) at some moment between asking and answering.
        behind, ahead = told - answered_at, told + timedelta(seconds=1) - asked_at
        if behind <= self._skew <= ahead:
            return
        middle = (behind + ahead) / 2
        self._skew = middle if abs(middle.total_seconds()) > TOLERATED_SECONDS else timedelta()
