"""The node's commands against a gateway's process."""

from collections.abc import Iterator

import pytest
from local_stack import Gateway

from slipway_node import cli, keys
from slipway_node.home import Home, Identity


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    root = tmp_path_factory.mktemp("gateway")
    process = Gateway(root / "data", root / "gateway.log")
    process.start()
    yield process
    process.process.stop()


@pytest.fixture
def home(gateway: Gateway, tmp_path) -> Home:
    """An enrolled node's home, without an engine."""
    home = Home(tmp_path / "home")
    home.create()
    admin = gateway.token(user="admin", role="admin")
    join = gateway.call("POST", "/api/runtime/nodes/join-tokens", token=admin, body={})
    asked = {"token": join["token"], "public_key": keys.public_key_of(keys.load_or_create(home.key_file))}
    enrolled = gateway.call("POST", "/api/runtime/nodes:enroll", token=admin, body=asked)
    home.remember(Identity(gateway_url=gateway.url, **enrolled))
    return home


def node_at(gateway: Gateway, home: Home) -> dict[str, object]:
    listed = gateway.call("GET", "/api/runtime/nodes", token=gateway.token())["nodes"]
    return next(node for node in listed if node["management_node_id"] == home.identity().management_node_id)


def test_a_node_drains_itself_and_comes_back(gateway, home):
    assert cli.run_command_line(["drain", "--home", str(home.root)]) == 0
    assert node_at(gateway, home)["state"] == "draining"
    assert cli.run_command_line(["drain", "--end", "--home", str(home.root)]) == 0
    assert node_at(gateway, home)["state"] == "active"


def test_a_rotated_key_is_the_only_one_that_is_taken(home):
    old = home.key_file.read_bytes()
    assert cli.run_command_line(["rotate-key", "--home", str(home.root)]) == 0
    assert cli.run_command_line(["drain", "--home", str(home.root)]) == 0
    home.key_file.write_bytes(old)
    assert cli.run_command_line(["drain", "--end", "--home", str(home.root)]) == 1
