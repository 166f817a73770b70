"""The gateway's command line, as processes."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import jwt
import pytest

from slipway_gateway.auth.dev_issuer import ISSUER
from slipway_gateway.auth.users import UserTokens, keys_of_jwks

COMMAND = [str(Path(sys.executable).parent / "slipway-gateway")]
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}

pytestmark = pytest.mark.timeout(60)


def gateway(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=30
    )


@contextmanager
def serving(cwd: Path, *arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A gateway that serves; its URL and its process."""
    argv = [*COMMAND, "serve", "--port", "0", *arguments]
    with (cwd / "gateway.log").open("a") as log:
        process = subprocess.Popen(argv, cwd=cwd, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        ready = process.stdout.readline()
        assert ready.startswith("slipway-gateway ready at http://127.0.0.1:"), (cwd / "gateway.log").read_text()
        yield ready.split()[-1], process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def token(cwd: Path) -> str:
    done = gateway("dev-token", "--tenant", "lab", "--workspace", "physics", "--user", "ada", cwd=cwd)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.removesuffix("\n")


def test_dev_token_prints_the_token_and_nothing_else(tmp_path: Path) -> None:
    assert len(token(tmp_path).split(".")) == 3
    assert len(token(tmp_path).split()) == 1


def test_development_tokens_hold_by_the_printed_keys_and_name_theirs(tmp_path: Path) -> None:
    """As Convex wants it: an issuer that is a URL, a key with an id, an algorithm that is told."""
    keys = tmp_path / "jwks.json"
    keys.write_text(gateway("dev-jwks", cwd=tmp_path).stdout)
    assert set(keys_of_jwks(keys)) == {jwt.get_unverified_header(token(tmp_path))["kid"]}
    assert UserTokens(ISSUER, "slipway", keys_of_jwks(keys)).verify(token(tmp_path)).user_id == "ada"
    assert ISSUER.startswith("https://")
    (told,) = json.loads(keys.read_text())["keys"]
    assert (told["alg"], told["kty"], "d" in told) == ("ES256", "EC", False)


@pytest.mark.tenant_boundary("reads")
def test_gateways_on_one_data_directory_take_each_others_tokens_and_others_do_not(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    headers = {"Authorization": f"Bearer {token(tmp_path)}"}
    with ExitStack() as stack:
        urls = [stack.enter_context(serving(folder))[0] for folder in (tmp_path, tmp_path, other)]
        answers = [httpx.get(f"{url}/api/runtime/jobs", headers=headers).status_code for url in urls]
    assert answers == [200, 200, 401]


def test_a_development_issuer_beyond_loopback_is_refused_in_one_line(tmp_path: Path) -> None:
    done = gateway("serve", "--host", "0.0.0.0", "--port", "0", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "SLIPWAY_AUTH_ISSUER" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_port_in_use_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = gateway("serve", "--port", str(taken.getsockname()[1]), cwd=tmp_path)
    assert done.returncode == 3
    assert "cannot listen" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(tmp_path: Path, signum: signal.Signals) -> None:
    with serving(tmp_path) as (url, process):
        assert httpx.get(f"{url}/api/ready").status_code == 200
        process.send_signal(signum)
        assert process.wait(15) == 0


def test_check_says_what_to_do_before_migrate_and_holds_after(tmp_path: Path) -> None:
    before = gateway("check", cwd=tmp_path)
    assert before.returncode == 1
    assert "slipway-gateway migrate" in before.stderr
    assert not (tmp_path / ".slipway").exists()
    assert [gateway("migrate", cwd=tmp_path).returncode for _ in range(2)] == [0, 0]
    assert gateway("check", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    "arguments", [["serve", "--port", "many"], ["serve", "--port", "70000"], ["fly"], ["dev-token", "--tenant", "lab"]]
)
def test_a_usage_error_exits_with_2(tmp_path: Path, arguments: list[str]) -> None:
    assert gateway(*arguments, cwd=tmp_path).returncode == 2
