"""Keeping the engine up, the journal in step with it, and asking after its health."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from slipway_node.agent.context import Context
from slipway_node.agent.sighting import write_sight
from slipway_node.journal import JournalBrokenError
from slipway_node.ports import EngineStandsStillError, EngineUnavailableError
from slipway_node.reconciling import reconcile

_log = structlog.get_logger(__name__)

STANDS_STILL = "stands still"
"""The health of an engine that does nothing of what it was asked."""

RECENT = timedelta(minutes=10)
"""How far back a start looks for what has ended, beside all that has not.

To an agent whose journal was lost the gateway offers again what it has not heard the end of; and to collect a month's
results anew would hold up today's jobs.
"""


class Keeping:
    """Starts the engine, however long that takes, then asks how it is."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._backoff = context.world.backoff(context.timing.backoff_max)
        self._begun = False
        self._still_seconds = 0.0

    async def run(self) -> None:
        """Start the engine and look after it until the agent stops."""
        # Nothing is taken or launched before the journal knows what is there already.
        if await self._managed(self._start) and await self._managed(self._reconcile):
            self._context.engine_up.set()
        while not self._context.stopping.is_set():
            await self._ask()
            await self._context.pause(self._context.timing.health)

    async def watch(self) -> None:
        """See that the engine goes on with what it is asked, from its start on. Raises EngineStandsStillError."""
        while not self._context.stopping.is_set():
            self._still_seconds = seconds = self._context.engine.stands_still_seconds()
            if seconds >= self._context.timing.stands_still:
                detail = f"AiiDA has done nothing of what it was asked for {seconds:.0f} s"
                _log.error("engine_stands_still", seconds=round(seconds))
                # Whoever asks before the next agent has looked is told why this one ended.
                self._context.sight.health = {"engine": STANDS_STILL, "detail": detail}
                await write_sight(self._context)
                raise EngineStandsStillError(detail)
            await self._context.pause(self._context.timing.health)

    async def _managed(self, step: Callable[[], Awaitable[bool]]) -> bool:
        """Try ``step`` until it is done; False where the agent stops before."""
        while not self._context.stopping.is_set():
            if await step():
                self._backoff.succeeded()
                return True
            await self._context.pause(self._backoff.failed())
        return False

    async def _start(self) -> bool:
        self._begun = True
        try:
            await self._context.engine.start()
        except EngineUnavailableError as error:
            _log.error("engine_not_started", detail=str(error))
            self._context.sight.health = {"engine": "unavailable", "detail": str(error)}
            return False
        await self._ask()
        _log.info("engine_started")
        return True

    async def _reconcile(self) -> bool:
        context = self._context
        since = context.now() - RECENT
        try:
            done = await reconcile(context.engine, context.journal, since=since, clock=context.now)
        except EngineUnavailableError as error:
            _log.warning("not_reconciled", detail=str(error))
            return False
        except JournalBrokenError:
            raise
        except Exception:  # noqa: BLE001 - the gateway still offers again what a lost journal had
            _log.exception("not_reconciled")
            return True
        ids = [lost.submission_id for lost in done.written_back]
        _log.info("reconciled", in_journal=done.in_journal, written_back=len(ids), submission_ids=ids)
        context.wakes.sending()
        return True

    async def _ask(self) -> None:
        patience = asyncio.timeout(self._context.timing.health_answer)
        try:
            async with patience:
                self._context.sight.health = await self._context.engine.health()
        except TimeoutError:
            if not patience.expired():
                raise
            word = STANDS_STILL if self._still_seconds else "busy"
            self._context.sight.health = {"engine": word, "detail": "it has not come to the question how it is"}
        except EngineUnavailableError as error:
            _log.warning("engine_not_asked", detail=str(error))
            self._context.sight.health = {"engine": "unavailable", "detail": str(error)}
        except Exception as error:  # noqa: BLE001 - a fault of ours must not end the agent, which jobs depend on
            _log.exception("look_failed")
            self._context.sight.health = {"engine": "unavailable", "detail": f"{type(error).__name__}: {error}"}

    async def let_go(self) -> None:
        """Stop the engine, also one whose start was cut short. Raises EngineStandsStillError where it does not stop."""
        if not self._begun or self._still_seconds >= self._context.timing.stands_still:
            return
        try:
            async with asyncio.timeout(self._context.timing.engine_stop):
                await self._context.engine.stop()
        except TimeoutError as error:
            raise EngineStandsStillError("AiiDA does not come to its end") from error
        except EngineUnavailableError as error:
            _log.warning("engine_not_stopped", detail=str(error))
