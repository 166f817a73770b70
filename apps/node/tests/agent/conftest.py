import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for what stands beside the tests and is none: lab, wire_gateway, …

from lab import Lab
from stewards import Steward


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


@pytest.fixture
def steward(lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Steward:
    return Steward(lab, capsys, monkeypatch)
