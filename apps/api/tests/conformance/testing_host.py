"""Our Convex functions in a process of their own, on the stand-in of convex/testing: true functions, true wire."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
from pydantic import SecretStr

from slipway_gateway.stores import open_store
from slipway_gateway.stores.access import Access
from slipway_gateway.stores.convex.store import ConvexProductStore

CONVEX = Path(__file__).parents[4] / "convex"
SECRET = "the-secret-of-the-testing-host"
CALL_SECONDS = 5.0


class TestingHost:
    """The host's process; ``reset`` makes it as new."""

    __test__ = False

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["pnpm", "-C", str(CONVEX), "run", "testing-host", "--", "--port", "0"],
            env=os.environ | {"SLIPWAY_GATEWAY_SECRET": SECRET},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # pnpm starts node, and both are to end
        )
        self.url = self._ready()

    def _ready(self) -> str:
        said = []
        for line in self._process.stdout:
            said.append(line)
            if line.startswith("ready "):
                return line.split()[1]
        raise RuntimeError("the testing host did not start: " + "".join(said))

    def reset(self) -> None:
        httpx.post(f"{self.url}/testing/reset", timeout=30).raise_for_status()

    def deeds(self) -> list[str]:
        """Return the action of each deed in the audit, oldest first."""
        told = httpx.post(f"{self.url}/testing/deeds", timeout=30).raise_for_status().json()
        return list(told["deeds"])

    def inject(self, kind: str, operation: str | None, **fault: int) -> None:
        """Let the next call of ``operation``, or the next ``times``, meet a fault."""
        told = {"kind": kind, "operation": operation, **fault}
        httpx.post(f"{self.url}/testing/fault", json=told, timeout=30).raise_for_status()

    def heal(self) -> None:
        """Take back the faults that were not met."""
        httpx.post(f"{self.url}/testing/heal", timeout=30).raise_for_status()

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Let nobody be answered for a while."""
        os.killpg(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self._process.pid, signal.SIGCONT)

    async def opened(self, *, sole_gateway: bool = False, call_seconds: float = CALL_SECONDS) -> ConvexProductStore:
        access = Access(SecretStr(SECRET), sole_gateway=sole_gateway, allow_testing_store=True)
        store = await open_store(f"convex+{self.url}", access, timeout_seconds=call_seconds)
        assert isinstance(store, ConvexProductStore)
        return store

    def close(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process.stdout.close()
