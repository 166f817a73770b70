"""The FastAPI application: routes, one handler an exception, the edge around it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from slipway_contracts.errors import Code
from slipway_contracts.problem import FieldError
from slipway_gateway import context, logs, refusing
from slipway_gateway.auth.dev_issuer import ISSUER, signing_key
from slipway_gateway.auth.nodes import NodeTokens
from slipway_gateway.auth.users import UserTokens, keys_of_jwks
from slipway_gateway.metrics import Metrics
from slipway_gateway.openapi import describe
from slipway_gateway.ports import StoreUnavailableError
from slipway_gateway.problems import ContractError
from slipway_gateway.routes import events, health, jobs, nodes, streams
from slipway_gateway.settings import Settings
from slipway_gateway.stores import open_store
from slipway_gateway.stores.access import Access
from slipway_gateway.usecases.streams import Streams

CLIENT_CLOSED_REQUEST = 499  # the customary number; no client is there to read it
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def user_tokens(settings: Settings) -> UserTokens:
    """Return the verifier of user tokens: the configured issuer's, or the development issuer's.

    Raises ValueError where an issuer is named without its keys.
    """
    if settings.auth_issuer is not None:
        if settings.auth_jwks_file is None:
            raise ValueError("SLIPWAY_AUTH_ISSUER needs SLIPWAY_AUTH_JWKS_FILE, its public keys")
        return UserTokens(settings.auth_issuer, settings.auth_audience, keys_of_jwks(settings.auth_jwks_file))
    key = signing_key(settings.data_dir)
    return UserTokens(ISSUER, settings.auth_audience, {None: key.public_key()})


def access(settings: Settings) -> Access:
    """Return what a store over a network is entered by."""
    return Access(
        store_secret=settings.store_secret,
        store_secret_file=settings.store_secret_file,
        sole_gateway=settings.sole_gateway,
        allow_testing_store=settings.allow_testing_store,
    )


def serving(settings: Settings, metrics: Metrics) -> Lifespan:
    """Return the lifespan that opens the Product SoR and closes it, the only thing the process holds."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        store = await open_store(settings.store, access(settings), timeout_seconds=settings.store_timeout_seconds)
        opened = Streams(store, settings.max_streams_per_tenant)
        services = context.Services(store, user_tokens(settings), NodeTokens(store), settings, opened, metrics=metrics)
        app.state.services = services
        try:
            yield
        finally:
            services.stop()
            await services.streams.closed()
            await store.close()

    return lifespan


def build(lifespan: Lifespan | None = None) -> FastAPI:
    """Return the application without its edge; ``lifespan`` puts the services in place."""
    app = FastAPI(
        title="Slipway gateway",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    # The routes themselves, submit first: an included router would match every request's path twice.
    for router in (jobs.router, events.router, nodes.router, streams.router, health.router, health.metrics_router):
        app.router.routes.extend(router.routes)
    app.add_exception_handler(ContractError, _contract_error)
    app.add_exception_handler(ClientDisconnect, _hung_up)
    app.add_exception_handler(StoreUnavailableError, _store_unavailable)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _no_such_route)
    app.add_exception_handler(Exception, _internal_error)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign] # FastAPI's own way to replace it
    return app


async def _contract_error(request: Request, error: Any) -> Response:
    return _refuse(request, error)


def _refuse(request: Request, refusal: ContractError, log: refusing.Log = logs.refused) -> Response:
    return refusing.refuse(request, refusal, context.services_of(request).metrics, log)


async def _hung_up(_request: Request, _error: Exception) -> Response:
    """End a request whose client left before its body was here: nothing was done, nobody is told."""
    return Response(status_code=CLIENT_CLOSED_REQUEST)


async def _store_unavailable(request: Request, error: Exception) -> Response:
    refusal = ContractError(Code.PRODUCT_STORE_UNAVAILABLE, "the product store did not answer")
    return _refuse(request, refusal, partial(logs.failed, "product store unavailable", reason=str(error)))


async def _invalid_request(request: Request, error: Any) -> Response:
    errors = [
        FieldError(field=".".join(map(str, entry["loc"][1:])) or "query", message=entry["msg"])
        for entry in error.errors()
    ]
    code = Code.INVALID_EVENT if request.scope["route"].tags == events.router.tags else Code.INVALID_REQUEST
    return _refuse(request, ContractError(code, "the path or query does not hold", errors))


async def _no_such_route(request: Request, error: Any) -> Response:
    code = Code.METHOD_NOT_ALLOWED if error.status_code == 405 else Code.NOT_FOUND  # noqa: PLR2004 - HTTP's number
    answer = _refuse(request, ContractError(code, f"{request.method} {request.url.path}"))
    answer.headers.update(error.headers or {})
    return answer


async def _internal_error(request: Request, error: Exception) -> Response:
    refusal = ContractError(Code.INTERNAL_ERROR, "a fault of the gateway; the trace id finds it")
    return _refuse(request, refusal, partial(logs.failed, "internal error", error=error))
