"""Keeping the engine up, and asking after its health."""

import structlog

from slipway_node.agent.context import Context
from slipway_node.ports import EngineUnavailableError

_log = structlog.get_logger(__name__)


class Keeping:
    """Starts the engine, however long that takes, then asks how it is."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._backoff = context.world.backoff(context.timing.backoff_max)
        self._begun = False

    async def run(self) -> None:
        """Start the engine and look after it until the agent stops."""
        while not self._context.stopping.is_set() and not await self._start():
            await self._context.pause(self._backoff.failed())
        while not self._context.stopping.is_set():
            await self._ask()
            await self._context.pause(self._context.timing.health)

    async def _start(self) -> bool:
        self._begun = True
        try:
            await self._context.engine.start()
        except EngineUnavailableError as error:
            _log.error("engine_not_started", detail=str(error))
            self._context.sight.health = {"engine": "unavailable", "detail": str(error)}
            return False
        await self._ask()
        self._context.engine_up.set()
        _log.info("engine_started")
        return True

    async def _ask(self) -> None:
        try:
            self._context.sight.health = await self._context.engine.health()
        except EngineUnavailableError as error:
            _log.warning("engine_not_asked", detail=str(error))
            self._context.sight.health = {"engine": "unavailable", "detail": str(error)}

    async def let_go(self) -> None:
        """Stop the engine, also one whose start was cut short."""
        if not self._begun:
            return
        try:
            await self._context.engine.stop()
        except EngineUnavailableError as error:
            _log.warning("engine_not_stopped", detail=str(error))
