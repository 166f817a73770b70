"""The gateway, seen from the node: signed calls out, and what an answer means (docs/contracts/node-protocol.md)."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import httpx
import structlog
from pydantic import BaseModel, ValidationError

from slipway_contracts import CONTRACT_HEADER, CONTRACT_VERSION
from slipway_contracts.errors import ERRORS, Code
from slipway_contracts.execution_event import BatchIngestResponse
from slipway_contracts.node_protocol import (
    AckRequest,
    AckResponse,
    DrainRequest,
    EnrollRequest,
    EnrollResponse,
    HeartbeatRequest,
    HeartbeatResponse,
    LeaseRequest,
    NodeCommand,
    NodeStateResponse,
    RotateKeyRequest,
)
from slipway_contracts.problem import Problem
from slipway_node.clock import Clock
from slipway_node.keys import Signer

CALL_SECONDS = 30.0
CONNECT_SECONDS = 10.0
RETRY_AFTER_MAX_SECONDS = 3600.0  # a longer wish is a proxy's slip, and would look like a dead node
RETRIED_STATUSES = frozenset({401, 408, 429})
SERVER_ERRORS = 500

_TRACE_ID = re.compile(r"^[0-9a-f]{32}$")
_NODES = "/api/runtime/nodes"
_Body = TypeVar("_Body", bound=BaseModel)
_log = structlog.get_logger(__name__)


class GatewayError(Exception):
    """The gateway did not do what was asked."""


class GatewayUnreachableError(GatewayError):
    """No answer, or one that says nothing of the matter (a proxy's, an overload's): try again, for ever."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class NodeNotRecognisedError(GatewayUnreachableError):
    """The signature or its time does not hold: another key, or a clock that the next answers set right."""


class GatewayRefusedError(GatewayError):
    """The gateway refused, with a code of the contract that trying again does not change."""

    def __init__(self, problem: Problem) -> None:
        fields = "; ".join(f"{error.field}: {error.message}" for error in problem.errors)
        super().__init__(f"{problem.code}: {problem.detail}{' (' + fields + ')' if fields else ''}")
        self.problem = problem


class JoinTokenSpentError(GatewayRefusedError):
    """The join token was used with another key, has expired, or never was."""


class LeaseLostError(GatewayRefusedError):
    """A newer agent of this node has the lease: this one is to end."""


class NodeForbiddenError(GatewayRefusedError):
    """The node was revoked, or is another tenant's: nothing it does counts any more."""


@dataclass(frozen=True, slots=True)
class Ids:
    """Where random ids come from; each a fresh string of hexadecimal digits."""

    trace_id: Callable[[], str]  # 32 digits
    span_id: Callable[[], str]  # 16 digits


class GatewayClient:
    """Calls of one enrolled node. ``http`` has the gateway as its base URL and follows no redirects."""

    def __init__(
        self, http: httpx.AsyncClient, management_node_id: str, signer: Signer, clock: Clock, ids: Ids
    ) -> None:
        self._http = http
        self._node = f"{_NODES}/{management_node_id}"
        self._signer = signer
        self._clock = clock
        self._ids = ids

    async def heartbeat(self, beat: HeartbeatRequest) -> HeartbeatResponse:
        """Tell liveness, policy, capacity and health; with epoch None, start."""
        return _read(await self._post(f"{self._node}:heartbeat", _json(beat)), HeartbeatResponse)

    async def lease(self, request: LeaseRequest) -> list[NodeCommand]:
        """Wait for commands. One that this version does not understand is logged and left to its lease's end."""
        answer = await self._post(
            f"{self._node}/commands:lease", _json(request), wait_seconds=request.wait_seconds + CALL_SECONDS
        )
        return _commands(answer)

    async def ack(self, request: AckRequest) -> AckResponse:
        """Tell that commands are durable here; returns which of them are this node's."""
        return _read(await self._post(f"{self._node}/commands:ack", _json(request)), AckResponse)

    async def drain(self, request: DrainRequest) -> NodeStateResponse:
        """Ask for no new work, or for new work again."""
        return _read(await self._post(f"{self._node}:drain", _json(request)), NodeStateResponse)

    async def rotate_key(self, request: RotateKeyRequest) -> NodeStateResponse:
        """Announce the next public key; this one is good until the next one's first use. May be repeated."""
        return _read(await self._post(f"{self._node}:rotate-key", _json(request)), NodeStateResponse)

    async def ingest(
        self, events: list[str], trace_id: str | None = None, traceparent: str | None = None
    ) -> BatchIngestResponse:
        """Deliver events (JSON texts), in order; ``trace_id`` where all are of one trace, ``traceparent`` of a span."""
        body = b'{"events":[' + ",".join(events).encode() + b"]}"
        answer = _read(
            await self._post("/api/runtime/events:batchIngest", body, trace_id, traceparent), BatchIngestResponse
        )
        if len(answer.outcomes) != len(events):
            raise GatewayUnreachableError(f"{len(answer.outcomes)} outcomes for {len(events)} events")
        return answer

    async def _post(
        self,
        path: str,
        body: bytes,
        trace_id: str | None = None,
        traceparent: str | None = None,
        *,
        wait_seconds: float = CALL_SECONDS,
    ) -> httpx.Response:
        request = self._http.build_request(
            "POST",
            path,
            content=body,
            headers={"content-type": "application/json", CONTRACT_HEADER: str(CONTRACT_VERSION)},
            timeout=httpx.Timeout(wait_seconds, connect=CONNECT_SECONDS),
        )
        trace = trace_id if trace_id is not None and _TRACE_ID.match(trace_id) else self._ids.trace_id()
        request.headers["traceparent"] = traceparent or f"00-{trace}-{self._ids.span_id()}-01"
        sent_path = request.url.raw_path.partition(b"?")[0].decode("ascii")
        token = self._signer.token("POST", sent_path, body, self._clock.now())
        request.headers["authorization"] = f"Bearer {token}"
        return await _send(self._http, request, self._clock)


async def enroll(http: httpx.AsyncClient, request: EnrollRequest, clock: Clock) -> EnrollResponse:
    """Spend a join token on the node's public key; the same token and key again give the same answer."""
    built = http.build_request(
        "POST",
        f"{_NODES}:enroll",
        content=_json(request),
        headers={"content-type": "application/json", CONTRACT_HEADER: str(CONTRACT_VERSION)},
    )
    return _read(await _send(http, built, clock), EnrollResponse)


async def _send(http: httpx.AsyncClient, request: httpx.Request, clock: Clock) -> httpx.Response:
    asked_at = clock.system()
    try:
        response = await http.send(request)
    except httpx.HTTPError as error:
        raise GatewayUnreachableError(f"{request.url.host}: {error or type(error).__name__}") from error
    clock.learn(response.headers.get("date"), asked_at)
    if not response.is_success:
        raise _error_of(response)
    return response


def _error_of(response: httpx.Response) -> GatewayError:
    """Read an answer that is no success; without one of our codes it says nothing of the matter."""
    problem = _problem(response)
    retry_after = retry_after_seconds(response.headers.get("retry-after"))
    if problem is None:
        return GatewayUnreachableError(f"{response.status_code} and no code of the gateway's", retry_after)
    if problem.code == Code.UNAUTHORIZED:
        return NodeNotRecognisedError(f"{problem.code}: {problem.detail}", retry_after)
    if is_retried(response.status_code, problem):
        return GatewayUnreachableError(f"{problem.code}: {problem.detail}", retry_after)
    match Code(problem.code):
        case Code.LEASE_LOST:
            return LeaseLostError(problem)
        case Code.FORBIDDEN:
            return NodeForbiddenError(problem)
        case Code.JOIN_TOKEN_SPENT:
            return JoinTokenSpentError(problem)
        case _:
            return GatewayRefusedError(problem)


def is_retried(status: int, problem: Problem | None) -> bool:
    """Tell whether a refusal is to be tried again (docs/contracts/execution-event.md, "Retry policy")."""
    if status in RETRIED_STATUSES or status >= SERVER_ERRORS or problem is None:
        return True
    return problem.retryable or problem.code not in ERRORS


def retry_after_seconds(header: str | None) -> float | None:
    """Read a ``Retry-After`` of seconds, bounded; a date there is not worth its trouble."""
    try:
        seconds = float(header or "")
    except ValueError:
        return None
    return min(seconds, RETRY_AFTER_MAX_SECONDS) if seconds >= 0 else None


def _problem(response: httpx.Response) -> Problem | None:
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:
        return None
    return problem if problem.code in ERRORS else None


def _commands(response: httpx.Response) -> list[NodeCommand]:
    try:
        told = json.loads(response.content)["commands"]
    except (ValueError, KeyError, TypeError) as error:
        raise GatewayUnreachableError("an answer that is not the gateway's") from error
    commands = []
    for item in told:
        try:
            commands.append(NodeCommand.model_validate(item))
        except ValidationError as error:
            _log.warning("command_not_understood", errors=[str(e["loc"]) for e in error.errors()])
    return commands


def _read(response: httpx.Response, model: type[_Body]) -> _Body:
    try:
        return model.model_validate_json(response.content)
    except ValidationError as error:
        raise GatewayUnreachableError("an answer that is not the gateway's") from error


def _json(model: BaseModel) -> bytes:
    return model.model_dump_json().encode()
