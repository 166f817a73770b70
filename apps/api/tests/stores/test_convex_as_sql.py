"""Every order of a submission's events, each told twice, with a resubmission between: Convex ends as SQL does.

Both stores are told the same in the same order, from worlds of the same names; what they answer and what then stands
is compared. On the testing host, which is no backend (convex/testing).
"""

import itertools

import pytest
from store_world import SCOPE, World

from slipway_contracts.lifecycle import is_terminal
from slipway_gateway.ports import JobFilter

pytestmark = [pytest.mark.service("pnpm"), pytest.mark.idempotency("projection-update"), pytest.mark.timeout(240)]

FIRST = ("accepted", "running", "failed")
SECOND = ("accepted", "running", "completed", "failed of the first")


@pytest.fixture
async def worlds(testing_host, store):
    testing_host.reset()
    convex = await testing_host.opened()
    yield World(store), World(convex)
    await convex.close()


@pytest.mark.parametrize("first", list(itertools.permutations(FIRST)), ids=",".join)
async def test_any_order_of_events_ends_alike(worlds, first):
    (said, stands), (said_by_convex, stands_in_convex) = [await everything_told(world, first) for world in worlds]
    assert said_by_convex == said
    assert len(stands_in_convex) == len(stands)
    for in_convex, in_sql in zip(stands_in_convex, stands, strict=True):
        assert in_convex == in_sql


async def everything_told(world, first):
    """Play every history that begins with ``first``; return what was answered and what stands in the end."""
    node = await world.node()
    said = [await history(world, node, first, second) for second in itertools.permutations(SECOND)]
    page = await world.store.list_jobs(SCOPE, JobFilter(limit=1000))
    stands = []
    for job in page.projections:
        timeline = await world.store.timeline(SCOPE, job.job_id)
        stands.append((job.model_dump(), [entry.model_dump(exclude={"job_id"}) for entry in timeline]))
    return said, stands


async def history(world, node, first, second):
    """Submit, tell ``first``, submit again, tell ``second``, and tell it all once more; return each verdict."""
    record = await world.submit(node, job_id=world.id("job"))
    earlier = [world.update(record, state) for state in first]
    verdicts = [await one(world, update) for update in earlier]
    if not is_terminal(await world.state(record)):
        await world.apply(*(world.update(record, state) for state in FIRST))
    again = await world.submit(node, job_id=record.job_id)
    later = [world.update(record, "failed") if "first" in state else world.update(again, state) for state in second]
    verdicts += [await one(world, update) for update in later]
    return verdicts + [told(verdict) for verdict in await world.apply(*earlier, *later)]


async def one(world, update):
    [verdict] = await world.apply(update)
    return told(verdict)


def told(verdict):
    return type(verdict).__name__, *(getattr(verdict, name, None) for name in ("code", "detail", "gap"))
