"""One call of our functions, there and back, and again where that may help.

Every call may be sent again with the same ids: the functions know by them what they have done. What cannot be had ends
as StoreUnavailableError, whose text is for our log; it never holds the secret, nor anything the other side wrote::

    StoreUnavailableError
    ├── PassingError    no answer, 429 or 5xx: what is sent again may be answered
    └── StaleNodeError  the node's key is another than the one we remembered; nothing was written
"""

import asyncio
import random
import re
from contextlib import suppress

import httpx
import stamina
from pydantic import BaseModel, SecretStr, ValidationError

from slipway_gateway.ports import StoreUnavailableError

CONNECT_SECONDS = 2.0
CONNECTIONS_MAX = 64  # a deployment of the smallest class runs 16 mutations at once, and refuses the rest by 429
IDLE_SECONDS = 60.0  # kept open between a node's calls
PATIENCE_CALLS = 2
"""How many times the longest call a caller is kept waiting in all."""
FIRST_WAIT_SECONDS = 0.05
LONGEST_WAIT_SECONDS = 2.0
STALE_NODE_HEADER = "Slipway-Stale-Node"
_OK, _BAD_REQUEST, _UNAUTHORIZED, _NOT_FOUND, _WRONG_METHOD, _TOO_LARGE = 200, 400, 401, 404, 405, 413
_TOO_MANY_REQUESTS, _FIRST_SERVER_ERROR = 429, 500
_FIELD = re.compile(r"[A-Za-z0-9_.]{1,80}")
_REASONS = {
    _UNAUTHORIZED: "the deployment does not take our secret",
    _NOT_FOUND: "the deployment has no such function: deploy this version's functions",
    _WRONG_METHOD: "the deployment has no such function: deploy this version's functions",
    _TOO_LARGE: "a batch is over the functions' limit, which is a fault of ours",
}


class PassingError(StoreUnavailableError):
    """Another try may be answered."""

    def __init__(self, reason: str, wait_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.wait_seconds = wait_seconds


class StaleNodeError(StoreUnavailableError):
    """What we remember of the node is no longer so."""


class _FieldRefusal(BaseModel):
    field: str


class _Refusal(BaseModel):
    errors: list[_FieldRefusal] = []


class Functions:
    """Our functions on one deployment. ``transport`` takes the network's place in tests."""

    def __init__(
        self,
        url: str,
        secret: SecretStr,
        *,
        call_seconds: float,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._call_seconds = call_seconds
        self._closed = False
        self.sent_again = 0  # calls whose first answer is not known
        self._http = httpx.AsyncClient(
            base_url=url,
            headers={
                "Authorization": f"Bearer {secret.get_secret_value()}",
                "Content-Type": "application/json",
                "Accept": "application/json",
            },
            timeout=httpx.Timeout(call_seconds, connect=min(CONNECT_SECONDS, call_seconds)),
            limits=httpx.Limits(
                max_connections=CONNECTIONS_MAX,
                max_keepalive_connections=CONNECTIONS_MAX,
                keepalive_expiry=IDLE_SECONDS,
            ),
            transport=transport,
        )

    async def call(self, operation: str, arguments: bytes) -> bytes:
        """Return what ``operation`` answers to ``arguments``, both JSON; raises StoreUnavailableError."""
        patience_seconds = PATIENCE_CALLS * self._call_seconds
        last: PassingError | None = None
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_seconds):
                async for attempt in stamina.retry_context(
                    on=_pause,
                    attempts=None,
                    timeout=patience_seconds,
                    wait_initial=FIRST_WAIT_SECONDS,
                    wait_max=LONGEST_WAIT_SECONDS,
                    wait_jitter=FIRST_WAIT_SECONDS,
                ):
                    with attempt:
                        try:
                            return await self._once(operation, arguments)
                        except PassingError as error:
                            last = error
                            self.sent_again += 1
                            raise
        raise last or PassingError(f"{operation}: no answer within {patience_seconds:g} s")

    async def close(self) -> None:
        """Give the connections back."""
        self._closed = True
        await self._http.aclose()

    async def _once(self, operation: str, arguments: bytes) -> bytes:
        if self._closed:
            raise StoreUnavailableError("the store is closed")
        try:
            async with asyncio.timeout(self._call_seconds):  # the client's own limit is on each read, not on the whole
                response = await self._http.post(operation, content=arguments)
        except TimeoutError:
            raise PassingError(f"{operation}: no answer within {self._call_seconds:g} s") from None
        except httpx.HTTPError as error:  # its text may be the other side's
            raise PassingError(f"{operation}: {type(error).__name__}") from None
        if response.status_code == _OK:
            return response.content
        raise _refusal(operation, response)


def _refusal(operation: str, response: httpx.Response) -> StoreUnavailableError:
    status = response.status_code
    if response.headers.get(STALE_NODE_HEADER) == "1":
        return StaleNodeError(f"{operation}: the node's key is no longer the one remembered")
    if status == _TOO_MANY_REQUESTS or status >= _FIRST_SERVER_ERROR:
        return PassingError(f"{operation}: HTTP {status}", _seconds(response.headers.get("Retry-After")))
    if status == _BAD_REQUEST:
        return StoreUnavailableError(f"{operation}: the functions do not take {_fields(response)}: a fault of ours")
    reason = _REASONS.get(status, "is this the site of a Convex deployment?")
    return StoreUnavailableError(f"{operation}: HTTP {status}: {reason}")


def _fields(response: httpx.Response) -> str:
    """Return the fields that a refusal names, where they read like fields."""
    try:
        named = [error.field for error in _Refusal.model_validate_json(response.content).errors]
    except ValidationError:
        named = []
    return ", ".join(filter(_FIELD.fullmatch, named[:8])) or "the request"


def _seconds(retry_after: str | None) -> float | None:
    return float(retry_after) if retry_after is not None and re.fullmatch(r"\d{1,4}", retry_after) else None


def _pause(error: Exception) -> bool | float:
    """Tell whether to try again, and after how many seconds where the other side said so."""
    if not isinstance(error, PassingError):
        return False
    if error.wait_seconds is None:
        return True
    wait = min(error.wait_seconds, LONGEST_WAIT_SECONDS)
    return wait + random.uniform(0, FIRST_WAIT_SECONDS)  # noqa: S311 - jitter
