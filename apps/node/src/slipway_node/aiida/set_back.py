"""What AiiDA's record tells of a clock that was set back: a process that changed at a time which is yet to come.

AiiDA 2.9's workers reckon by the wall clock when to ask the scheduler next. One that asked while the clock was ahead
asks no more until it is as late again, also where the clock was ahead for a moment that nobody else looked at.
"""

from datetime import UTC, datetime
from typing import Any

from slipway_node.aiida import queries
from slipway_node.aiida.profile import end_transaction
from slipway_node.aiida.record_times import CORRECTION

_KEY = "slipway|workers_began_after"


def unseen_seconds(now_seconds: float) -> float:
    """Return by how much the newest change lies ahead of ``now_seconds`` (Unix time); 0 where that was seen to."""
    now = datetime.fromtimestamp(now_seconds, UTC)
    newest = queries.newest_change()
    if newest is None or newest - now <= CORRECTION or newest <= _seen():
        return 0.0
    return (newest - now).total_seconds()


def see_to() -> None:
    """Note, once all workers are new ones, that nothing which is in the record by now was written by them."""
    newest = queries.newest_change()
    if newest is not None and newest - datetime.now(UTC) > CORRECTION:
        _storage().set_global_variable(_KEY, newest.isoformat(), "the newest change before AiiDA's workers began")
        end_transaction()


def _seen() -> datetime:
    try:
        return datetime.fromisoformat(str(_storage().get_global_variable(_KEY)))
    except KeyError:
        return datetime.min.replace(tzinfo=UTC)
    finally:
        end_transaction()


def _storage() -> Any:
    from aiida.manage.manager import get_manager

    return get_manager().get_profile_storage()
