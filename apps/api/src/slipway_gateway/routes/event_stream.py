"""Server-Sent Events: frames, and the response that sends them until either side ends."""

import asyncio
import contextlib
from collections.abc import Callable, MutableMapping
from typing import Any, assert_never

from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from slipway_contracts.reads import StreamEnd
from slipway_gateway.problems import ContractError
from slipway_gateway.usecases.streams import Began, CutOffError, Ended, Happening, Silence, Stream, Told

ABORT = "slipway.abort"
"""The ASGI extension that drops the connection at once; a server without it closes it as it can."""
STALLED_SECONDS = 30.0
"""How long one write may wait for a reader before it is cut off, however little it has been sent."""
RECONNECT_MILLISECONDS = 1_000
HEAD = f"retry: {RECONNECT_MILLISECONDS}\n\n".encode()
HEARTBEAT = b": heartbeat\n\n"


def frame(event: str, data: str, event_id: int | None = None) -> bytes:
    """Return one event. JSON has no line breaks of its own, so ``data`` is one line."""
    number = "" if event_id is None else f"id: {event_id}\n"
    return f"event: {event}\n{number}data: {data}\n\n".encode()


def framed(happening: Happening) -> bytes:
    """Return what is sent for ``happening``."""
    match happening:
        case list():
            return b"".join(map(_change, happening))
        case Began(change, document):
            return frame("reset", document, change)
        case Silence():
            return HEARTBEAT
        case Ended(reason):
            return frame("end", StreamEnd(reason=reason).model_dump_json())
        case _:
            assert_never(happening)


def _change(told: Told) -> bytes:
    if told.frame is None:
        told.frame = frame("change", told.change.model_dump_json(), told.change.change)
    return told.frame


class EventStream(Response):
    """Sends a stream; ends it when the reader is gone, and cuts off a reader that does not read."""

    media_type = "text/event-stream"

    def __init__(self, stream: Stream) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the stream ends or the reader is gone."""
        abort = _abort_of(scope)
        gone = asyncio.create_task(self._close_when_gone(receive, abort))
        happenings = self._stream.happenings(abort)
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await _sent(send, HEAD)
            async for happening in happenings:
                await _sent(send, framed(happening))
                del happening  # the state that a stream begins with is large, and the next event may be hours away
            await _sent(send, b"", last=True)
        except (CutOffError, TimeoutError):
            abort()
        finally:
            self._stream.leave()
            await happenings.aclose()
            gone.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await gone

    async def _close_when_gone(self, receive: Receive, abort: Callable[[], None]) -> None:
        try:
            while (await receive())["type"] != "http.disconnect":
                pass
        except ContractError:  # a body over its limit: too late to refuse, and no word of a disconnect comes behind it
            abort()
        self._stream.close()


async def _sent(send: Send, body: bytes, *, last: bool = False) -> None:
    """Send ``body``; raises TimeoutError when the reader does not make room for it in time."""
    async with asyncio.timeout(STALLED_SECONDS):
        await send({"type": "http.response.body", "body": body, "more_body": not last})


def _abort_of(scope: MutableMapping[str, Any]) -> Callable[[], None]:
    extension = scope.get("extensions", {}).get(ABORT)
    if extension is None:
        return lambda: None
    abort: Callable[[], None] = extension["abort"]
    return abort
