"""Reading https with the address that was checked being the address connected to, on every redirect."""

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import urljoin

import httpx

from slipway_contracts.node_policy import uri_refusal
from slipway_node.payloads.document import INVALID
from slipway_node.ports import RefusedJobError

HTTPS = frozenset({"https"})
REDIRECTS_MAX = 5
CONNECT_SECONDS = 10.0
_UNAVAILABLE = "payload_unavailable"
_GONE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_LATER = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


async def read_https(
    uri: str,
    prefixes: Sequence[str],
    limit_bytes: int,
    field: str,
    allow_private: bool,  # noqa: FBT001
    schemes: frozenset[str] = HTTPS,
) -> bytes:
    """Return the body at ``uri``; each redirect is checked as the first URI was. Raises RefusedJobError."""
    for _ in range(REDIRECTS_MAX + 1):
        refusal = uri_refusal(uri, prefixes, schemes)
        if refusal is not None:
            raise RefusedJobError("policy_rejected", f"{field}: {_shown(uri)}: {refusal}")
        answer = await _get(uri, limit_bytes, field, allow_private)
        if isinstance(answer, bytes):
            return answer
        uri = urljoin(uri, answer)
    raise RefusedJobError(INVALID, f"{field}: {_shown(uri)}: more than {REDIRECTS_MAX} redirects")


async def _get(uri: str, limit_bytes: int, field: str, allow_private: bool) -> bytes | str:  # noqa: FBT001
    """Return the body, or where a redirect leads."""
    url = httpx.URL(uri)
    address = await _address_of(url, field, allow_private)
    pinned = url.copy_with(host=address)
    headers = {"Host": url.netloc.decode("ascii"), "Accept-Encoding": "identity"}
    try:
        async with (
            httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=CONNECT_SECONDS) as client,
            client.stream("GET", pinned, headers=headers, extensions={"sni_hostname": url.host}) as response,
        ):
            if response.has_redirect_location:
                return response.headers["Location"]
            _check_status(response.status_code, uri, field)
            return await _body(response, limit_bytes, uri, field)
    except httpx.TransportError as error:
        raise RefusedJobError(_UNAVAILABLE, f"{field}: {_shown(uri)}: {error!r}", retryable=True) from error


async def _address_of(url: httpx.URL, field: str, allow_private: bool) -> str:  # noqa: FBT001
    """Resolve the host once; all its addresses must be public unless private ones are allowed."""
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise RefusedJobError(_UNAVAILABLE, f"{field}: {url.host}: {error.strerror}", retryable=True) from error
    addresses = [str(entry[4][0]) for entry in found]
    if not allow_private:
        for address in addresses:
            if not is_public(address):
                raise RefusedJobError("policy_rejected", f"{field}: {url.host} is the private address {address}")
    return addresses[0]


def is_public(address: str) -> bool:
    """Tell whether the address is one of the open internet, seen through IPv4-in-IPv6 forms."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if inner is not None:
            parsed = inner
        elif parsed in _NAT64:
            parsed = ipaddress.IPv4Address(parsed.packed[-4:])
    return parsed.is_global and not parsed.is_multicast


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def _check_status(status: int, uri: str, field: str) -> None:
    if status == HTTPStatus.OK:
        return
    if status in _GONE:
        raise RefusedJobError(INVALID, f"{field}: {_shown(uri)} is not there ({status})")
    if status in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise RefusedJobError(_UNAVAILABLE, f"{field}: {_shown(uri)} answers {status}", retryable=True)
    raise RefusedJobError(INVALID, f"{field}: {_shown(uri)} answers {status}")


async def _body(response: httpx.Response, limit_bytes: int, uri: str, field: str) -> bytes:
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > limit_bytes:
            raise RefusedJobError(INVALID, f"{field}: {_shown(uri)} is over the limit of {limit_bytes} bytes")
    return bytes(content)


def _shown(uri: str) -> str:
    """Leave the query out of messages: it may carry a signature that grants access."""
    return uri.partition("?")[0]
