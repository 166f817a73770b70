"""A reader who carries out a page's blocks, one after the other, in a folder that has what a checkout has."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from local_stack import BIN, Gateway, Process, free_port, wait_until
from testing_host import SECRET, TestingHost

from contract_gate.command_blocks import Block, Kind, like, transcript

ROOT = Path(__file__).parents[2]
CHECKOUT = ("Makefile", "samples", "tools", ".venv")
SERVERS = {("slipway-gateway", "serve"), ("slipway-node", "run")}
"""Commands that stay: a reader runs them in another terminal and goes on when they are ready."""
OF_MAKE = {"MAKELEVEL", "MAKEFLAGS", "MFLAGS"}
"""What `make test` tells the programs it runs: a make among them says more then than one that a reader types."""
NEW_TENANT = "new-lab"
"""Whose admin enrols the page's node, so that no other page's job is sent to it."""
SERVICES = {"with pw.x": "pw.x", "on the stand-in in memory": "pnpm"}
"""What a condition needs of this machine."""

_STYLE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
_PORT = re.compile(r"\b8700\b")
_JOIN_TOKEN = re.compile(r"\bTOKEN\b")
_DEPLOYMENT = re.compile(r"convex\+https://[\w<>-]+\.convex\.site")


@dataclass
class Reader:
    """Reads one page. What a block exports, the next ones have; what it serves, they find."""

    folder: Path
    given: Mapping[str, str]
    """What the pages take for given in the environment."""
    is_here: Callable[[str], bool]
    left_out: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(init=False)
    _port: int = field(default_factory=free_port)
    _served: list[Process] = field(default_factory=list)
    _host: TestingHost | None = None
    _said: str = ""
    _leaving: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        """Lay out the folder. All that is installed is installed."""
        for name in CHECKOUT:
            (self.folder / name).symlink_to(ROOT / name)
        bootstrap = self.folder / "scripts" / "bootstrap.sh"
        bootstrap.parent.mkdir()
        bootstrap.write_text("#!/bin/sh\n")
        bootstrap.chmod(0o755)
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in OF_MAKE},
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "COLUMNS": "100",
            **self.given,
        }

    def carry_out(self, block: Block) -> None:
        """Run a block that is marked runnable; AssertionError where it fails or says something of another shape."""
        assert block.mark is not None
        assert block.mark.kind is Kind.RUNNABLE
        missing = [SERVICES[each] for each in block.mark.parts if each in SERVICES and not self.is_here(SERVICES[each])]
        if missing:
            self.left_out.append(f"line {block.line}: {', '.join(missing)} is not here")
            return
        for condition in block.mark.parts:
            self._bring_about(condition)
        match block.language:
            case "python":
                self._run(shlex.join([sys.executable, "-c", block.text]))
            case "bash":
                self._run(block.text)
            case "console":
                for command, shown in transcript(block.text):
                    self._type(command, shown)
            case other:
                raise AssertionError(f"nothing here runs {other}")

    def _bring_about(self, condition: str) -> None:
        match condition:
            case "with pw.x":
                pass
            case "with the agent stopped":
                self.stop_serving()
            case "with a store that has served":
                self._type("slipway-gateway serve --data-dir .slipway/gateway --port 8700", "")
                self.stop_serving()
            case "on the stand-in in memory":
                self._begin_the_stand_in()
            case other:
                raise AssertionError(f"nothing here brings it about that a block is run {other!r}")

    def _begin_the_stand_in(self) -> None:
        self._host = TestingHost()
        self._leaving.callback(self._host.close)
        (self.folder / "secret").write_text(SECRET)
        self.environment["SLIPWAY_ALLOW_TESTING_STORE"] = "true"

    def _type(self, command: str, shown: str) -> None:
        if tuple(command.split()[:2]) in SERVERS:
            self._serve(command)
            return
        if shown:  # by a terminal, as it was when the page was written
            command = f"TERM=xterm script --quiet --return --command {shlex.quote(command)} /dev/null"
        self._run(command)
        assert not shown or like(shown, self._said), f"$ {command}\nis shown with\n{shown}\nand said\n{self._said}"

    def _run(self, script: str) -> None:
        script = f"{self._taken_up}{self._with_what_is_here(script)}\nexport -p > {self._state}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout.decode()}\n{done.stderr.decode()}"
        self._said = seen(done.stdout)

    def _serve(self, command: str) -> None:
        line = f"cd {shlex.quote(str(self.folder))}; {self._taken_up}exec {self._with_what_is_here(command)}"
        log = self.folder / f"served-{len(self._served)}.log"
        served = Process(command, ["bash", "-c", line], log, self.environment)
        self._served.append(served)
        served.start()

        def is_ready() -> bool:
            assert served.running(), f"$ {command}\n{served.tail()}"
            return " ready" in served.tail()

        wait_until(f"`{command}` is ready", is_ready)

    @property
    def _state(self) -> Path:
        return self.folder / ".exported"

    @property
    def _taken_up(self) -> str:
        return f". {self._state}; " if self._state.exists() else ""

    def _with_what_is_here(self, script: str) -> str:
        """Put this machine's names in the place of the page's."""
        script = script.replace("https://slipway.example.org", self.given["SLIPWAY_URL"])
        script = script.replace("/var/lib/slipway-node", str(self.folder / "node"))
        script = script.replace("/run/secrets/store.secret", str(self.folder / "secret"))
        script = _PORT.sub(str(self._port), script)
        if self._host is not None:
            script = _DEPLOYMENT.sub(f"convex+{self._host.url}", script)
        return _JOIN_TOKEN.sub(lambda _: str(json.loads(self._said)["token"]), script)

    def stop_serving(self) -> None:
        """End what the page has started, as Ctrl-C in the other terminal does."""
        ended = [(served, served.stop(timeout_seconds=60)) for served in self._served]
        self._served.clear()
        for served, status in ended:
            assert status == 0, f"{served.name} ended with {status}:\n{served.tail()}"

    def leave(self) -> None:
        """Leave nothing running."""
        with self._leaving:
            self.stop_serving()


def seen(said: bytes) -> str:
    """Return what stands on a terminal in the end: no styles, and of each line what was written over it last."""
    lines = said.decode().replace("\r\n", "\n").split("\n")
    return "\n".join(_STYLE.sub("", line.rpartition("\r")[2]) for line in lines)


def given_by(gateway: Gateway) -> dict[str, str]:
    """Return what the pages take for given, of a gateway that runs."""
    return {
        "SLIPWAY_URL": gateway.url,
        "SLIPWAY_TOKEN": gateway.token(),
        "ADMIN_TOKEN": gateway.token(tenant=NEW_TENANT, user="admin", role="admin"),
    }


@contextmanager
def reader(folder: Path, given: Mapping[str, str], is_here: Callable[[str], bool]) -> Iterator[Reader]:
    """Give a reader with a folder of its own."""
    made = Reader(folder, given, is_here)
    try:
        yield made
    finally:
        made.leave()
