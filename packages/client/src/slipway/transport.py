"""One request to the gateway, awaited or not: its retries, and what its answer means."""

import math
import random
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from typing import Any, Generic

import httpx
import stamina
from httpx_sse import EventSource, ServerSentEvent
from pydantic import BaseModel, ValidationError

from slipway.calls import Body, Call, Query
from slipway.errors import (
    ConfigurationError,
    SilentError,
    SlipwayError,
    UnexpectedAnswerError,
    UnreachableError,
    refusal,
)
from slipway.following import Heard
from slipway_contracts.errors import ERRORS, Code
from slipway_contracts.problem import Problem
from slipway_contracts.reads import JobChange, StreamEndReason, StreamReset

EVENT_STREAM = "text/event-stream"
CONNECT_SECONDS = 10.0
STREAM_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=0)
"""Of a pool of their own: each stream holds a connection for as long as it is open, and calls must not wait for one."""
HTTP_OK = 200
_SHOWN_CHARS = 120


_TOKEN_EXPIRED = Problem(
    type="about:blank",
    title=ERRORS[Code.UNAUTHORIZED].meaning,
    status=ERRORS[Code.UNAUTHORIZED].status,
    detail="the token expired while the stream was open",
    code=Code.UNAUTHORIZED,
    trace_id="",
    retryable=ERRORS[Code.UNAUTHORIZED].retryable,
)
"""What a stream's end by its token is told as; asked again, the gateway might open it anew for its clock's leeway."""


class _Ended(BaseModel):
    """A stream's end, whose reason may be a newer gateway's."""

    reason: str


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a call is tried. Every call of the contract may be repeated: a submit by its idempotency key."""

    attempts: int = 5
    total_seconds: float = 30.0  # no further try is begun after it
    first_wait_seconds: float = 0.2
    max_wait_seconds: float = 10.0  # a gateway that asks for a longer wait is told to the caller instead


NO_RETRIES = Retries(attempts=1)


@dataclass(frozen=True, slots=True)
class Answer(Generic[Body]):
    """A success, with the headers that the contract gives a meaning."""

    body: Body
    headers: httpx.Headers


class Rules:
    """When a call is tried again, and what goes with each."""

    def __init__(self, url: str, token: str, retries: Retries) -> None:
        self.retries = retries
        self.url = checked_url(url)
        self.headers = {"Authorization": f"Bearer {_checked_token(token)}", "Accept": "application/json"}

    def tries(self, within_seconds: float) -> Any:
        """Return the tries of one call, to be iterated over, awaited or not: one where the caller's time is limited."""
        retries = self.retries if within_seconds == math.inf else NO_RETRIES
        return stamina.retry_context(
            on=self.pause,
            attempts=retries.attempts,
            timeout=retries.total_seconds,
            wait_initial=retries.first_wait_seconds,
            wait_max=retries.max_wait_seconds,
            wait_jitter=retries.first_wait_seconds,
        )

    def unreachable(self, error: httpx.TransportError) -> UnreachableError:
        """Return what a caller is told of a failed connection."""
        kind = SilentError if isinstance(error, httpx.ReadTimeout) else UnreachableError
        return kind(f"no answer from {self.url}: {str(error) or type(error).__name__}")

    def pause(self, error: Exception) -> bool | float:
        """Tell stamina whether to try again, and after how many seconds where the gateway said so."""
        if not isinstance(error, SlipwayError) or not error.retryable:
            return False
        if error.retry_after_seconds is None:
            return True
        if error.retry_after_seconds > self.retries.max_wait_seconds:
            return False
        return error.retry_after_seconds + random.uniform(0, self.retries.first_wait_seconds)  # noqa: S311 - jitter


class Transport:
    """Sends calls with a bearer token and gives back models, or raises SlipwayError."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        retries: Retries,
        timeout_seconds: float,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._rules = Rules(url, token, retries)
        self._timeout_seconds = timeout_seconds
        known: dict[str, Any] = {"base_url": self._rules.url, "headers": self._rules.headers, "transport": transport}
        secure = httpx.create_ssl_context()
        self._http = httpx.Client(**known, verify=secure)
        self._streams = httpx.Client(**known, verify=secure, limits=STREAM_LIMITS)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()
        self._streams.close()

    def send(self, call: Call[Body], *, within_seconds: float = math.inf) -> Answer[Body]:
        """Send ``call``, again where that may help; only once where the caller gives it ``within_seconds``."""
        timeout_seconds = min(self._timeout_seconds, within_seconds)
        for attempt in self._rules.tries(within_seconds):
            with attempt:
                try:
                    response = self._http.request(call.method, call.path, **_parts(call), timeout=timeout_seconds)
                except httpx.TransportError as error:
                    raise self._rules.unreachable(error) from error
                return Answer(_body(response, call.answer), response.headers)
        raise AssertionError("the last try returns or raises")

    def listen(
        self, path: str, query: Query, after: int | None, silence_seconds: float
    ) -> Generator[Heard, None, None]:
        """Open a stream after the change ``after`` and yield what it tells, until it ends; not tried again.

        The first is None, once the gateway has answered with a stream. Raises UnauthorizedError at its token's end.
        """
        sent = _listening(query, after, silence_seconds)
        try:
            with self._streams.stream("GET", path, **sent) as response:
                if not response.is_success:
                    response.read()
                events = _events_of(response)
                yield None
                for event in events.iter_sse():
                    told = _told(event)
                    if told is not None:
                        yield told
        except httpx.TransportError as error:
            raise self._rules.unreachable(error) from error


class AsyncTransport:
    """Sends as :class:`Transport` does, for callers that await."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        retries: Retries,
        timeout_seconds: float,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._rules = Rules(url, token, retries)
        self._timeout_seconds = timeout_seconds
        known: dict[str, Any] = {"base_url": self._rules.url, "headers": self._rules.headers, "transport": transport}
        secure = httpx.create_ssl_context()
        self._http = httpx.AsyncClient(**known, verify=secure)
        self._streams = httpx.AsyncClient(**known, verify=secure, limits=STREAM_LIMITS)

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()
        await self._streams.aclose()

    async def send(self, call: Call[Body], *, within_seconds: float = math.inf) -> Answer[Body]:
        """Send ``call`` as :meth:`Transport.send` does."""
        timeout_seconds = min(self._timeout_seconds, within_seconds)
        async for attempt in self._rules.tries(within_seconds):
            with attempt:
                try:
                    response = await self._http.request(call.method, call.path, **_parts(call), timeout=timeout_seconds)
                except httpx.TransportError as error:
                    raise self._rules.unreachable(error) from error
                return Answer(_body(response, call.answer), response.headers)
        raise AssertionError("the last try returns or raises")

    async def listen(
        self, path: str, query: Query, after: int | None, silence_seconds: float
    ) -> AsyncGenerator[Heard, None]:
        """Open a stream and yield what it tells as :meth:`Transport.listen` does."""
        sent = _listening(query, after, silence_seconds)
        try:
            async with self._streams.stream("GET", path, **sent) as response:
                if not response.is_success:
                    await response.aread()
                events = _events_of(response)
                yield None
                async for event in events.aiter_sse():
                    told = _told(event)
                    if told is not None:
                        yield told
        except httpx.TransportError as error:
            raise self._rules.unreachable(error) from error


def _parts(call: Call[Body]) -> dict[str, Any]:
    kind = {"Content-Type": "application/json"} if call.content else {}
    return {"content": call.content, "headers": {**kind, **call.headers}, "params": _without_none(call.query)}


def _listening(query: Query, after: int | None, silence_seconds: float) -> dict[str, Any]:
    position = {} if after is None else {"Last-Event-ID": str(after)}
    return {
        "params": _without_none(query),
        "headers": {"Accept": EVENT_STREAM, **position},
        "timeout": httpx.Timeout(min(CONNECT_SECONDS, silence_seconds), read=silence_seconds),
    }


def _events_of(response: httpx.Response) -> EventSource:
    """Return the events of a stream; raises where the answer, which was read then, is none."""
    if not response.is_success:
        raise _refusal(response)
    if not response.headers.get("Content-Type", "").startswith(EVENT_STREAM):
        raise UnexpectedAnswerError(f"{response.url.path} answered with no stream", status=response.status_code)
    return EventSource(response)


def _told(event: ServerSentEvent) -> Heard:
    """Return what an event tells; None for an end that asks to connect again, and for what a newer gateway adds."""
    try:
        match event.event:
            case "change":
                return JobChange.model_validate_json(event.data, extra="ignore")
            case "reset":
                return StreamReset.model_validate_json(event.data, extra="ignore")
            case "end" if _Ended.model_validate_json(event.data).reason == StreamEndReason.TOKEN_EXPIRED:
                raise refusal(_TOKEN_EXPIRED)
            case _:
                return None
    except ValidationError as error:
        raise UnexpectedAnswerError(f"the event {event.id} does not hold", status=HTTP_OK) from error


def checked_url(url: str) -> str:
    """Return ``url`` without a trailing slash; raises ConfigurationError where it is no http(s) URL."""
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, TypeError) as error:
        raise ConfigurationError(f"{url!r} is not a URL: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.host or parts.userinfo or parts.query or parts.fragment:
        raise ConfigurationError(f"{url!r} is not a gateway's URL, as in https://slipway.example.org")
    return str(parts).rstrip("/")


def _checked_token(token: str) -> str:
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigurationError("the token is empty, or has characters that no token has")
    return token


def _without_none(query: Query | None) -> dict[str, str | int | list[str]]:
    return {name: value for name, value in (query or {}).items() if value is not None}


def _body(response: httpx.Response, answer: type[Body]) -> Body:
    if response.is_success:
        try:
            return answer.model_validate_json(response.content, extra="ignore")  # answers may gain fields
        except ValidationError as error:
            raise _unexpected(response) from error
    raise _refusal(response)


def _refusal(response: httpx.Response) -> SlipwayError:
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:
        return _unexpected(response)
    return refusal(problem, retry_after_seconds=_retry_after_seconds(response))


def _unexpected(response: httpx.Response) -> UnexpectedAnswerError:
    start = " ".join(response.text.split())[:_SHOWN_CHARS]
    location = response.headers.get("Location")
    said = f"; it redirects to {location}" if location else f": {start}" if start else ""
    return UnexpectedAnswerError(
        f"{response.url.copy_with(query=None)} answered {response.status_code}, not as a Slipway gateway does{said}",
        status=response.status_code,
        retry_after_seconds=_retry_after_seconds(response),
    )


def _retry_after_seconds(response: httpx.Response) -> float | None:
    """Read the header in seconds, which is the contract's form; a proxy's date is left to the back-off."""
    value = response.headers.get("Retry-After", "").strip()
    return float(value) if value.isdecimal() else None
