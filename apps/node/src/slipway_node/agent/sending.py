"""Sending: the outbox is delivered, in order for each submission, for as long as it takes."""

import json
from collections.abc import Sequence

import structlog

from slipway_contracts.errors import Code
from slipway_contracts.execution_event import EVENT_BATCH_MAX, BatchIngestResponse, EventOutcome
from slipway_node.agent.context import Context
from slipway_node.agent.logs import fields_of_body
from slipway_node.gateway_client import (
    GatewayRefusedError,
    GatewayUnreachableError,
    LeaseLostError,
    NodeForbiddenError,
    is_retried,
)
from slipway_node.journal import Delivery, Journal, OutboxEvent, OutboxState

# Every event that this agent records rouses this task. What `dead-letters retry` puts back beside it does not, and is
# found by this look, which costs a query on the index of what is pending.
IDLE_SECONDS = 2.0
# Codes by which the gateway refuses an event itself; another refusal of a whole call is the call's, and is retried.
EVENT_REFUSALS = frozenset(
    {
        Code.INVALID_EVENT,
        Code.INVALID_REQUEST,
        Code.SUBMISSION_NOT_FOUND,
        Code.EVENT_ID_CONFLICT,
        Code.INVALID_TRANSITION,
        Code.PAYLOAD_TOO_LARGE,
    }
)

_log = structlog.get_logger(__name__)


class Sending:
    """Delivers events. Raises LeaseLostError and NodeForbiddenError, which end the agent."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._backoff = context.world.backoff(context.timing.backoff_max)
        self._pacing = context.world.pacing(context.timing.backoff_max)
        self._batch = EVENT_BATCH_MAX

    async def run(self) -> None:
        """Deliver until the agent stops."""
        while not self._context.stopping.is_set():
            if not await self._deliver():
                await self._context.wakes.sending.wait(self._pacing.next_due_in(IDLE_SECONDS))

    async def flush(self) -> None:
        """Deliver what can be delivered now; returns when nothing more is due or the gateway does not answer."""
        while await self._deliver(wait=False):
            pass

    async def _deliver(self, *, wait: bool = True) -> bool:
        """Deliver one batch; tell whether there may be more to deliver at once."""
        batch = await self._context.journal.call(Journal.pending_events, self._batch, self._pacing.resting())
        if not batch:
            return False
        if self._context.tracing.on:  # a call has one parent, and each flow is to be told of in its own trace
            batch = _of_one_trace(batch)
        try:
            answer = await self._ingest(batch)
        except (LeaseLostError, NodeForbiddenError):
            raise
        except GatewayUnreachableError as error:
            _log.warning("events_not_delivered", events=len(batch), detail=str(error))
            await self._rest(wait=wait, retry_after_seconds=error.retry_after_seconds)
            return wait
        except GatewayRefusedError as error:
            return await self._refused(batch, error, wait=wait)
        self._backoff.succeeded()
        self._batch = EVENT_BATCH_MAX
        await self._take_in(batch, answer.outcomes)
        return True

    async def _ingest(self, batch: Sequence[OutboxEvent]) -> BatchIngestResponse:
        """Deliver ``batch`` in one call, as part of the flow where it is of one."""
        bodies, traces = [event.body for event in batch], {_trace_of(event) for event in batch}
        trace_id = traces.pop() if len(traces) == 1 else None
        tracing = self._context.tracing
        entry = (
            await self._context.journal.call(Journal.entry, batch[0].submission_id) if tracing.on and trace_id else None
        )
        if entry is None:
            return await self._context.gateway.ingest(bodies, trace_id)
        with tracing.step("report", entry.command) as traceparent:
            return await self._context.gateway.ingest(bodies, trace_id, traceparent)

    async def _rest(self, *, wait: bool, retry_after_seconds: float | None = None) -> None:
        pause = self._backoff.failed(retry_after_seconds)
        if wait:
            await self._context.pause(pause)

    async def _refused(self, batch: Sequence[OutboxEvent], error: GatewayRefusedError, *, wait: bool) -> bool:
        """Take in a refusal of the whole call: look for the event it is about, or try the call again later."""
        if error.problem.code not in EVENT_REFUSALS:
            _log.error("events_refused", code=error.problem.code, detail=error.problem.detail)
            await self._rest(wait=wait)
            return wait
        if len(batch) > 1:
            self._batch = max(1, len(batch) // 2)
            return True
        self._batch = EVENT_BATCH_MAX
        await self._record(batch, [Delivery(batch[0].event_id, OutboxState.DEAD, str(error))])
        return True

    async def _take_in(self, batch: Sequence[OutboxEvent], outcomes: Sequence[EventOutcome]) -> None:
        deliveries = []
        failed: set[str] = set()
        for event, outcome in zip(batch, outcomes, strict=True):
            delivery = await self._judge(event, outcome, first=event.submission_id not in failed)
            if delivery.state is OutboxState.DELIVERED:
                self._pacing.succeeded(event.submission_id)
            else:
                failed.add(event.submission_id)
            deliveries.append(delivery)
        await self._record(batch, deliveries)

    async def _judge(self, event: OutboxEvent, outcome: EventOutcome, *, first: bool) -> Delivery:
        """Return what becomes of one event; ``first`` False where one before it in the batch was not taken."""
        problem = outcome.problem
        if problem is None and outcome.status < 300:  # noqa: PLR2004 - HTTP's bound of success
            return Delivery(event.event_id, OutboxState.DELIVERED)
        told = f"{problem.code}: {problem.detail}" if problem else f"status {outcome.status}"
        if not is_retried(outcome.status, problem):
            return Delivery(event.event_id, OutboxState.DEAD, told)
        if not first:
            return Delivery(event.event_id, OutboxState.PENDING, told)
        if (
            problem is not None
            and problem.code == Code.EVENT_GAP
            and not await self._context.journal.call(Journal.deliver_again, event.event_id)
        ):
            return Delivery(event.event_id, OutboxState.DEAD, f"{told}; its predecessor was refused")
        self._pacing.failed(event.submission_id)
        return Delivery(event.event_id, OutboxState.PENDING, told)

    async def _record(self, batch: Sequence[OutboxEvent], deliveries: Sequence[Delivery]) -> None:
        await self._context.journal.call(Journal.record_deliveries, deliveries)
        if any(delivery.state is OutboxState.DELIVERED for delivery in deliveries):
            self._context.sight.last_contact = self._context.now()
        for event, delivery in zip(batch, deliveries, strict=True):
            if delivery.state is OutboxState.DEAD:
                _log.error("dead_letter", **fields_of_body(event.body), refusal=delivery.refusal)


def _of_one_trace(batch: Sequence[OutboxEvent]) -> list[OutboxEvent]:
    """Return the events of the first one's trace; the others come next."""
    first = _trace_of(batch[0])
    return [event for event in batch if _trace_of(event) == first]


def _trace_of(event: OutboxEvent) -> str:
    return str(json.loads(event.body).get("trace_id"))
