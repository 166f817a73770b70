"""The agent: its tasks together, from start to a clean stop."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from slipway_node.agent.cancelling import Cancelling
from slipway_node.agent.context import Context
from slipway_node.agent.finishing import Finishing
from slipway_node.agent.heartbeat import Heartbeat
from slipway_node.agent.keeping import Keeping
from slipway_node.agent.leasing import Leasing
from slipway_node.agent.sending import Sending
from slipway_node.agent.starting import Starting
from slipway_node.agent.watching import Watching
from slipway_node.gateway_client import GatewayError, GatewayRefusedError
from slipway_node.journal import Journal, JournalBrokenError
from slipway_node.ports import EngineStandsStillError

REMEMBERED = timedelta(days=30)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StopTiming:
    """What a clean stop may take, in seconds; ``keep_engine`` leaves the engine running."""

    steps: float = 15.0
    flush: float = 5.0
    keep_engine: bool = False


class Agent:
    """One node's agent, on one journal. ``on_ready`` is called when engine and gateway have both answered.

    ``remember`` is how long the journal keeps what has ended.
    """

    def __init__(
        self,
        context: Context,
        *,
        stop: StopTiming | None = None,
        on_ready: Callable[[], None] | None = None,
        remember: timedelta = REMEMBERED,
    ) -> None:
        self._context = context
        self._stop = stop or StopTiming()
        self._on_ready = on_ready
        self._finishing = Finishing(context)
        self._sending = Sending(context)
        self._remember = remember
        self._keeping = Keeping(context)

    def stop(self) -> None:
        """Ask the agent to stop cleanly."""
        self._context.stopping.set()
        self._context.wakes.all()
        self._finishing.close()

    async def run(self) -> None:
        """Work until ``stop``.

        Raises LeaseLostError or NodeForbiddenError where the gateway wants this agent ended, EngineStandsStillError
        where it can do nothing more: its process is to be ended outright then, since a thread of its own never ends.
        JournalBrokenError where nothing can be written down any more, whoever begins anew.
        """
        context = self._context
        try:
            await self._work()
        except BaseExceptionGroup as group:  # not `except*`: Python before 3.11.4 wraps what is raised in one again
            refused, others = group.split((GatewayRefusedError, EngineStandsStillError, JournalBrokenError))
            if refused is None:
                raise
            if (
                others is not None
            ):  # a fault, after which it would be started again: that is not for this one to ask for
                _log.error("fault", exc_info=others)
            raise _first(refused) from None
        finally:
            context.stopping.set()
            if not self._stop.keep_engine:
                await self._keeping.let_go()

    async def _prune(self) -> None:
        """Let the journal forget what ended longer ago than is remembered, and was delivered."""
        await self._context.journal.call(Journal.prune, self._context.now() - self._remember)

    async def _work(self) -> None:
        context = self._context
        talking = [
            Heartbeat(context).run(),
            Leasing(context).run(),
            self._tell_ready(),
            self._prune(),
            self._keeping.watch(),
        ]
        working = [
            self._keeping.run(),
            Starting(context).run(),
            Watching(context, self._finishing).run(),
            self._finishing.run(),
            Cancelling(context).run(),
            self._sending.run(),
        ]
        async with asyncio.TaskGroup() as group:
            quick = [group.create_task(task) for task in talking]
            steps = [group.create_task(task) for task in working]
            await context.stopping.wait()
            for task in quick:  # a long poll that is cut leaves its commands to their lease's end
                task.cancel()
            _, unfinished = await asyncio.wait(steps, timeout=self._stop.steps)
            for task in unfinished:
                _log.warning("step_cut_short", task=task.get_name())
                task.cancel()
        await self._flush()

    async def _flush(self) -> None:
        with contextlib.suppress(TimeoutError, GatewayError):
            async with asyncio.timeout(self._stop.flush):
                await self._sending.flush()

    async def _tell_ready(self) -> None:
        await self._context.until(self._context.engine_up)
        if not await self._context.until(self._context.leased):
            return
        _log.info("ready")
        if self._on_ready is not None:
            self._on_ready()


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    """Return the group's first error; several tasks may have met the same one."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
