"""`slipway-node dead-letters`: events that the gateway refused for good."""

import json as json_format
from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from slipway_node import dead_letters
from slipway_node.cli.endings import OK, UsageError
from slipway_node.cli.options import HomeOption, JsonOption, home_of, tell
from slipway_node.dead_letters import DeadLetter
from slipway_node.running import system_time

AllOption = Annotated[bool, Parameter(name="--all", negative="", help="All of them")]


def list_them(*, home: HomeOption = None, json: JsonOption = False) -> int:
    """Show each with its job, the state it tells, why it was refused, and when."""
    letters = dead_letters.listed(home_of(home), system_time)
    if json:
        tell(json_format.dumps([letter.model_dump(mode="json") for letter in letters], indent=2))
    else:
        tell("\n".join(map(_line, letters)) or "no dead letters")
    return OK


def retry(*event_ids: str, every: AllOption = False, home: HomeOption = None, json: JsonOption = False) -> int:
    """Put events back into the outbox, which a running agent sends within seconds.

    An event takes those before it of the same submission along: without them it would be refused again.
    """
    ids = dead_letters.put_back(home_of(home), _meant(event_ids, every=every), system_time)
    return _tell_of("put back", ids, json=json)


def drop(*event_ids: str, every: AllOption = False, home: HomeOption = None, json: JsonOption = False) -> int:
    """Give events up for good: the gateway is never told them, and their jobs stay there as they were last told."""
    ids = dead_letters.given_up(home_of(home), _meant(event_ids, every=every), system_time)
    return _tell_of("dropped", ids, json=json)


def _meant(event_ids: Sequence[str], *, every: bool) -> Sequence[str] | None:
    """Return the named ids, or None for all. Raises UsageError unless it is the one or the other."""
    if every == bool(event_ids):
        raise UsageError("name the events, or give --all")
    return None if every else event_ids


def _tell_of(what: str, event_ids: Sequence[str], *, json: bool) -> int:
    if json:
        tell(json_format.dumps({"event_ids": event_ids}, indent=2))
    else:
        tell("\n".join(f"{what} {event_id}" for event_id in event_ids) or "no dead letters")
    return OK


def _line(letter: DeadLetter) -> str:
    since = letter.since.isoformat(timespec="seconds")
    tries = f"{letter.attempts} {'try' if letter.attempts == 1 else 'tries'}"
    return f"{letter.event_id}  job {letter.job_id} {letter.state}, since {since} after {tries}: {letter.refusal}"
