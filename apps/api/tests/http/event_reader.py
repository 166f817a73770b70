"""Reading Server-Sent Events in tests, by the lines that came."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx

PATIENCE_SECONDS = 20.0


@dataclass(frozen=True)
class Event:
    """One event as it came."""

    event: str
    id: str | None
    data: Any


class Reader:
    """Cuts text into events; with a response, gives them one by one."""

    def __init__(self, chunks: AsyncIterator[str] | None = None) -> None:
        self._chunks = chunks
        self._rest = ""
        self._told: list[Event] = []
        self._reading: asyncio.Task[str] | None = None

    def fed(self, text: str) -> list[Event]:
        """Return the events that ``text`` completes."""
        *whole, self._rest = (self._rest + text).split("\n\n")
        told = []
        for block in whole:
            fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
            if "data" in fields:
                told.append(Event(fields["event"], fields.get("id"), json.loads(fields["data"])))
        return told

    async def next(self) -> Event:
        """Return the next event; raises TimeoutError, and StopAsyncIteration at the end."""
        while not self._told:
            async with asyncio.timeout(PATIENCE_SECONDS):
                self._told += self.fed(await self._chunk())
        return self._told.pop(0)

    async def silent(self, seconds: float) -> bool:
        """Tell whether no event comes for so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._told:
                    self._told += self.fed(await self._chunk())
        return not self._told

    async def closed(self) -> bool:
        """Tell whether the stream is at its end."""
        with contextlib.suppress(StopAsyncIteration, httpx.RemoteProtocolError):
            await self.next()
            return False
        return True

    async def _chunk(self) -> str:
        assert self._chunks is not None
        self._reading = self._reading or asyncio.ensure_future(anext(self._chunks))
        chunk = await asyncio.shield(self._reading)  # waiting less long must not end the response
        self._reading = None
        return chunk


@contextlib.asynccontextmanager
async def listening(
    url: str, token: str, job_id: str | None = None, *, last_event_id: str | None = None
) -> AsyncIterator[Reader]:
    """Open a stream of a job, or of the token's workspace."""
    path = "/api/runtime/stream" if job_id is None else f"/api/runtime/jobs/{job_id}/stream"
    headers = {"Authorization": f"Bearer {token}"}
    if last_event_id is not None:
        headers["Last-Event-ID"] = last_event_id
    async with (
        httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client,
        client.stream("GET", url + path, headers=headers) as response,
    ):
        response.raise_for_status()
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        reader = Reader(response.aiter_text())
        yield reader
        if reader._reading is not None:
            reader._reading.cancel()
            await asyncio.gather(reader._reading, return_exceptions=True)
