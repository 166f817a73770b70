"""Who is woken, and what waiting costs: nothing where nobody else writes, and a look now and then where others may."""

import asyncio
from datetime import timedelta

import pytest
from scripted_functions import NODE, SUBMISSION, Script, ok, silence, store_of
from store_world import T0, World

from slipway_contracts.errors import Code
from slipway_gateway.ports import Leased, StoreUnavailableError
from slipway_gateway.stores.convex import wakeups as module

EMPTY = ok(verdict="leased", commands=[])
SUBMITTED = {name: getattr(SUBMISSION, name) for name in SUBMISSION.__dataclass_fields__} | {"accepted_at": 1}
ONE = ok(
    verdict="leased",
    commands=[{"command_id": "c-1", "kind": "cancel", "submission": SUBMITTED, "expires_at": 60_000_000}],
)
CREATED = ok(verdicts=[{"verdict": "created", "record": SUBMITTED}])
QUICK_LOOK_SECONDS = 0.05
LOOK_SECONDS = module.LOOK_SECONDS


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch):
    monkeypatch.setattr(module, "LOOK_SECONDS", QUICK_LOOK_SECONDS)


class Agent:
    """node-1's agent, on a clock of its own."""

    def __init__(self, script: Script, **options: bool):
        self.script = script
        self.store = store_of(script, **options)
        self.world = World(self.store)

    async def lease(self, answer=None, **claim):
        """Lease; return how many calls it took."""
        if answer is not None:
            self.script.says(answer)
        before = len(self.script.calls)
        self.leased = await self.store.lease_commands(self.world.claim("node-1", **claim))
        return len(self.script.calls) - before

    def wait(self, seconds=5.0):
        return asyncio.create_task(self.store.wait_for_commands("node-1", seconds))


def agent(*, sole=False):
    return Agent(Script(EMPTY), sole_gateway=sole)


async def woken(task):
    await asyncio.wait_for(task, 2)


async def test_a_write_of_another_gateway_is_found_by_looking():
    of = agent()
    await of.lease(EMPTY)
    of.script.says(ok(waiting=False), ok(waiting=False), ok(waiting=True))
    await woken(of.wait())
    assert of.script.operations == ["lease-commands"] + ["has-commands"] * 3


async def test_looks_tell_the_time_that_the_wait_has_come_to():
    of = agent()
    await of.lease(EMPTY)
    of.script.says(ok(waiting=False), ok(waiting=True))
    await woken(of.wait())
    first, second = (asked["now"] for operation, asked in of.script.calls if operation == "has-commands")
    begun = of.script.calls[0][1]["now"]
    assert begun + QUICK_LOOK_SECONDS * 1_000_000 * 0.9 < first < second
    assert {(asked["epoch"], asked["journal_id"]) for _, asked in of.script.calls} == {(1, "journal-1")}


def test_a_long_poll_costs_less_than_half_a_call_a_second():
    poll_seconds = 20.0  # what a node asks for
    heartbeats = 1 / 10  # of the agent's health task
    assert (poll_seconds // LOOK_SECONDS + 2) / poll_seconds + heartbeats <= 0.5


async def test_a_look_that_fails_does_not_end_the_wait():
    of = agent()
    await of.lease(EMPTY)
    of.script.says(ok(nonsense=True), ok(waiting=True))
    await woken(of.wait())


async def test_the_wait_ends_with_its_time_though_a_look_is_under_way():
    of = agent()
    await of.lease(EMPTY)
    of.script.says(silence)
    await asyncio.wait_for(of.wait(0.2), 1)


async def test_closing_wakes_who_waits():
    of = agent()
    await of.lease(EMPTY)
    of.script.says(ok(waiting=False))
    waiting = of.wait(60)
    await asyncio.sleep(0)
    await of.store.close()
    await woken(waiting)


WRITES = {
    "a submit": (CREATED, lambda of: of.store.create_submission(of.world.new(of.world.command("node-1")))),
    "a cancel": (
        ok(
            verdict="recorded",
            submission_id="s",
            projection_state="running",
            requested_at=1,
            management_node_id="node-1",
        ),
        lambda of: of.store.cancel_job(of.world.cancel(SUBMISSION)),
    ),
    "a revocation": (
        ok(failed=0, more=False),
        lambda of: of.store.revoke_node("node-1", by="admin", now=T0, trace_id="t"),
    ),
    "a newer agent": (
        ok(verdict="recorded", epoch=2, state="active"),
        lambda of: of.store.record_heartbeat(of.world.beat("node-1", agent_id="agent-2")),
    ),
}


@pytest.mark.parametrize(("answer", "write"), WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("sole", [True, False])
async def test_an_own_write_wakes_at_once(answer, write, sole, monkeypatch):
    monkeypatch.setattr(module, "LOOK_SECONDS", 60)
    of = agent(sole=sole)
    await of.lease(EMPTY)
    waiting = of.wait(60)
    await asyncio.sleep(0)
    of.script.says(answer)
    await write(of)
    await woken(waiting)


async def test_a_write_between_lease_and_wait_is_not_missed():
    of = agent(sole=True)
    await of.lease(EMPTY)
    of.script.says(CREATED)
    await of.store.create_submission(of.world.new(of.world.command("node-1")))
    await woken(of.wait(60))


async def test_a_write_whose_answer_was_lost_wakes_too():
    of = agent(sole=True)
    await of.lease(EMPTY)
    waiting = of.wait(60)
    await asyncio.sleep(0)
    of.script.says(silence)
    with pytest.raises(StoreUnavailableError):
        await of.store.create_submission(of.world.new(of.world.command("node-1")))
    await woken(waiting)


async def test_a_write_whose_caller_left_is_carried_to_its_end_and_wakes_after_it():
    of = agent(sole=True)
    await of.lease(EMPTY)
    waiting = of.wait(60)
    answered = asyncio.Event()

    async def later():
        await answered.wait()
        return CREATED

    of.script.says(later)
    creating = asyncio.create_task(of.store.create_submission(of.world.new(of.world.command("node-1"))))
    await asyncio.sleep(0.05)
    creating.cancel()
    await asyncio.sleep(0)
    assert not waiting.done()
    answered.set()
    await woken(waiting)


async def test_an_idle_node_of_a_sole_gateway_costs_no_call():
    of = agent(sole=True)
    await of.lease(EMPTY)
    of.world.tick(60)  # what an earlier process gave out is over
    await of.lease(EMPTY)
    of.script.calls.clear()
    for _ in range(20):
        await of.wait(0.01)
        of.world.tick(20)
        await of.lease()
        assert of.leased == Leased(())
    assert of.script.calls == []


async def test_a_sole_gateway_asks_while_an_earlier_process_may_have_given_something_out():
    of = agent(sole=True)
    assert await of.lease(EMPTY) == 1
    of.world.tick(30)
    assert await of.lease(EMPTY) == 1
    of.world.tick(30)
    assert await of.lease(EMPTY) == 1
    assert await of.lease() == 0


async def quiet():
    of = agent(sole=True)
    await of.lease(EMPTY)
    of.world.tick(60)
    await of.lease(EMPTY)
    assert await of.lease() == 0
    return of


async def test_what_was_given_out_is_asked_for_until_it_cannot_come_back():
    of = await quiet()
    of.store._wakeups.arrived({"node-1"})
    assert await of.lease(ONE) == 1
    of.world.tick(59)
    assert await of.lease(EMPTY) == 1
    assert await of.lease(EMPTY) == 1  # its lease may end any moment
    of.world.tick(1)
    assert await of.lease(EMPTY) == 1
    assert await of.lease() == 0


async def test_a_lease_whose_answer_was_lost_may_have_given_something_out():
    of = await quiet()
    of.store._wakeups.arrived({"node-1"})
    with pytest.raises(StoreUnavailableError):
        await of.lease(silence)
    assert await of.lease(EMPTY) == 1
    assert await of.lease(EMPTY) == 1
    of.world.tick(60)
    assert await of.lease(EMPTY) == 1
    assert await of.lease() == 0


async def test_another_epoch_journal_or_anything_that_came_is_asked_for():
    of = await quiet()
    assert await of.lease(EMPTY, epoch=2) == 1
    of = await quiet()
    assert await of.lease(EMPTY, journal_id="journal-2") == 1
    for answer, write in WRITES.values():
        of = await quiet()
        of.script.says(answer)
        await write(of)
        assert await of.lease(EMPTY) == 1


async def test_a_refused_lease_is_no_quiet_one():
    of = agent(sole=True)
    of.world.tick(60)
    refused = ok(verdict="refused", code="lease_lost", detail="a newer agent")
    for _ in range(2):
        assert await of.lease(refused) == 1
        assert of.leased.code is Code.LEASE_LOST


async def test_a_wrong_promise_of_a_sole_gateway_delays_and_loses_nothing(monkeypatch):
    of = await quiet()
    monkeypatch.setattr(module, "QUIET_SECONDS", 0.0)
    assert await of.lease(EMPTY) == 1


async def test_where_there_are_others_every_lease_is_asked_for():
    of = agent()
    for _ in range(3):
        of.world.tick(timedelta(minutes=2).total_seconds())
        assert await of.lease(EMPTY) == 1


def test_the_node_in_the_script_is_the_agents():
    assert NODE["management_node_id"] == SUBMISSION.management_node_id
