"""Where open executions were last seen, for who decides what may start next. Pure; times are monotonic seconds."""

from collections.abc import Mapping

from slipway_node.ports import Phase

STUCK_SECONDS = 60.0
"""An execution that has not moved for so long is in nobody's hand: paused by a person, or unknown to the engine."""

_WITH_THE_ENGINE = frozenset({Phase.CREATED, Phase.RETRIEVING, None})
_UP_TO_THE_SCHEDULER = frozenset({Phase.CREATED, Phase.PENDING, Phase.RUNNING, None})


class Progress:
    """The phases of the last look, and since when each is so. None is an execution that the engine does not know."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[Phase | None, float]] = {}

    def take_in(self, phases: Mapping[str, Phase | None], now: float) -> bool:
        """Take in a look at all open executions; tell whether anything moved since the last one."""
        before, self._seen = self._seen, {}
        for submission_id, phase in phases.items():
            known = before.get(submission_id)
            self._seen[submission_id] = known if known is not None and known[0] is phase else (phase, now)
        return self._seen != before

    def past_the_scheduler(self) -> list[str]:
        """Return those whose jobs have left the scheduler: they take no place in their queue."""
        return [key for key, (phase, _) in self._seen.items() if phase not in _UP_TO_THE_SCHEDULER]

    def out_of_hand(self, now: float) -> list[str]:
        """Return those that no worker of the engine has in hand: they are the scheduler's, have ended, or are stuck."""
        return [
            key
            for key, (phase, since) in self._seen.items()
            if phase not in _WITH_THE_ENGINE or now - since > STUCK_SECONDS
        ]
