"""The tests' own RabbitMQ, which they may kill."""

import contextlib
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

from local_stack import is_free

SCRIPT = Path(__file__).with_name("rabbitmq.sh")
SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


def is_here() -> bool:
    """Tell whether one can be started."""
    return SERVER.exists() and os.geteuid() == 0


class RabbitMq:
    """A RabbitMQ with its files in ``folder``, on ports that were free."""

    def __init__(self, folder: Path) -> None:
        self._env = {**os.environ, "SLIPWAY_RABBITMQ_DIR": str(folder), "SLIPWAY_RABBITMQ_PORT": str(_three_ports())}
        self.url = self.do("url").strip()
        self._log = folder / "slipway@localhost.log"

    def start(self) -> None:
        """Start it, for the first time or after a kill; returns when it listens."""
        self.do("start")

    def kill(self) -> None:
        """Kill it outright."""
        self.do("kill")

    def times_out_of_patience(self) -> int:
        """Return how often it has taken tasks back from a worker that was not done with them."""
        return self._log.read_text().count("timed out waiting")

    def do(self, what: str) -> str:
        """Do one of the script's."""
        return subprocess.run([SCRIPT, what], env=self._env, check=True, capture_output=True, text=True).stdout


@contextlib.contextmanager
def rabbitmq_in(folder: Path) -> Iterator[RabbitMq]:
    """Run a RabbitMQ."""
    server = RabbitMq(folder)
    server.start()
    try:
        yield server
    finally:
        server.do("stop")


def _three_ports() -> int:
    """Return the first of three free ports in a row.

    They are none that the system gives to connections: one would have taken them while the server is down.
    """
    while True:
        first = random.randrange(20_000, 32_000)  # Linux begins at 32768
        if all(is_free(port) for port in range(first, first + 3)):
            return first
