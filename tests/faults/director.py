"""Who decides what happens at a point: holds the process that reaches an armed one, and lets all others go."""

import contextlib
import socketserver
import threading
from collections import Counter
from pathlib import Path
from typing import Self


class Strike:
    """One armed point. Once it is reached, its process is held until ``release``."""

    def __init__(self, point: str) -> None:
        self.point = point
        self.pid: int | None = None
        self.times = 1  # how often the held process is to do its step once it is let go (points.py)
        self._reached = threading.Event()
        self._released = threading.Event()

    def reached(self, timeout_seconds: float) -> bool:
        """Wait until a process is at the point; tell whether one came."""
        return self._reached.wait(timeout_seconds)

    def release(self) -> None:
        """Let the process go."""
        self._released.set()

    def meet(self, pid: int) -> bool:
        """Take in a process at the point; tell whether it is to be held. Called under the director's lock."""
        if self._reached.is_set():
            return False
        self.pid = pid
        self._reached.set()
        return True

    def hold(self) -> None:
        """Wait for ``release``."""
        self._released.wait()


class Director:
    """Listens at ``address`` for processes that cross points; counts all of them."""

    def __init__(self, address: Path) -> None:
        self.address = address
        self.crossed: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._strikes: list[Strike] = []
        self._server = _Server(str(address), self)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.disarm()
        self._server.shutdown()
        self._server.server_close()

    def arm(self, point: str) -> Strike:
        """Hold the next process that comes to ``point``."""
        strike = Strike(point)
        with self._lock:
            self._strikes.append(strike)
        return strike

    def disarm(self) -> None:
        """Hold nobody any more."""
        with self._lock:
            strikes, self._strikes = self._strikes, []
        for strike in strikes:
            strike.release()

    def met(self, pid: int, point: str) -> int:
        """Take in a crossing; return how often the step is to be done, once the process may go on."""
        with self._lock:
            self.crossed[point] += 1
            strike = next((each for each in self._strikes if each.point == point and each.meet(pid)), None)
        if strike is None:
            return 1
        strike.hold()
        return strike.times


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, address: str, director: Director) -> None:
        super().__init__(address, _Crossing)
        self.director = director


class _Crossing(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Server)
        pid, _, point = self.rfile.readline().decode().strip().partition(" ")
        times = self.server.director.met(int(pid), point) if pid else 1
        with contextlib.suppress(OSError):  # it was killed meanwhile
            self.wfile.write(str(times).encode())
