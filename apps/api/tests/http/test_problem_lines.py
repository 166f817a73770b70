"""A problem that is answered can be found: its line in the log, with whose and which job it was."""

from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
from gateway_world import World
from structlog.testing import capture_logs

from slipway_gateway.ports import StoreUnavailableError

Lines = list[MutableMapping[str, Any]]


@pytest.fixture
def told() -> Iterator[Lines]:
    """What the gateway logs."""
    with capture_logs() as lines:
        yield lines


def breaks(world: World, fault: Exception) -> None:
    """Have ``fault`` raised within every call that asks for the time."""

    def clock() -> None:
        raise fault

    object.__setattr__(world.services, "clock", clock)


FAULTS = [(StoreUnavailableError("locked"), 503), (RuntimeError("no such luck"), 500)]


@pytest.mark.parametrize(("fault", "status"), FAULTS, ids=["503", "500"])
async def test_a_fault_in_a_submit_names_its_job(world: World, told: Lines, fault: Exception, status: int) -> None:
    breaks(world, fault)
    command = world.command()
    assert (await world.submit(command)).status_code == status
    (line,) = told
    fields = ("tenant_id", "workspace_id", "job_id", "management_node_id", "idempotency_key")
    assert {name: line.get(name) for name in fields} == {name: command[name] for name in fields}


@pytest.mark.parametrize(("fault", "status"), FAULTS, ids=["503", "500"])
async def test_a_fault_in_a_nodes_call_names_the_node(world: World, told: Lines, fault: Exception, status: int) -> None:
    breaks(world, fault)
    node = world.nodes["lab"]
    assert (await world.beat(node)).status_code == status
    assert [line.get("management_node_id") for line in told] == [node.node_id]
