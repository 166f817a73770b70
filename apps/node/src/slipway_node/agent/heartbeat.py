"""Heartbeats: the start that gives an epoch, then liveness, policy, capacity and health."""

import os

import structlog

from slipway_contracts.node_protocol import HEARTBEAT_INTERVAL_SECONDS, Capacity, HeartbeatRequest, HeartbeatResponse
from slipway_node.agent.context import Context
from slipway_node.agent.sighting import write_sight
from slipway_node.gateway_client import (
    GatewayError,
    GatewayRefusedError,
    GatewayUnreachableError,
    LeaseLostError,
    NodeForbiddenError,
)
from slipway_node.journal import Journal
from slipway_node.journal.records import CommandState, Tally
from slipway_node.policy_file import PolicyFileError
from slipway_node.version import VERSION

_log = structlog.get_logger(__name__)


class Heartbeat:
    """Beats until the agent stops. Raises LeaseLostError and NodeForbiddenError, which end it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._backoff = context.world.backoff(context.timing.backoff_max)

    async def run(self) -> None:
        """Beat at the gateway's interval, sooner after a beat that failed."""
        while not self._context.stopping.is_set():
            pause = await self._beat()
            await write_sight(self._context)
            await self._context.pause(pause)

    async def _beat(self) -> float:
        """Beat once and return the seconds until the next."""
        sight = self._context.sight
        self._read_policy()
        try:
            answer = await self._context.gateway.heartbeat(await self._request())
        except (LeaseLostError, NodeForbiddenError):
            raise
        except GatewayRefusedError as error:
            _log.error("heartbeat_refused", code=error.problem.code, detail=error.problem.detail)
            return self._failed(error)
        except GatewayUnreachableError as error:
            _log.warning("heartbeat_not_delivered", detail=str(error))
            return self._failed(error, error.retry_after_seconds)
        self._backoff.succeeded()
        sight.last_error = None
        self._take_in(answer)
        return (
            answer.heartbeat_interval_seconds if answer.heartbeat_interval_seconds > 0 else HEARTBEAT_INTERVAL_SECONDS
        )

    def _failed(self, error: GatewayError, retry_after_seconds: float | None = None) -> float:
        self._context.sight.last_error = str(error)
        return min(HEARTBEAT_INTERVAL_SECONDS, self._backoff.failed(retry_after_seconds))

    def _take_in(self, answer: HeartbeatResponse) -> None:
        sight = self._context.sight
        if answer.state is not sight.node_state or answer.epoch != sight.epoch:
            _log.info("heartbeat_taken", epoch=answer.epoch, node_state=answer.state.value)
        sight.epoch, sight.node_state, sight.last_contact = answer.epoch, answer.state, self._context.now()
        self._context.leased.set()

    def _read_policy(self) -> None:
        """Take the file's new content; one that does not hold changes nothing and is told in the health."""
        sight = self._context.sight
        try:
            read = self._context.read_policy()
        except PolicyFileError as error:
            if sight.policy_error is None:
                _log.error("policy_file_ignored", detail=str(error))
            sight.policy_error = str(error)
            return
        sight.policy_error = None
        if read != self._context.policy.value:
            _log.info("policy_changed", policy_version=read.policy.policy_version)
            self._context.policy.value = read
            self._context.engine.use_policy(read.policy, read.program_paths)
            self._context.wakes.starting()

    async def _request(self) -> HeartbeatRequest:
        context, sight = self._context, self._context.sight
        policy = context.policy.value.policy
        # One that cannot be opened yet is not waited for: that is what there is to tell.
        tally = await context.journal.call(Journal.tally) if context.journal.is_open else Tally({}, {})
        bounds = [queue.limits.jobs for queue in policy.queues.values()]
        at_most = [bound for bound in bounds if bound is not None]
        told = {"policy_error": sight.policy_error, "journal_error": context.journal.trouble}
        trouble = {name: error for name, error in told.items() if error}
        return HeartbeatRequest(
            agent_id=context.agent_id,
            epoch=sight.epoch,
            journal_id=context.journal_id,
            node_version=VERSION,
            policy=policy,
            capacity=Capacity(
                jobs_running=tally.commands.get(CommandState.LAUNCHED, 0),
                jobs_max=sum(at_most) if len(at_most) == len(bounds) else None,
                cpus=os.cpu_count(),
            ),
            health={**sight.health, **trouble, "outbox": {k.value: n for k, n in tally.outbox.items()}},
        )
