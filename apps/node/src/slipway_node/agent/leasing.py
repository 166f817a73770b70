"""Leasing: commands come, are written down, are acked; nothing starts before that."""

from collections.abc import Sequence
from http import HTTPStatus

import structlog

from slipway_contracts.errors import Code
from slipway_contracts.node_protocol import LEASE_MAX_COMMANDS, AckOutcome, AckRequest, LeaseRequest, NodeCommand
from slipway_node.agent.context import Context
from slipway_node.agent.logs import fields_of
from slipway_node.gateway_client import (
    GatewayError,
    GatewayRefusedError,
    GatewayUnreachableError,
    LeaseLostError,
    NodeForbiddenError,
)
from slipway_node.journal import Journal
from slipway_node.reconciling import take_up

_log = structlog.get_logger(__name__)


class Leasing:
    """Leases until the agent stops. Raises LeaseLostError and NodeForbiddenError, which end it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._backoff = context.world.backoff(context.timing.backoff_max)

    async def run(self) -> None:
        """Lease while the engine is up: what it cannot run is better left where another start finds it."""
        await self._context.until(self._context.engine_up)
        await self._context.until(self._context.leased)
        while not self._context.stopping.is_set():
            await self._context.pause(await self._round())

    async def _round(self) -> float:
        """Ack what is journaled, lease, journal and ack; return the seconds until the next round."""
        begun = self._context.world.monotonic()
        try:
            await self._ack(await self._context.journal.call(Journal.unacked, LEASE_MAX_COMMANDS))
            taken = await self._lease()
            await self._ack(taken)
        except (LeaseLostError, NodeForbiddenError):
            raise
        except GatewayRefusedError as error:
            _log.error("lease_refused", code=error.problem.code, detail=error.problem.detail)
            return self._failed(error)
        except GatewayUnreachableError as error:
            _log.warning("lease_not_answered", detail=str(error))
            return self._failed(error, error.retry_after_seconds)
        self._backoff.succeeded()
        # A gateway that does not hold the poll is not asked in a tight circle.
        at_once = self._context.world.monotonic() - begun < self._context.timing.empty_lease
        return self._context.timing.empty_lease if at_once and not taken else 0.0

    def _failed(self, error: GatewayError, retry_after_seconds: float | None = None) -> float:
        self._context.sight.last_error = str(error)
        return self._backoff.failed(retry_after_seconds)

    async def _lease(self) -> list[str]:
        """Take commands, write them down, and return the ids of all: one that was here may still want its ack."""
        commands = await self._context.gateway.lease(
            LeaseRequest(
                epoch=self._epoch(),
                journal_id=self._context.journal_id,
                max=self._context.timing.lease_max,
                wait_seconds=self._context.timing.lease_wait,
            )
        )
        self._context.sight.last_contact = self._context.now()
        if commands:
            await self._context.journal.call(Journal.record_leased, commands)
            await self._take_up_recalled([command.submission_id for command in commands])
        for command in commands:
            with self._context.tracing.step("take", command):
                pass  # a moment: it is in the journal
            _tell("command_journaled", command)
        return [command.command_id for command in commands]

    async def _take_up_recalled(self, submission_ids: Sequence[str]) -> None:
        """Take up what the gateway says that it waits for. Before the ack, after which it does not say so again."""
        for command, execution_id in await self._context.journal.call(Journal.recalled_of, submission_ids):
            await take_up(self._context.journal, command, execution_id, self._context.now())
            self._context.wakes.watching()
            self._context.wakes.sending()

    async def _ack(self, command_ids: Sequence[str]) -> None:
        """Ack commands and write down what the gateway says of each."""
        if not command_ids:
            return
        answer = await self._context.gateway.ack(
            AckRequest(epoch=self._epoch(), journal_id=self._context.journal_id, command_ids=list(command_ids))
        )
        held = [outcome.command_id for outcome in answer.outcomes if outcome.status == HTTPStatus.OK]
        dropped = [outcome.command_id for outcome in answer.outcomes if _is_withdrawn(outcome)]
        await self._context.journal.call(Journal.record_acks, held, dropped)
        if dropped:
            for command in await self._context.journal.call(Journal.commands, dropped):
                _tell("command_dropped", command)
        self._context.wakes.starting()
        self._context.wakes.cancelling()

    def _epoch(self) -> int:
        epoch = self._context.sight.epoch
        if epoch is None:
            raise AssertionError("leased before the start was answered")
        return epoch


def _tell(event: str, command: NodeCommand) -> None:
    _log.info(event, **fields_of(command), kind=command.kind.value, command_id=command.command_id)


def _is_withdrawn(outcome: AckOutcome) -> bool:
    return outcome.status == HTTPStatus.CONFLICT and outcome.code == Code.LEASE_LOST
