"""A node's admin at the command line, with a lab's gateway and engine behind it."""

import httpx
import pytest
from lab import Lab

from slipway_node import cli
from slipway_node.cli import stewarding, working


class Steward:
    """Runs commands on a lab's home and keeps what they said."""

    def __init__(self, lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._lab, self._capsys = lab, capsys
        monkeypatch.setattr(stewarding, "http_to", self._http_to)
        monkeypatch.setattr(working, "engine_of", lambda *_: lab.engine)
        self.out = self.err = ""

    def run(self, *arguments: str) -> int:
        """Run a command; return its exit status."""
        self._capsys.readouterr()
        status = cli.run_command_line([*arguments, "--home", str(self._lab.home.root)])
        self.out, self.err = self._capsys.readouterr()
        return status

    def _http_to(self, identity) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=identity.gateway_url, transport=self._lab.gateway.transport())
