import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

sys.path.insert(0, str(Path(__file__).parent))  # for what stands beside the tests and is none: lab, wire_gateway, …

from lab import Lab
from stewards import Steward


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


@pytest.fixture
def steward(lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Steward]:
    yield Steward(lab, capsys, monkeypatch)
    structlog.reset_defaults()  # a command's log goes to the stderr of its test
