"""One step of one submission, so guarded that its failure is one submission's trouble and never the agent's."""

from collections.abc import Awaitable, Callable

import structlog

from slipway_contracts.node_protocol import NodeCommand
from slipway_node import storage
from slipway_node.agent.context import Context
from slipway_node.agent.logs import fields_of
from slipway_node.backoff import Pacing
from slipway_node.journal import JournalBrokenError
from slipway_node.ports import EngineUnavailableError
from slipway_node.results.publishing import StoreUnavailableError

_log = structlog.get_logger(__name__)


async def guarded(
    context: Context, pacing: Pacing, command: NodeCommand, step: str, work: Callable[[], Awaitable[None]]
) -> None:
    """Do ``work`` under the submission's lock; where it cannot be done now, let the submission rest and say why."""
    submission_id = command.submission_id
    try:
        async with context.locks.hold(submission_id):
            with context.tracing.step(step, command):
                await work()
    except JournalBrokenError:
        raise  # it is no job's own trouble, and ends the agent
    except Exception as error:  # noqa: BLE001 - a fault of ours in one job must not end the others' agent
        pause = pacing.failed(submission_id)
        if isinstance(error, EngineUnavailableError | StoreUnavailableError) or storage.is_told_by(error):
            context.sight.troubles.note(submission_id, step, str(error))
            _log.warning("step_postponed", step=step, seconds=round(pause, 1), detail=str(error), **fields_of(command))
        else:
            context.sight.troubles.note(submission_id, step, f"{type(error).__name__}: {error}")
            _log.exception("step_failed", step=step, seconds=round(pause, 1), **fields_of(command))
    else:
        pacing.succeeded(submission_id)
        context.sight.troubles.note(submission_id, step, None)
