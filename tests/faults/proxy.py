"""A TCP proxy before a server that can lose, delay or withhold the answer to a request that has reached the server."""

import contextlib
import re
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

CHUNK_BYTES = 64 * 1024
AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: close by a reset, and wait for nothing

_REQUEST = re.compile(rb"^[A-Z]+ (\S+) HTTP/1\.1\r\n")
_LENGTH = re.compile(rb"^content-length: *(\d+)", re.IGNORECASE | re.MULTILINE)


class Fault(StrEnum):
    """What becomes of the answer, and of its connection."""

    CUT = "cut"  # reset
    HALF_CLOSED = "half-closed"  # the server's side ends in good order, with nothing said
    DELAYED = "delayed"  # the answer comes, later than anyone waits
    WITHHELD = "withheld"  # nothing comes any more, and nothing ends


@dataclass
class Strike:
    """The next answer to ``call`` (the end of a request's path) that has ``telling`` in it meets ``fault``."""

    call: str
    fault: Fault
    telling: bytes = b""
    met: threading.Event = field(default_factory=threading.Event)


class Proxy:
    """Passes connections at ``port`` on to ``server_port`` of loopback."""

    def __init__(self, server_port: int, *, delay_seconds: float) -> None:
        self.delay_seconds = delay_seconds
        self._server_port = server_port
        self._lock = threading.Lock()
        self._strikes: list[Strike] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # rouses who waits in it
        self._listener.close()

    def arm(self, call: str, fault: Fault, telling: bytes = b"") -> Strike:
        """Have one answer meet a fault."""
        strike = Strike(call, fault, telling)
        with self._lock:
            self._strikes.append(strike)
        return strike

    def is_watched(self, path: bytes) -> bool:
        """Tell whether an answer to ``path`` may meet a fault, and has to be looked at whole."""
        with self._lock:
            return any(path.endswith(strike.call.encode()) for strike in self._strikes)

    def taken(self, path: bytes, answer: bytes) -> Fault | None:
        """Return the fault that this answer meets; it then waits for no other."""
        with self._lock:
            for strike in self._strikes:
                if path.endswith(strike.call.encode()) and strike.telling in answer:
                    self._strikes.remove(strike)
                    strike.met.set()
                    return strike.fault
        return None

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._server_port))
        except OSError:  # it is away: so is what stands before it
            _reset(client)
            return
        _Connection(self, client, server).run()


class _Connection:
    """One connection, whose requests come one after another, each after the answer to the last."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._path = b""

    def run(self) -> None:
        """Pass on until either side ends it."""
        asking = threading.Thread(target=self._requests, daemon=True)
        asking.start()
        with contextlib.suppress(OSError):
            self._answers()
            asking.join()
        with contextlib.suppress(OSError):
            self._client.shutdown(socket.SHUT_RD)  # rouses who reads: what is being read is not closed
        asking.join()
        _reset(self._client)
        self._server.close()

    def _requests(self) -> None:
        with contextlib.suppress(OSError):
            while chunk := self._client.recv(CHUNK_BYTES):
                if request := _REQUEST.match(chunk):
                    self._path = request[1].partition(b"?")[0]
                self._server.sendall(chunk)
            self._server.shutdown(socket.SHUT_WR)

    def _answers(self) -> None:
        """Pass answers on until the server ends, or a fault does; raises OSError for a reset."""
        while answer := self._server.recv(CHUNK_BYTES):
            if self._proxy.is_watched(self._path):
                answer += self._rest_of(answer)
            match self._proxy.taken(self._path, answer):
                case Fault.CUT:
                    raise ConnectionResetError
                case Fault.HALF_CLOSED:
                    break
                case Fault.WITHHELD:
                    continue
                case Fault.DELAYED:
                    time.sleep(self._proxy.delay_seconds)
                case None:
                    pass
            self._client.sendall(answer)
        self._client.shutdown(socket.SHUT_WR)

    def _rest_of(self, answer: bytes) -> bytes:
        """Read what is missing of an answer that says how long it is."""
        head, _, body = answer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        missing = int(length[1]) - len(body) if length else 0
        rest = bytearray()
        while len(rest) < missing and (chunk := self._server.recv(CHUNK_BYTES)):
            rest += chunk
        return bytes(rest)


def _reset(line: socket.socket) -> None:
    with contextlib.suppress(OSError):
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    line.close()
