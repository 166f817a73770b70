"""What a request carries from the edge inwards, and how its body is read and bounded."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from fastapi import Request
from fastapi.dependencies.models import Dependant
from pydantic import BaseModel, TypeAdapter, ValidationError

from slipway_contracts.errors import Code
from slipway_contracts.problem import FieldError
from slipway_gateway.auth.nodes import NodeTokens, is_node_token
from slipway_gateway.auth.users import Caller, Role, UserTokens
from slipway_gateway.metrics import Metrics
from slipway_gateway.ports import NodeRecord, ProductStore
from slipway_gateway.problems import LISTED_MAX, ContractError, field_errors
from slipway_gateway.settings import Settings
from slipway_gateway.usecases.streams import Streams
from slipway_gateway.usecases.submit import KnownNodes

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")
BEARER = "bearer "
_NAMED_IN_PATHS = ("job_id", "management_node_id")


def utc_now() -> datetime:
    """Return the time now; the only clock of the gateway's use cases, passed in."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Services:
    """What the process holds: its store, its verifiers, its settings, a memory of nodes. Nothing durable."""

    store: ProductStore
    users: UserTokens
    nodes: NodeTokens
    settings: Settings
    streams: Streams
    clock: Callable[[], datetime] = utc_now
    metrics: Metrics = field(default_factory=Metrics)
    known_nodes: KnownNodes = field(default_factory=KnownNodes)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)  # set at shutdown: long polls end

    def stop(self) -> None:
        """Let what waits end: long polls and streams."""
        self.stopping.set()
        self.streams.close()


def services_of(request: Request) -> Services:
    """Return the process's services."""
    services: Services = request.app.state.services
    return services


def trace_id_of(request: Request) -> str:
    """Return the request's trace id: of its traceparent, else drawn at its arrival (see edge.py)."""
    trace_id: str = request.scope["slipway.trace_id"]
    return trace_id


def traceparent_of(request: Request) -> str | None:
    """Return the request's W3C traceparent, if it brought a valid one."""
    traceparent: str | None = request.scope["slipway.traceparent"]
    return traceparent


def know(request: Request, **fields: str) -> None:
    """Note what the request is about, for the line of its refusal; what was known before, as of its token, stands."""
    request.scope["slipway.known"] = fields | request.scope.get("slipway.known", {})


def known_of(request: Request) -> dict[str, str]:
    """Return what is known of the request: the job or node of its path, and what was noted."""
    named = {name: request.path_params[name] for name in _NAMED_IN_PATHS if name in request.path_params}
    return {**named, **request.scope.get("slipway.known", {})}


def bearer(request: Request) -> str:
    """Return the bearer token; raises unauthorized when there is none."""
    header = request.headers.get("authorization", "")
    if not header.lower().startswith(BEARER) or len(header) == len(BEARER):
        raise ContractError(Code.UNAUTHORIZED, "an Authorization: Bearer token is needed")
    return header[len(BEARER) :].strip()


async def user(request: Request) -> Caller:
    """Access policy: a user of whatever role."""
    caller = services_of(request).users.verify(bearer(request))
    know(request, tenant_id=caller.tenant_id)
    if len(caller.workspace_ids) == 1:
        know(request, workspace_id=caller.workspace_ids[0])
    if request.scope["query_string"]:
        _check_query(request)
    return caller


def _check_query(request: Request) -> None:
    """Raise invalid_request for a parameter the route does not have: a filter or a condition must not be lost."""
    dependant: Dependant = request.scope["route"].dependant
    known = {parameter.alias for each in tree_of(dependant) for parameter in each.query_params}
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        errors = [FieldError(field=name, message="is no parameter of this call") for name in unknown[:LISTED_MAX]]
        raise ContractError(Code.INVALID_REQUEST, "the query does not hold", errors)


def tree_of(dependant: Dependant) -> Iterator[Dependant]:
    """Yield what a route calls, and what that depends on, whole tree."""
    yield dependant
    for each in dependant.dependencies:
        yield from tree_of(each)


async def admin(request: Request) -> Caller:
    """Access policy: a user with role admin."""
    caller = await user(request)
    if caller.role is not Role.ADMIN:
        raise ContractError(Code.FORBIDDEN, "this needs role admin")
    return caller


async def node(request: Request) -> NodeRecord:
    """Access policy: a node that signed this very request, acting for itself."""
    return await _signer(request, fresh=False)


async def _signer(request: Request, *, fresh: bool) -> NodeRecord:
    body = await request.body()
    record = await services_of(request).nodes.verify(
        bearer(request), request.method, request.scope["raw_path"].decode("ascii"), body, fresh=fresh
    )
    named = request.path_params.get("management_node_id")
    if named is not None and named != record.management_node_id:
        raise ContractError(Code.FORBIDDEN, "a node acts for itself only")
    return record


@dataclass(frozen=True, slots=True)
class Steward:
    """Who may drain a node: an admin of its tenant, or the node itself."""

    name: str
    tenant_id: str


async def admin_or_node(request: Request) -> Steward:
    """Access policy: an admin, or the node the path names."""
    if is_node_token(bearer(request)):
        record = await _signer(request, fresh=True)  # a drain is whoever's, so its write checks no node's key
        return Steward(record.management_node_id, record.tenant_id)
    caller = await admin(request)
    return Steward(caller.user_id, caller.tenant_id)


async def anyone() -> None:
    """Access policy: no credential (health, the API's description; enrolment, which brings its own token)."""


async def parsed(request: Request, model: type[M], code: Code = Code.INVALID_REQUEST) -> M:
    """Return the body as ``model``; raises ``code`` with every field that does not hold."""
    return parse(await request.body(), model, code)


def parse(body: bytes, model: type[M], code: Code) -> M:
    """Return JSON ``body`` as ``model``; raises ``code`` with every field that does not hold."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise ContractError(code, "the body does not hold", field_errors(error)) from None


def parse_as(body: bytes, adapter: TypeAdapter[T], code: Code) -> T:
    """Return JSON ``body`` as the adapter's type; raises ``code`` with every field that does not hold."""
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        raise ContractError(code, "the body does not hold", field_errors(error)) from None
