"""The deployment itself: which functions it has, whether it keeps what they write, whether it is a store yet."""

from slipway_gateway.ports import StoreUnavailableError, UnfinishedImportError
from slipway_gateway.stores.convex import answers
from slipway_gateway.stores.convex.asking import Asking

SCHEMA = 1
"""The version of our functions that this gateway speaks to."""


async def look_at(asking: Asking, *, allow_testing: bool, allow_importing: bool = False) -> None:
    """Return where the deployment may be used.

    Raises ValueError where nothing keeps what is written, and that is not allowed; StoreUnavailableError where our
    functions are out of reach or of another version, or an import is not finished, where that is not allowed.
    """
    told = await asking.ask("check", answers.Deployment, {})
    if told.testing and not allow_testing:
        raise ValueError("the store is a test host, which keeps nothing: SLIPWAY_ALLOW_TESTING_STORE allows it")
    if told.schema_version != SCHEMA:
        raise StoreUnavailableError(f"the functions are of schema {told.schema_version}, not {SCHEMA}: deploy ours")
    if told.importing and not allow_importing:
        raise UnfinishedImportError("the store holds an unfinished import: run `slipway-gateway import` again")
