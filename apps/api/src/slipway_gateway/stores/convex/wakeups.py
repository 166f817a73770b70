"""Waking those who wait for a node's commands: by this process's own writes at once, by others' through a look.

Lives in the event loop's thread alone. A lease notes what it was read at (:meth:`Wakeups.leased`); a wait that follows
returns at once when anything came since, so that no write between the two is missed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from slipway_gateway.ports import LeaseClaim, StoreUnavailableError

LOOK_SECONDS = 3.0
"""How long another process's write may go unnoticed; with leases and heartbeats an idle node costs 0.5 calls/s."""
QUIET_SECONDS = 60.0
"""How long a lease that found nothing is trusted in a sole gateway: a wrong setting costs a minute, not a job."""

_NEVER = -1  # equal to no count of arrivals

HasCommands = Callable[[LeaseClaim, datetime], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class _Mark:
    """What a lease was read at; ``quiet`` when nothing stood, and nothing was out that could come back."""

    arrivals: int
    claim: LeaseClaim
    at: float  # seconds of the loop's clock
    quiet: bool


class Wakeups:
    """Who waits for what. ``has_commands`` looks for other processes' writes; None where there are none."""

    def __init__(self, has_commands: HasCommands | None) -> None:
        self._has_commands = has_commands
        self._arrivals: dict[str, int] = {}
        self._marks: dict[str, _Mark] = {}
        self._out_until: dict[str, datetime] = {}
        self._waiting: dict[asyncio.Event, str] = {}

    def arrivals(self, node_id: str) -> int:
        """Return how often commands came for the node through this process."""
        return self._arrivals.get(node_id, 0)

    def arrived(self, node_ids: Iterable[str]) -> None:
        """Something was, or may have been, committed for the nodes: wake those who wait for them."""
        came = set(node_ids)
        for node_id in came:
            self._arrivals[node_id] = self.arrivals(node_id) + 1
        for event, node_id in self._waiting.items():
            if node_id in came:
                event.set()

    def leased(self, claim: LeaseClaim, arrivals: int, count: int) -> None:
        """Note what a lease was read at; one that left commands behind is as if they came right after."""
        node_id = claim.management_node_id
        # What an earlier process gave out is over when this one's first lease would be.
        out_until = self._out_until.setdefault(node_id, claim.expires_at)
        if count:
            self.gave(claim)
        quiet = count == 0 and claim.now >= out_until
        seen = arrivals if count < claim.max_commands else _NEVER
        self._marks[node_id] = _Mark(seen, claim, asyncio.get_running_loop().time(), quiet)

    def gave(self, claim: LeaseClaim) -> None:
        """Note that commands are, or may be, out until the claim's end."""
        node_id = claim.management_node_id
        self._out_until[node_id] = max(claim.expires_at, self._out_until.get(node_id, claim.expires_at))
        self._marks.pop(node_id, None)

    def is_quiet(self, claim: LeaseClaim) -> bool:
        """Tell whether a lease would find nothing, for certain: nobody else writes, and nothing came since the last."""
        mark = self._marks.get(claim.management_node_id)
        return (
            self._has_commands is None
            and mark is not None
            and mark.quiet
            and mark.arrivals == self.arrivals(claim.management_node_id)
            and (mark.claim.epoch, mark.claim.journal_id) == (claim.epoch, claim.journal_id)
            and asyncio.get_running_loop().time() - mark.at < QUIET_SECONDS
        )

    async def wait(self, node_id: str, timeout_seconds: float) -> None:
        """Return when commands may have come since the node's last lease was read, at the latest at the time-out."""
        mark = self._marks.get(node_id)
        if mark is not None and mark.arrivals != self.arrivals(node_id):
            return
        event = asyncio.Event()
        self._waiting[event] = node_id
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_seconds):
                    await self._came(event, mark)
        finally:
            del self._waiting[event]

    def close(self) -> None:
        """Wake everybody."""
        for event in self._waiting:
            event.set()

    async def _came(self, event: asyncio.Event, mark: _Mark | None) -> None:
        if self._has_commands is None or mark is None:
            await event.wait()
            return
        while not await _set_within(event, LOOK_SECONDS):
            elapsed = timedelta(seconds=asyncio.get_running_loop().time() - mark.at)
            with suppress(StoreUnavailableError):  # the waiter's next lease will tell, if it lasts
                if await self._has_commands(mark.claim, mark.claim.now + elapsed):
                    return


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()
