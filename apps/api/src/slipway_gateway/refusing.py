"""The one place by which a problem is answered: counted by its code, and logged with the trace id that it carries."""

from collections.abc import Callable, Mapping

from fastapi import Request
from fastapi.responses import Response

from slipway_gateway import context, logs
from slipway_gateway.metrics import Metrics
from slipway_gateway.problems import ContractError
from slipway_gateway.rendering import render

Log = Callable[[ContractError, Mapping[str, str]], None]


def refuse(request: Request, refusal: ContractError, metrics: Metrics, log: Log = logs.refused) -> Response:
    """Return the answer to a request that is refused, or failed as ``log`` tells."""
    note(request, refusal, metrics, log)
    return render(refusal, context.trace_id_of(request))


def note(
    request: Request,
    refusal: ContractError,
    metrics: Metrics,
    log: Log = logs.refused,
    *,
    part: Mapping[str, str] | None = None,
) -> None:
    """Count and log a refusal; ``part`` is what is known of the part of a batch that it is of."""
    metrics.refused(refusal.code)
    known = {**(part or {}), **context.known_of(request)}
    trace_id, path = context.trace_id_of(request), request.scope["path"]
    log(refusal, logs.about_request(trace_id, request.method, path, known))
