"""What a request costs in calls of Convex, from HTTP to the functions: the limits that the store is held to."""

import itertools

import pytest
from gateway_world import API, POLICY, opened

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


async def test_a_submit_is_at_most_one_read_and_one_mutation_by_a_policy_that_stands(counted):
    world, calls = counted
    await world.submitted()
    assert calls.since() == ["submission-contexts", "create-submissions"]
    await world.submitted()
    assert calls.since() == ["create-submissions"]


async def test_a_submit_by_a_policy_that_has_changed_is_one_read_and_one_more_mutation(counted):
    world, calls = counted
    first = await world.submitted()
    await world.beat(world.nodes["lab"], policy={**POLICY, "policy_version": "p2"})
    calls.since()
    second = await world.submitted()
    assert calls.since() == ["create-submissions", "submission-contexts", "create-submissions"]
    jobs = (await world.user("GET", "/jobs")).json()["jobs"]
    assert [job["job_id"] for job in jobs] == [second["job_id"], first["job_id"]]  # what was refused left nothing
    calls.since()
    await world.submitted()
    assert calls.since() == ["create-submissions"]


async def test_a_submit_by_a_policy_that_changes_at_every_look_ends_and_writes_nothing(counted):
    world, calls = counted
    await world.submitted()
    node, call, number = world.nodes["lab"], calls.call, itertools.count(2)

    async def changed_before(operation, arguments):
        if operation == "create-submissions":
            await world.beat(node, policy={**POLICY, "policy_version": f"p{next(number)}"})
        return await call(operation, arguments)

    world.services.store._functions.call = changed_before
    calls.since()
    answer = await world.submit()
    assert (answer.status_code, answer.json()["code"]) == (503, "execution_unavailable")
    told = [operation for operation in calls.since() if operation != "record-heartbeat"]
    assert told == ["create-submissions", *["submission-contexts", "create-submissions"] * 3]
    assert len((await world.user("GET", "/jobs")).json()["jobs"]) == 1


async def test_a_batch_of_submits_is_one_read_and_one_mutation_and_two_where_it_is_nothing_but_quotes(counted):
    world, calls = counted
    for content, mutations in (("x" * 30_000, 1), ('"' * 14_990, 2)):
        payload = {"input_uri": f"data:,{content}"}
        batch = {"commands": [world.command(payload_ref=payload) for _ in range(256)]}
        calls.since()
        answer = await world.user("POST", "/jobs:batchSubmit", batch)
        assert {outcome["status"] for outcome in answer.json()["outcomes"]} == {202}
        assert calls.since() == ["submission-contexts", *["create-submissions"] * mutations]


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
