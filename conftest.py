"""What every test shares: which real services are here, and what their absence means."""

import functools
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable

import pytest
import rabbitmq
from hypothesis import settings

if "SLIPWAY_TEST_SLURMS" in os.environ:  # one for each of the processes that tests run in (scripts/test.sh)
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    os.environ["SLURM_CONF"] = f"{os.environ['SLIPWAY_TEST_SLURMS']}/{worker}/slurm.conf"

settings.register_profile("slipway", deadline=None)  # how long an example takes on a busy machine proves nothing
settings.load_profile("slipway")

REQUIRED = os.environ.get("SLIPWAY_REQUIRE_SERVICES") == "1"


@functools.cache
def _answers(*argv: str) -> bool:
    try:
        return subprocess.run(argv, capture_output=True, timeout=10, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


# Each is asked once: a test run is short, and a service that goes away in the middle is a failure anyway.
SERVICES: dict[str, Callable[[], bool]] = {
    "aiida": lambda: importlib.util.find_spec("aiida") is not None,
    "slurm": lambda: _answers("sinfo", "-h"),
    "pw.x": lambda: shutil.which("pw.x") is not None,
    "mount": lambda: _answers("unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"),
    "rabbitmq": rabbitmq.is_here,
    "pnpm": lambda: shutil.which("pnpm") is not None,
    "jq": lambda: shutil.which("jq") is not None,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip a test whose service is missing, or let it fail where services are required.

    Those that need one begin first: they take longest, and no process should be left alone with them in the end.
    """
    items.sort(key=lambda item: not any(item.iter_markers("service")))
    if REQUIRED:
        return
    for item in items:
        for mark in item.iter_markers("service"):
            if not SERVICES[mark.args[0]]():
                item.add_marker(pytest.mark.skip(reason=f"{mark.args[0]} is not here"))


@pytest.fixture
def is_here() -> Callable[[str], bool]:
    """Tell whether a service is here; the test fails where it is not and is required."""

    def asked(name: str) -> bool:
        if REQUIRED and not SERVICES[name]():
            pytest.fail(f"{name} is required and not here")
        return SERVICES[name]()

    return asked


@pytest.fixture(autouse=True)
def _required_service(request: pytest.FixtureRequest) -> None:
    for mark in request.node.iter_markers("service"):
        if REQUIRED and not SERVICES[mark.args[0]]():
            pytest.fail(f"{mark.args[0]} is required and not here")
