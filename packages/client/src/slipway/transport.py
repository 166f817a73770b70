"""One request to the gateway: its retries, and what its answer means."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import httpx
import stamina
from pydantic import BaseModel, ValidationError

from slipway.errors import ConfigurationError, SlipwayError, UnexpectedAnswerError, UnreachableError, refusal
from slipway_contracts.problem import Problem

Body = TypeVar("Body", bound=BaseModel)
Query = Mapping[str, str | int | list[str] | None]

_SHOWN_CHARS = 120


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


class Transport:
    """Sends requests with a bearer token and gives back models, or raises SlipwayError."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        retries: Retries,
        timeout_seconds: float,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.retries = retries
        self._http = httpx.Client(
            base_url=checked_url(url),
            headers={"Authorization": f"Bearer {_checked_token(token)}", "Accept": "application/json"},
            timeout=timeout_seconds,
            transport=transport,
        )

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def get(self, path: str, answer: type[Body], query: Query | None = None) -> Body:
        """Read ``path``."""
        return self._call(lambda: self._http.build_request("GET", path, params=_without_none(query)), answer).body

    def post(self, path: str, content: str, answer: type[Body], query: Query | None = None) -> Answer[Body]:
        """Post JSON to ``path``."""
        headers = {"Content-Type": "application/json"} if content else {}
        return self._call(
            lambda: self._http.build_request(
                "POST", path, content=content, headers=headers, params=_without_none(query)
            ),
            answer,
        )

    def _call(self, request: Callable[[], httpx.Request], answer: type[Body]) -> Answer[Body]:
        retries = self.retries
        tries = stamina.retry_context(
            on=self._pause,
            attempts=retries.attempts,
            timeout=retries.total_seconds,
            wait_initial=retries.first_wait_seconds,
            wait_max=retries.max_wait_seconds,
            wait_jitter=retries.first_wait_seconds,
        )
        for attempt in tries:
            with attempt:
                response = self._sent(request())
                return Answer(_body(response, answer), response.headers)
        raise AssertionError("the last try returns or raises")

    def _pause(self, error: Exception) -> bool | float:
        """Tell stamina whether to try again, and after how many seconds where the gateway said so."""
        if not isinstance(error, SlipwayError) or not error.retryable:
            return False
        if error.retry_after_seconds is None:
            return True
        if error.retry_after_seconds > self.retries.max_wait_seconds:
            return False
        return error.retry_after_seconds + random.uniform(0, self.retries.first_wait_seconds)  # noqa: S311 - jitter

    def _sent(self, request: httpx.Request) -> httpx.Response:
        try:
            return self._http.send(request)
        except httpx.TransportError as error:
            said = str(error) or type(error).__name__
            raise UnreachableError(f"no answer from {self._http.base_url}: {said}") from error


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
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError as error:
        raise _unexpected(response) from error
    raise refusal(problem, retry_after_seconds=_retry_after_seconds(response))


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
