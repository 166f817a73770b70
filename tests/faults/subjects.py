"""What an agent's step is about, so that a point is named by it, and never has to be counted. Pure.

How often a step is taken is no matter of course: two events may go in one call, one that is refused goes again, and
that a job runs is told only where somebody saw it run.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

from slipway_contracts.execution_event import ExecutionEvent, ExecutionState
from slipway_contracts.node_protocol import NodeCommand
from slipway_node.journal import Delivery

END = "end"
"""The subject of the event that tells of a job's end, whichever it is; the others' are their states."""
GOES_ON = {ExecutionState.ACCEPTED, ExecutionState.RUNNING}


class Subjects:
    """Remembers of each command and event that it meets what it says."""

    def __init__(self) -> None:
        self._words: dict[str, str] = {}
        self._journaled: dict[str, Callable[..., list[str]]] = {
            "record_leased": self._leased,
            "record_acks": self._acked,
            "record_launch": self._launched,
            "record_events": self._told,
            "record_deliveries": self._delivered,
        }

    def is_step(self, name: str) -> bool:
        """Tell whether the journal's method of that name is a step: each of its writes is, its reads are none."""
        return name in self._journaled

    def of_journal(self, name: str, arguments: Sequence[Any]) -> list[str]:
        """Return the points at a step of the journal's."""
        return [f"journal.{name}{subject}" for subject in self._journaled[name](*arguments)]

    def of_ingest(self, bodies: Sequence[str]) -> list[str]:
        """Return the points at a call that delivers events."""
        events = map(json.loads, bodies)
        return [f"gateway.ingest{word}" for word in self._named({it["event_id"]: _word(it["state"]) for it in events})]

    def _leased(self, commands: Sequence[NodeCommand]) -> list[str]:
        self._named({command.command_id: command.kind.value for command in commands})
        return [""]

    def _acked(self, held: Sequence[str], dropped: Sequence[str]) -> list[str]:
        return self._known([*held, *dropped])

    def _launched(self, _command: NodeCommand, accepted: ExecutionEvent) -> list[str]:
        self._told([accepted])
        return [""]

    def _told(self, events: Sequence[ExecutionEvent]) -> list[str]:
        return self._named({event.event_id: _word(event.state) for event in events})

    def _delivered(self, deliveries: Sequence[Delivery]) -> list[str]:
        return self._known([delivery.event_id for delivery in deliveries])

    def _named(self, words: dict[str, str]) -> list[str]:
        self._words |= words
        return self._known(list(words))

    def _known(self, ids: Sequence[str]) -> list[str]:
        """Return each subject once; of what this process never met there is none."""
        return list(dict.fromkeys(f"({self._words[each]})" if each in self._words else "" for each in ids))


def _word(state: str) -> str:
    return state if state in GOES_ON else END
