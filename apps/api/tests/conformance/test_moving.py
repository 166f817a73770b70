"""A store that was moved is the store that it was: to another file, and to Convex."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr
from store_world import OTHER_TENANT, OTHER_WORKSPACE, SCOPE, World, reidentified
from testing_host import SECRET

from slipway_contracts.lifecycle import Duplicate, Refused
from slipway_contracts.projection_update import ProjectionState
from slipway_contracts.reads import TimelineEntry
from slipway_gateway.ports import Created, JobFilter, Replayed, SubmissionKey
from slipway_gateway.stores import open_store
from slipway_gateway.stores.access import Access
from slipway_gateway.stores.archive.format import ArchiveError
from slipway_gateway.stores.moving import export_store, import_store

ENTRY = set(TimelineEntry.model_fields)
SCOPES = (SCOPE, OTHER_WORKSPACE, OTHER_TENANT)
EXPORTED_AT = 1_767_268_800_000_000


def unwatched(_done: int, _total: int) -> None:
    """No progress is told."""


def exported(source, file: Path) -> Path:
    export_store(source, file, exported_at=EXPORTED_AT, replace=False, progress=unwatched)
    return file


def records_of(file: Path) -> list[bytes]:
    return file.read_bytes().splitlines()[1:-1]


class Target:
    """Where a store is moved to."""

    def __init__(self, url, access, opened) -> None:
        self.url, self.access, self.opened = url, access, opened

    def filled(self, file: Path) -> bool:
        return import_store(self.url, self.access, file, progress=unwatched).is_new


@pytest.fixture(params=["sqlite", pytest.param("convex", marks=pytest.mark.service("pnpm"))])
def target(request, tmp_path):
    if request.param == "sqlite":
        path = tmp_path / "target.db"
        return Target(path, Access(), lambda: open_store(path))
    host = request.getfixturevalue("testing_host")
    host.reset()
    return Target(f"convex+{host.url}", Access(SecretStr(SECRET), allow_testing_store=True), host.opened)


class Lived:
    """A world in which everything happened that a store keeps."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.keys: list[SubmissionKey] = []
        self.news = []

    async def submit(self, node, scope=SCOPE, job_id=None):
        new = self.world.new(self.world.command(node, scope=scope, job_id=job_id))
        verdict = await self.world.store.create_submission(replace(new, traceparent="00-" + "a" * 32 + "-1"))
        assert isinstance(verdict, Created)
        self.news.append(new)
        self.keys.append(self.world.key_of(new.command))
        return verdict.record

    async def live(self) -> None:
        world = self.world
        self.node = await world.node()
        world.tick()
        self.other_node = await world.node(OTHER_TENANT.tenant_id)
        world.tick()
        self.revoked_node = await world.node()
        self.unspent = await world.token()
        self.failed = await self.submit(self.node)
        self.completed = await self.submit(self.node, OTHER_WORKSPACE)
        self.running = await self.submit(self.node)
        self.cancelling = await self.submit(self.node)
        lost = await self.submit(self.revoked_node)
        await world.take(self.node)
        await world.drive(self.failed, "accepted", "running", "failed")
        self.resubmitted = await self.submit(self.node, job_id=self.failed.job_id)
        self.foreign = await self.submit(self.other_node, OTHER_TENANT)
        self.cancelled = await self.submit(self.node)
        world.tick()
        await world.apply(world.update(self.completed, "accepted", slurm_job_id="7"))
        await world.apply(world.update(self.completed, "completed"), synthesize_running=True)
        await world.drive(self.running, "accepted", "running")
        await world.store.cancel_job(world.cancel(self.cancelled))
        await world.store.cancel_job(world.cancel(self.cancelling))
        await world.store.revoke_node(self.revoked_node, by="admin", now=world.now, trace_id="trace")
        await world.store.announce_key(self.node, "n" * 43, world.now)
        await world.store.set_draining(self.other_node, draining=True, by="admin", now=world.tick())
        self.leased = await world.lease(self.node)
        self.pending = await self.submit(self.node)
        assert self.leased
        assert lost.job_id

    async def reads(self, store) -> dict[str, object]:
        """What every read of the port answers."""
        told: dict[str, object] = {}
        for scope in SCOPES:
            told[f"jobs of {scope}"] = page = await store.list_jobs(scope, JobFilter(limit=100))
            told[f"running of {scope}"] = await store.list_jobs(
                scope, JobFilter(states=frozenset({ProjectionState.RUNNING}))
            )
            for job in page.projections:
                told[f"job {job.job_id}"] = await store.get_job(scope, job.job_id)
                timeline = await store.timeline(scope, job.job_id)
                told[f"timeline {job.job_id}"] = [each.model_dump(include=ENTRY) for each in timeline]
        for node in (self.node, self.other_node, self.revoked_node):
            told[f"node {node}"] = await store.find_node(node, fresh=True)
        for tenant in ("acme", "umbrella"):
            told[f"nodes of {tenant}"] = await store.list_nodes(tenant)
        told["contexts"] = await store.submission_contexts(self.keys)
        return told


@pytest.fixture
async def lived(tmp_path, migrated_file):
    """A world that lived in a file; its file, itself, and what it read at the end."""
    path = tmp_path / "source.db"
    path.write_bytes(migrated_file.read_bytes())
    store = await open_store(path)
    life = Lived(World(store))
    try:
        await life.live()
        return path, life, await life.reads(store)
    finally:
        await store.close()


@pytest.fixture
async def moved(lived, target, tmp_path):
    """The world in its new store."""
    path, life, _ = lived
    assert await asyncio.to_thread(target.filled, exported(path, tmp_path / "store.jsonl"))
    life.world.store = await target.opened()
    yield life
    await life.world.store.close()


async def test_every_read_answers_as_before(lived, moved):
    _, _, before = lived
    assert await moved.reads(moved.world.store) == before
    assert len(before) > 20


@pytest.mark.idempotency("submit-job-command")
async def test_submits_of_before_replay_and_another_intent_under_their_key_conflicts(moved):
    for new in moved.news:
        verdict = await moved.world.store.create_submission(reidentified(new))
        assert verdict == Replayed(verdict.record)
        assert verdict.record.submission_id == new.submission_id
    other = replace(reidentified(moved.news[0]), intent_sha256="0" * 64)
    assert isinstance(await moved.world.store.create_submission(other), Refused)


async def test_a_running_jobs_next_event_applies_and_its_last_one_is_a_duplicate(moved):
    world = moved.world
    assert await world.apply(world.update(moved.running, "running")) == [Duplicate()]
    await world.drive(moved.running, "completed")
    assert await world.state(moved.running) == "succeeded"


async def test_what_was_leased_is_leased_until_its_lease_ends_and_what_was_pending_is_given(moved):
    world = moved.world
    given = await world.lease(moved.node)
    assert len(given) == 1
    assert not set(given) & set(moved.leased)
    assert (await world.ack(moved.node, *moved.leased)).held == (True,) * len(moved.leased)
    world.tick(61)
    assert await world.lease(moved.node) == given
    world.tick(61)
    commands = await world.lease(moved.node, journal_id="another")
    assert [each for each in commands if each in (*moved.leased, *given)] == [*moved.leased, *given]  # oldest first


async def test_agents_keys_and_tokens_stand_as_they_stood(moved):
    world, store = moved.world, moved.world.store
    assert (await store.record_heartbeat(world.beat(moved.node))).epoch == 1  # the start that it knows
    assert (await store.record_heartbeat(world.beat(moved.node, agent_id="agent-2"))).epoch == 2
    await store.promote_key(moved.node, "n" * 43)
    assert (await store.find_node(moved.node, fresh=True)).public_key == "n" * 43
    assert not isinstance(await store.enroll_node(world.enrolment(moved.unspent)), Refused)
    assert isinstance(await store.record_heartbeat(world.beat(moved.revoked_node, epoch=1)), Refused)


async def test_new_submits_work_and_the_counters_go_on_without_a_repeat(moved):
    world = moved.world
    before = {scope: await world.changes(scope) for scope in (SCOPE, OTHER_WORKSPACE)}
    for scope in before:
        record = await world.submit(moved.node, scope=scope)
        assert await world.state(record) == "queued"
    for scope, changes in before.items():
        assert await world.changes(scope) == [*changes, changes[-1] + 1]
    resubmitted = await world.submit(moved.node, job_id=moved.cancelled.job_id)
    assert resubmitted.attempt == 2


async def test_the_quota_counts_what_was_open(moved):
    new = moved.world.new(moved.world.command(moved.node), max_open=4)  # running, cancelling, resubmitted, pending
    assert isinstance(await moved.world.store.create_submission(new), Refused)
    assert isinstance(await moved.world.store.create_submission(replace(new, max_open_submissions=5)), Created)


async def test_run_again_it_is_told_as_done_and_changes_nothing(lived, moved, target, tmp_path):
    _, _, before = lived
    if isinstance(target.url, Path):
        await moved.world.store.close()
    assert not await asyncio.to_thread(target.filled, tmp_path / "store.jsonl")
    moved.world.store = await target.opened()
    assert await moved.reads(moved.world.store) == before


async def test_a_store_that_holds_anything_is_refused_and_stays_as_it_is(lived, target, tmp_path):
    path, _, _ = lived
    store = await target.opened()
    other = World(store, "other-")
    node = await other.node("elsewhere")
    await store.close()
    file = exported(path, tmp_path / "store.jsonl")
    with pytest.raises(ArchiveError, match="something already"):
        await asyncio.to_thread(target.filled, file)
    store = await target.opened()
    assert [each.management_node_id for each in await store.list_nodes("elsewhere")] == [node]
    assert await store.list_nodes(SCOPE.tenant_id) == []
    await store.close()


async def test_the_export_of_an_import_is_the_export(lived, tmp_path):
    path, _, _ = lived
    first = exported(path, tmp_path / "first.jsonl")
    assert import_store(tmp_path / "copy.db", Access(), first, progress=unwatched).is_new
    again = exported(tmp_path / "copy.db", tmp_path / "again.jsonl")
    assert records_of(again) == records_of(first)
    assert len(records_of(first)) > 50
