"""What a request costs in calls of Convex, from HTTP to the functions: the limits that the store is held to."""

import pytest
from gateway_world import API, opened

from slipway_gateway.stores.convex import wakeups

pytestmark = pytest.mark.service("pnpm")


class Counted:
    """Stands before the functions of a store and notes each call."""

    def __init__(self, store):
        self._call = store._functions.call
        self.operations: list[str] = []
        store._functions.call = self.call

    async def call(self, operation, arguments):
        self.operations.append(operation)
        return await self._call(operation, arguments)

    def since(self):
        told, self.operations = self.operations, []
        return told


@pytest.fixture(params=[True, False], ids=["sole gateway", "one of several"])
def is_sole(request):
    return request.param


@pytest.fixture
async def counted(testing_host, tmp_path, is_sole):
    """A gateway on the testing host with a node, and its calls."""
    testing_host.reset()
    store = await testing_host.opened(sole_gateway=is_sole)
    calls = Counted(store)
    async with opened(tmp_path, store) as world:
        await world.enroll("lab")
        calls.since()
        yield world, calls


async def test_a_submit_is_at_most_one_read_and_one_mutation(counted):
    world, calls = counted
    await world.submitted()
    assert calls.since() == ["submission-contexts", "create-submissions"]
    await world.submitted()
    assert calls.since() == ["create-submissions"]


async def test_a_batch_of_events_is_one_call(counted):
    world, calls = counted
    job = await world.taken()
    calls.since()
    events = [world.event(job, state) for state in ("accepted", "running", "completed")]
    answer = await world.node(world.nodes["lab"], "/events:batchIngest", {"events": events})
    assert [outcome["status"] for outcome in answer.json()["outcomes"]] == [200] * 3
    assert calls.since() == ["apply-projection-updates"]


async def test_a_heartbeat_and_an_ack_are_one_call_each(counted):
    world, calls = counted
    node = world.nodes["lab"]
    await world.beat(node)
    assert calls.since() == ["record-heartbeat"]
    await world.submitted()
    leased = (await world.lease(node)).json()["commands"]
    calls.since()
    await world.ack(node, [leased[0]["command_id"]])
    assert calls.since() == ["ack-commands"]


async def test_an_idle_node_costs_a_sole_gateway_nothing_and_others_a_look_now_and_then(counted, is_sole, monkeypatch):
    monkeypatch.setattr(wakeups, "LOOK_SECONDS", 0.2)
    world, calls = counted
    node = world.nodes["lab"]
    for _ in range(2):  # what an earlier process may have given out is over with the second
        await world.lease(node, wait_seconds=0.0)
        world.later(61)
    await world.lease(node, wait_seconds=0.0)
    calls.since()
    answer = await world.lease(node, wait_seconds=0.5)
    assert answer.json() == {"commands": []}
    assert calls.since() == ([] if is_sole else ["lease-commands", "has-commands", "has-commands", "lease-commands"])


async def test_an_answer_to_a_product_is_read_in_two_calls_at_most(counted):
    world, calls = counted
    job = await world.submitted()
    for path, most in (
        (f"/jobs/{job['job_id']}", 2),
        (f"/jobs/{job['job_id']}/timeline", 1),
        ("/jobs", 2),
        ("/nodes", 1),
    ):
        calls.since()
        assert (await world.user("GET", path)).status_code == 200, f"{API}{path}"
        assert len(calls.since()) <= most
