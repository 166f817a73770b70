"""The flow's real parts: gateways and nodes as processes, AiiDA, and Slurm where it answers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from local_stack import Gateway, Node, running
from product import Product, Stack

PSEUDOS = Path("/usr/share/espresso/pseudo")  # where Debian puts them


def _stack(root: Path, scheduler: str) -> Iterator[Stack]:
    shared = root / "shared"
    shared.mkdir()
    gateway = Gateway(root / "gateway", root / "gateway.log")
    node = Node(root / f"node-{scheduler}", root / "node.log")
    options = ["--scheduler", scheduler, "--input-prefix", shared.as_uri(), "--input-prefix", PSEUDOS.as_uri()]
    with running(gateway, node, options=options) as node_id:
        yield Stack(gateway, node, Product(gateway.url, gateway.token(), node_id), shared)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack on AiiDA's core.direct."""
    yield from _stack(tmp_path_factory.mktemp("direct"), "direct")


@pytest.fixture(scope="module")
def slurm_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack on real Slurm."""
    yield from _stack(tmp_path_factory.mktemp("slurm"), "slurm")
