"""Reading one URI whose prefix was checked: file, data, https, s3."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from slipway_node.payloads.document import INVALID
from slipway_node.payloads.https import read_https
from slipway_node.payloads.limits import Limits
from slipway_node.ports import RefusedJobError

UNAVAILABLE = "payload_unavailable"
_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Source:
    """What a payload may be read from, and how much of it."""

    prefixes: tuple[str, ...]
    limits: Limits
    allow_private: bool = False


async def read(uri: str, source: Source, field: str) -> bytes:
    """Return the bytes at ``uri``; raises RefusedJobError (``payload_unavailable`` is retryable)."""
    scheme = uri.partition(":")[0].lower()
    try:
        async with asyncio.timeout(source.limits.seconds):
            match scheme:
                case "data":
                    return _read_data(uri, field)
                case "file":
                    return await asyncio.to_thread(_read_file, uri, source, field)
                case "https":
                    return await read_https(uri, source.prefixes, source.limits.file_bytes, field, source.allow_private)
                case _:
                    return await asyncio.to_thread(_read_fsspec, uri, source, field)
    except TimeoutError as error:
        raise _unavailable(field, uri, f"no answer within {source.limits.seconds:g} s") from error


async def read_on_node(path: Path, source: Source, field: str) -> bytes:
    """Return the content of a file of the node's own; raises RefusedJobError as ``read`` does."""
    return await asyncio.to_thread(_bounded, lambda: path.open("rb"), str(path), source, field)


def _read_data(uri: str, field: str) -> bytes:
    """Decode a `data:` URI (RFC 2397)."""
    import base64
    import binascii

    header, comma, body = uri[len("data:") :].partition(",")
    if not comma:
        raise RefusedJobError(INVALID, f"{field}: a data: URI has a comma before its content")
    try:
        if header.endswith(";base64"):
            return base64.b64decode(unquote_to_bytes(body), validate=True)
    except binascii.Error as error:
        raise RefusedJobError(INVALID, f"{field}: the data: URI is not base64: {error}") from error
    return unquote_to_bytes(body)


def _read_file(uri: str, source: Source, field: str) -> bytes:
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost"):
        raise RefusedJobError(INVALID, f"{field}: a file URI names no host; this one names {parts.netloc}")
    path = Path(os.path.realpath(unquote(parts.path)))
    roots = [
        Path(os.path.realpath(unquote(urlsplit(prefix).path)))
        for prefix in source.prefixes
        if prefix.lower().startswith("file:")
    ]
    if not any(path == root or root in path.parents for root in roots):
        raise RefusedJobError("policy_rejected", f"{field}: {uri} is a link that leads out of the allowed prefixes")
    return _bounded(lambda: _regular(path, uri, field), uri, source, field)


def _regular(path: Path, uri: str, field: str) -> BinaryIO:
    if path.exists() and not path.is_file():
        raise RefusedJobError(INVALID, f"{field}: {uri} is not a regular file")
    return path.open("rb")


def _read_fsspec(uri: str, source: Source, field: str) -> bytes:
    import fsspec

    try:
        opened = fsspec.open(uri, "rb")
    except (ImportError, ValueError) as error:
        scheme = uri.partition(":")[0]
        raise RefusedJobError(INVALID, f"{field}: this node cannot read {scheme}: {error}") from error
    return _bounded(opened.open, uri, source, field)


def _bounded(opened: Callable[[], Any], uri: str, source: Source, field: str) -> bytes:
    """Read to the end, or to the limit and not a byte more."""
    limit = source.limits.file_bytes
    try:
        with opened() as stream:
            content = bytearray()
            while chunk := stream.read(min(_CHUNK_BYTES, limit + 1 - len(content))):
                content += chunk
                if len(content) > limit:
                    raise RefusedJobError(INVALID, f"{field}: {uri} is over the limit of {limit} bytes")
    except FileNotFoundError as error:
        raise RefusedJobError(INVALID, f"{field}: {uri} is not there") from error
    except PermissionError as error:
        raise RefusedJobError(INVALID, f"{field}: {uri} may not be read by this node's account") from error
    except OSError as error:
        raise _unavailable(field, uri, str(error)) from error
    return bytes(content)


def _unavailable(field: str, uri: str, reason: str) -> RefusedJobError:
    return RefusedJobError(UNAVAILABLE, f"{field}: {uri.partition('?')[0]}: {reason}", retryable=True)
