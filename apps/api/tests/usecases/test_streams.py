"""What streams read of the store and when they tell what, without a server around them."""

import asyncio
import shutil
from contextlib import aclosing
from datetime import UTC, datetime

import pytest
from store_world import SCOPE, World

from slipway_contracts.reads import StreamEndReason
from slipway_gateway.ports import StoreUnavailableError
from slipway_gateway.stores import migrate, open_store
from slipway_gateway.usecases import streams as module
from slipway_gateway.usecases.streams import Began, Ended, Question, Silence, Streams

pytestmark = pytest.mark.timeout(20)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NEVER = float("inf")


class Watched:
    """A store that counts the changes it was read for, and may be out of reach."""

    def __init__(self, store):
        self._store = store
        self.read = 0
        self.away = False
        self.broken = False

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def changes(self, *of, **where):
        if self.away:
            raise StoreUnavailableError("as the test says")
        if self.broken:
            raise ValueError("as the test says")
        page = await self._store.changes(*of, **where)
        self.read += len(page.changes)
        return page


@pytest.fixture(scope="module")
def migrated_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "slipway.db"
    migrate(path)
    return path


@pytest.fixture
async def store(tmp_path, migrated_file):
    opened = Watched(await open_store(shutil.copy(migrated_file, tmp_path / "slipway.db")))
    yield opened
    await opened.close()


@pytest.fixture
async def streams(store):
    made = Streams(store, tenant_max=100)
    yield made
    made.close()
    await made.closed()


@pytest.fixture
def world(store):
    return World(store)


def question(job_id=None, after=None, *, until=NEVER):
    return Question(SCOPE, job_id, after, until, lambda: NOON, 60.0)


async def told(streams, asked, count):
    """Return the numbers of the first ``count`` changes, and what came that is none."""
    numbers, others = [], []
    async with aclosing((await streams.open(asked)).happenings(lambda: None)) as happenings:
        async for happening in happenings:
            if isinstance(happening, list):
                numbers += [each.change.change for each in happening]
            else:
                others.append(happening)
            if len(numbers) >= count or any(isinstance(each, Ended) for each in others):
                break
    return numbers, others


async def test_a_jobs_stream_from_its_beginning_reads_that_jobs_changes_only(world, store, streams):
    node = await world.node()
    first = await world.submit(node)
    for _ in range(100):
        await world.submit(node)
    await world.drive(first, "accepted", "running", "completed")
    assert await told(streams, question(first.job_id, 0), 4) == ([1, 102, 103, 104], [])
    assert store.read <= 4 + 1  # and the one that opening it looks for


async def test_a_stream_as_far_behind_as_is_kept_tells_each_change_and_one_further_is_reset(
    world, streams, monkeypatch
):
    monkeypatch.setattr(module, "STREAM_KEPT_CHANGES", 3)
    node = await world.node()
    for _ in range(5):
        await world.submit(node)
    assert await told(streams, question(after=2), 3) == ([3, 4, 5], [])
    opened = await streams.open(question(after=1))
    async with aclosing(opened.happenings(lambda: None)) as happenings:
        reset = await anext(happenings)
        assert isinstance(reset, Began)
        assert (reset.change, reset.document.count('"job_id"')) == (5, 5)
        sixth = await world.submit(node)
        [change] = await anext(happenings)
        assert (change.change.change, change.change.job_id) == (6, sixth.job_id)


async def test_silence_is_told_after_a_heartbeats_time(world, streams, monkeypatch):
    monkeypatch.setattr(module, "STREAM_HEARTBEAT_SECONDS", 0.05)
    async with aclosing((await streams.open(question(after=0))).happenings(lambda: None)) as happenings:
        assert isinstance(await anext(happenings), Silence)
        assert isinstance(await anext(happenings), Silence)
        await world.submit(await world.node())
        while isinstance(happening := await anext(happenings), Silence):
            pass
        assert [each.change.change for each in happening] == [1]


@pytest.mark.parametrize("why", StreamEndReason)
async def test_a_stream_that_is_catching_up_ends_with_its_token_or_its_reader_also_while_the_store_is_away(
    why, world, store, streams, monkeypatch
):
    monkeypatch.setattr(module, "STORE_RETRY_SECONDS", 0.01)
    record = await world.submit(await world.node())
    until = NEVER if why is StreamEndReason.CLOSING else NOON.timestamp() - 1
    async with aclosing((await streams.open(question(after=0))).happenings(lambda: None)) as ahead:
        await anext(ahead)
        behind = await streams.open(question(record.job_id, 0, until=until))
        store.away = True
        if why is StreamEndReason.CLOSING:
            asyncio.get_running_loop().call_later(0.05, behind.close)
        async with aclosing(behind.happenings(lambda: None)) as happenings:
            assert await asyncio.wait_for(anext(happenings), 5) == Ended(why)


async def test_a_stream_that_joins_after_its_workspaces_tail_broke_is_told_what_comes(world, store, streams):
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    node = await world.node()
    async with aclosing((await streams.open(question())).happenings(lambda: None)) as slow:
        assert isinstance(await anext(slow), Began)
        store.broken = True
        await world.submit(node)
        await asyncio.sleep(0.1)  # for the tail, which nothing tells of
        store.broken = False
        async with aclosing((await streams.open(question(after=1))).happenings(lambda: None)) as joined:
            await world.submit(node)
            [change] = await asyncio.wait_for(anext(joined), 5)
            assert change.change.change == 2
        assert await anext(slow) == Ended(StreamEndReason.CLOSING)
