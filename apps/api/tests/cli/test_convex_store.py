"""The command line with a store on Convex, as processes: what it takes and refuses; no secret is shown."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from testing_host import SECRET, TestingHost

COMMAND = [str(Path(sys.executable).parent / "slipway-gateway")]
PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}

pytestmark = [pytest.mark.timeout(60), pytest.mark.service("pnpm")]


@pytest.fixture(scope="module")
def host():
    started = TestingHost()
    yield started
    started.close()


@pytest.fixture
def settings(host, tmp_path):
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    return {
        "SLIPWAY_STORE_URL": f"convex+{host.url}",
        "SLIPWAY_STORE_SECRET_FILE": str(file),
        "SLIPWAY_ALLOW_TESTING_STORE": "true",
    }


def gateway(*arguments: str, cwd: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*COMMAND, *arguments], cwd=cwd, env=PLAIN | settings, capture_output=True, text=True, check=False, timeout=30
    )
    assert SECRET not in done.stdout + done.stderr
    return done


def test_check_and_migrate_look_at_the_functions_and_change_nothing(settings, tmp_path):
    for command in ("check", "migrate"):
        done = gateway(command, cwd=tmp_path, **settings)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.count("\n") == 1


def test_a_test_host_is_refused_where_it_is_not_allowed(settings, tmp_path):
    del settings["SLIPWAY_ALLOW_TESTING_STORE"]
    done = gateway("check", cwd=tmp_path, **settings)
    assert (done.returncode, done.stdout) == (1, "")
    assert "SLIPWAY_ALLOW_TESTING_STORE" in done.stderr
    assert gateway("serve", "--port", "0", cwd=tmp_path, **settings).returncode != 0


def test_a_wrong_secret_is_unreachable_in_one_line(settings, tmp_path):
    settings |= {"SLIPWAY_STORE_SECRET": "another"}
    del settings["SLIPWAY_STORE_SECRET_FILE"]
    done = gateway("check", cwd=tmp_path, **settings)
    assert done.returncode == 3
    assert "does not take our secret" in done.stderr
    assert "another" not in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"SLIPWAY_STORE_SECRET": "another"}, "out of reach: check: HTTP 401: the deployment does not take our secret"),
        ({"SLIPWAY_STORE_URL": "convex+http://127.0.0.1:9"}, "out of reach: check: ConnectError"),
    ],
)
def test_a_gateway_that_cannot_have_its_store_does_not_start_and_says_why_in_one_line(settings, tmp_path, wrong, said):
    if "SLIPWAY_STORE_SECRET" in wrong:
        del settings["SLIPWAY_STORE_SECRET_FILE"]
    done = gateway("serve", "--port", "0", cwd=tmp_path, **{**settings, **wrong})
    assert (done.returncode, done.stdout) == (3, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_missing_secret_is_refused_before_anything_is_served(settings, tmp_path):
    del settings["SLIPWAY_STORE_SECRET_FILE"]
    done = gateway("serve", "--port", "0", cwd=tmp_path, **settings)
    assert (done.returncode, done.stdout) == (1, "")
    assert "SLIPWAY_STORE_SECRET" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_gateway_serves_on_it_and_a_stream_says_what_to_use_instead(settings, tmp_path):
    token = gateway("dev-token", "--tenant", "t", "--workspace", "w", "--user", "u", cwd=tmp_path).stdout.strip()
    headers = {"Authorization": f"Bearer {token}"}
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [*COMMAND, "serve", "--port", "0"],
            cwd=tmp_path,
            env=PLAIN | settings,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        url = process.stdout.readline().split()[-1]
        assert httpx.get(f"{url}/api/ready").status_code == 200
        assert httpx.get(f"{url}/api/runtime/jobs", headers=headers).json() == {"jobs": [], "next_cursor": None}
        stream = httpx.get(f"{url}/api/runtime/stream", headers=headers)
        assert (stream.status_code, stream.json()["code"]) == (501, "stream_not_supported")
    finally:
        process.terminate()
        assert process.wait(15) == 0
        process.stdout.close()
    assert SECRET not in (tmp_path / "log").read_text()
