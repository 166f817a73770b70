"""Whether the process is alive, and whether its Product SoR is in reach."""

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from slipway_contracts.errors import Code
from slipway_contracts.reads import Health
from slipway_gateway import context
from slipway_gateway.metrics import CONTENT_TYPE
from slipway_gateway.openapi import describe, refusals
from slipway_gateway.routes.answers import answer
from slipway_gateway.version import VERSION

metrics_router = APIRouter(dependencies=[Depends(context.anyone)])
router = APIRouter(prefix="/api", tags=["health"], dependencies=[Depends(context.anyone)])


@router.get("/health", operation_id="health", response_model=Health)
async def health() -> Response:
    """Tell that the process is alive."""
    return answer(Health(status="alive", version=VERSION))


@router.get(
    "/ready",
    operation_id="ready",
    response_model=Health,
    responses=refusals(Code.PRODUCT_STORE_UNAVAILABLE, public=True),
)
async def ready(request: Request) -> Response:
    """Tell whether the Product SoR is in reach and of this version's schema."""
    await context.services_of(request).store.check()
    return answer(Health(status="ready", version=VERSION))


@router.get("/openapi.json", operation_id="openapi", include_in_schema=False)
async def openapi(request: Request) -> Response:
    """Return the API's description."""
    return JSONResponse(describe(request.app))


@metrics_router.get("/metrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    """Return the process's counters in the text format of Prometheus."""
    return Response(context.services_of(request).metrics.text(), media_type=CONTENT_TYPE)
