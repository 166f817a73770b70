"""Opening the store on Convex: its address, its secret, a first look at the functions."""

import asyncio

import stamina

from slipway_gateway.stores.access import Access
from slipway_gateway.stores.convex.address import functions_url
from slipway_gateway.stores.convex.client import Functions
from slipway_gateway.stores.convex.deployment import SCHEMA
from slipway_gateway.stores.convex.store import ConvexProductStore


async def open_convex_store(url: str, access: Access, *, call_seconds: float) -> ConvexProductStore:
    """Open the store at ``url``.

    Raises ValueError for a URL, a secret or a test host that does not do, StoreUnavailableError where our functions are
    out of reach or of another version.
    """
    stamina.instrumentation.set_on_retry_hooks(
        []
    )  # what no retry mends is told with its reason; stdout is the caller's
    functions = Functions(functions_url(url), access.secret(), call_seconds=call_seconds)
    store = ConvexProductStore(functions, sole_gateway=access.sole_gateway, allow_testing=access.allow_testing_store)
    try:
        await store.check()
    except BaseException:
        await store.close()
        raise
    return store


def check_convex(url: str, access: Access, *, call_seconds: float) -> str:
    """Return the schema that the functions have, which come with it; raises as :func:`open_convex_store` does."""

    async def look() -> None:
        await (await open_convex_store(url, access, call_seconds=call_seconds)).close()

    asyncio.run(look())
    return f"schema {SCHEMA}"


def functions_are_current(url: str, access: Access, *, call_seconds: float) -> bool:
    """Tell whether the deployment has this version's functions; raises ValueError, and StoreUnavailableError."""
    check_convex(url, access, call_seconds=call_seconds)
    return True
