"""A whole Slipway on this machine: gateways and nodes as real processes, for the demo, the tests and the benchmarks.

Each process runs in a session of its own with its output in a log file, so that it can be killed outright, restarted on
the same port and data, and read afterwards.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil  # type: ignore[import-untyped,unused-ignore] # ships no types

BIN = Path(sys.executable).parent
READY_TIMEOUT_SECONDS = 60.0  # a first start on a loaded two-core machine, with room
POLL_SECONDS = 0.05
TENANT, WORKSPACE, USER = "lab", "physics", "ada"


class StackError(RuntimeError):
    """A part of the stack did not do what it should; the message carries the end of its log."""


def free_port() -> int:
    """Return a TCP port on loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Tell whether nothing listens on this port of loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@dataclass
class Process:
    """One child process, leader of its own session, logging to ``log``."""

    name: str
    argv: Sequence[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; its output is appended to the log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(  # noqa: S603 - our own command lines
                list(self.argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **self.env},
            )

    @property
    def pid(self) -> int:
        """Return the process id; raises StackError when it was never started."""
        if self.child is None:
            raise StackError(f"{self.name} was not started")
        return self.child.pid

    def running(self) -> bool:
        """Tell whether it runs."""
        return self.child is not None and self.child.poll() is None

    def kill(self) -> None:
        """Kill it outright (SIGKILL), and only it: what it started lives on."""
        if self.child is not None and self.running():
            self.child.kill()
            self.child.wait()

    def stop(self, timeout_seconds: float = 30.0) -> int | None:
        """Ask it to end (SIGTERM) and wait; killed when it does not. Returns its exit code."""
        if self.child is None:
            return None
        if self.running():
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(timeout_seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.child.returncode

    def tail(self, lines: int = 15) -> str:
        """Return the last lines of its log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def wait_until(what: str, holds: object, timeout_seconds: float = READY_TIMEOUT_SECONDS) -> None:
    """Wait until the callable ``holds`` returns true; raises StackError naming ``what`` when it does not in time."""
    if not callable(holds):
        raise TypeError("holds must be callable")
    deadline = time.monotonic() + timeout_seconds
    while not holds():
        if time.monotonic() > deadline:
            raise StackError(f"gave up after {timeout_seconds:.0f} s waiting until {what}")
        time.sleep(POLL_SECONDS)


@dataclass
class Gateway:
    """A gateway process on a data directory; several may share one."""

    data_dir: Path
    log: Path
    port: int = field(default_factory=free_port)
    env: Mapping[str, str] = field(default_factory=dict)
    process: Process = field(init=False)

    def __post_init__(self) -> None:
        argv = [str(BIN / "slipway-gateway"), "serve", "--port", str(self.port), "--data-dir", str(self.data_dir)]
        self.process = Process("gateway", argv, self.log, self.env)

    @property
    def url(self) -> str:
        """Return the base URL."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> float:
        """Start it and wait until it is ready; return how many seconds that took."""
        began = time.monotonic()
        self.process.start()
        while not self.ready():
            if not self.process.running() or time.monotonic() - began > READY_TIMEOUT_SECONDS:
                raise StackError(f"the gateway did not come up:\n{self.process.tail()}")
            time.sleep(0.01)
        return time.monotonic() - began

    def ready(self) -> bool:
        """Tell whether it answers and has its store in reach."""
        try:
            with urllib.request.urlopen(f"{self.url}/api/ready", timeout=2) as answer:  # noqa: S310 - loopback
                return bool(answer.status == 200)  # noqa: PLR2004 - HTTP's own number
        except (urllib.error.URLError, OSError):
            return False

    def token(self, *, tenant: str = TENANT, workspace: str = WORKSPACE, user: str = USER, role: str = "member") -> str:
        """Return a development token."""
        argv = [str(BIN / "slipway-gateway"), "dev-token", "--tenant", tenant, "--workspace", workspace]
        argv += ["--user", user, "--role", role, "--data-dir", str(self.data_dir)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
        if done.returncode != 0:
            raise StackError(f"dev-token: {done.stderr.strip()}")
        return done.stdout.strip()

    def call(self, method: str, path: str, *, token: str, body: object = None) -> dict[str, object]:
        """Call the API and return its JSON; raises StackError for a refusal."""
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{self.url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
                result: dict[str, object] = json.loads(answer.read())
                return result
        except urllib.error.HTTPError as error:
            raise StackError(f"{method} {path}: {error.code} {error.read().decode()}") from None


@dataclass
class Node:
    """A management node: one home, one agent process, one AiiDA profile."""

    home: Path
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    process: Process = field(init=False)

    def __post_init__(self) -> None:
        argv = [str(BIN / "slipway-node"), "run", "--home", str(self.home)]
        self.process = Process("node", argv, self.log, self.env)

    def enroll(self, gateway: Gateway, *, tenant: str = TENANT, options: Sequence[str] = ()) -> None:
        """Enrol with a join token made for it."""
        admin = gateway.token(tenant=tenant, user="admin", role="admin")
        join = gateway.call("POST", "/api/runtime/nodes/join-tokens", token=admin, body={"node_name": self.home.name})
        argv = [str(BIN / "slipway-node"), "enroll", "--home", str(self.home), "--gateway", gateway.url]
        argv += ["--token", str(join["token"]), *options]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, **self.env})  # noqa: S603 - ours
        if done.returncode != 0:
            raise StackError(f"enrol: {done.stderr.strip() or done.stdout.strip()}")

    def start(self) -> None:
        """Start the agent; :func:`wait_for_node` tells when the gateway has seen it."""
        self.process.start()

    def stop(self) -> None:
        """Stop the agent, and the engine with it, also when the agent was killed before."""
        self.process.stop(timeout_seconds=60)
        self.stop_engine()

    def verdi(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``verdi`` on the node's own AiiDA."""
        env = {**os.environ, **self.env, "AIIDA_PATH": str(self.home / "aiida")}
        return subprocess.run([str(BIN / "verdi"), *arguments], capture_output=True, text=True, check=False, env=env)  # noqa: S603 - ours

    def engine_processes(self, word: str) -> list[psutil.Process]:
        """Return the processes of this node's AiiDA daemon whose command line has ``word``."""
        home = str(self.home / "aiida")
        found = []
        for process in psutil.process_iter():
            try:
                if word in process.cmdline() and home in process.environ().get("AIIDA_PATH", ""):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def stop_engine(self) -> None:
        """Stop AiiDA's daemon if an agent that was killed left it running."""
        if (self.home / "aiida").exists():
            self.verdi("daemon", "stop")


def wait_for_node(gateway: Gateway, node: Node, token: str) -> str:
    """Wait until the gateway counts ``node`` as present; return its management_node_id."""
    found: list[str] = []

    def present() -> bool:
        if not node.process.running():
            raise StackError(f"the node's agent ended:\n{node.process.tail()}")
        listing = gateway.call("GET", "/api/runtime/nodes", token=token)["nodes"]
        if not isinstance(listing, list):
            return False
        found[:] = [
            entry["management_node_id"]
            for entry in listing
            if entry["node_name"] == node.home.name and not entry["overdue"] and entry["policy"]
        ]
        return bool(found)

    wait_until(f"node {node.home.name} is present", present)
    return found[0]


@contextlib.contextmanager
def running(gateway: Gateway, node: Node, *, options: Sequence[str] = ()) -> Iterator[str]:
    """Run a gateway and a node (enrolled if it is not yet); yield the management_node_id; stop both."""
    gateway.start()
    try:
        if not (node.home / "node.json").exists():
            node.enroll(gateway, options=options)
        node.start()
        try:
            yield wait_for_node(gateway, node, gateway.token())
        finally:
            node.stop()
    finally:
        gateway.process.stop()
