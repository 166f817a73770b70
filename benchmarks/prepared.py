"""Prepared HTTP requests, and the process of its own that sends them (benchmarks/load.py)."""

import json
import struct
import subprocess
import sys
from collections.abc import Sequence

ROUND_TIMEOUT_SECONDS = 300.0  # what is refused for ever is not sent for ever


def post(path: str, body: object, token: str | None = None) -> bytes:
    """Return a whole POST of ``body`` as JSON, framed by its length."""
    content = json.dumps(body).encode()
    authorization = "" if token is None else f"Authorization: Bearer {token}\r\n"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{authorization}"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    ).encode()
    return struct.pack(">I", len(head) + len(content)) + head + content


def send(
    port: int, connections: int, requests: Sequence[bytes], status: int, *, again: int | None = None
) -> dict[str, float]:
    """Send each request until its answer is not ``again``; return the figures, with how often that was.

    Raises RuntimeError unless each is answered with ``status`` in the end.
    """
    argv = [sys.executable, "-m", "benchmarks.load", str(port), str(connections)]
    argv += [] if again is None else [str(again)]
    done = subprocess.run(
        argv, input=b"".join(requests), capture_output=True, check=False, timeout=ROUND_TIMEOUT_SECONDS
    )
    if done.returncode != 0:
        raise RuntimeError(f"not every request was answered: {done.stderr.decode()[-1500:]}")
    figures = json.loads(done.stdout)
    statuses: dict[str, int] = figures.pop("statuses")
    sent_again = statuses.pop(str(again), 0)
    if statuses != {str(status): len(requests)}:
        raise RuntimeError(f"not every answer was a {status}: {statuses}")
    return {**figures, "again": sent_again}
