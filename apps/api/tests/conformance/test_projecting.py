"""Surface 3 through the port: every code, every order of delivery, one outcome."""

import asyncio
import itertools
from dataclasses import replace

import pytest
from store_world import OTHER_TENANT, OTHER_WORKSPACE, SCOPE, World

from slipway_contracts.errors import Code
from slipway_contracts.lifecycle import Applied, Duplicate, Refused, Standing, fold, receipt_of
from slipway_contracts.projection_update import ProjectionState

LIVES = (
    ("accepted", "running", "completed"),
    ("accepted", "running", "failed"),
    ("accepted", "cancelled"),
    ("failed",),
)


def names(verdicts):
    return [verdict.code.value if isinstance(verdict, Refused) else type(verdict).__name__ for verdict in verdicts]


@pytest.fixture
async def record(world: World, node):
    return await world.submit(node)


@pytest.mark.parametrize("life", LIVES)
async def test_a_life_in_order_is_applied_and_ends_where_its_last_event_says(world: World, record, life):
    assert names(await world.apply(*(world.update(record, state) for state in life))) == ["Applied"] * len(life)
    assert await world.state(record) == {"completed": "succeeded"}.get(life[-1], life[-1])


async def test_the_projection_tells_what_the_events_told(world: World, record):
    await world.apply(world.update(record, "accepted"))
    started = world.tick()
    await world.apply(world.update(record, "running", slurm_job_id="42"))
    ended = world.tick()
    await world.apply(world.update(record, "completed", slurm_job_id="42", output_uri="s3://b/o"))
    told = (await world.store.get_job(SCOPE, record.job_id)).projection
    assert (told.execution_id, told.scheduler_ref.slurm_job_id, told.result_ref.output_uri) == (
        "process-1",
        "42",
        "s3://b/o",
    )
    assert (told.started_at, told.ended_at, told.updated_at) == (started, ended, ended)


async def test_a_failure_is_told_with_its_code(world: World, record):
    await world.apply(world.update(record, "failed", error_code="out_of_memory"))
    assert (await world.store.get_job(SCOPE, record.job_id)).projection.failure.code == "out_of_memory"


@pytest.mark.idempotency("projection-update")
async def test_a_duplicate_is_no_change_whatever_its_time(world: World, record):
    await world.drive(record, "accepted", "running")
    world.tick()
    assert (
        names(await world.apply(world.update(record, "accepted"), world.update(record, "running"))) == ["Duplicate"] * 2
    )
    assert await world.changes() == [1, 2, 3]


@pytest.mark.idempotency("projection-update")
async def test_of_concurrent_duplicates_one_is_applied(world: World, record):
    update = world.update(record, "accepted")
    verdicts = [verdict for [verdict] in await asyncio.gather(*(world.apply(update) for _ in range(30)))]
    assert sorted(names(verdicts)) == ["Applied"] + ["Duplicate"] * 29
    assert await world.changes() == [1, 2]


@pytest.mark.idempotency("projection-update")
async def test_a_duplicate_within_one_call_is_a_duplicate(world: World, record):
    update = world.update(record, "accepted")
    assert names(await world.apply(update, update)) == ["Applied", "Duplicate"]


async def test_the_same_id_with_another_payload_is_a_conflict(world: World, record):
    await world.drive(record, "accepted", "running")
    await world.apply(world.update(record, "failed"))
    [verdict] = await world.apply(world.update(record, "failed", error_code="other"))
    assert verdict.code is Code.PROJECTION_EVENT_ID_CONFLICT
    assert await world.changes() == [1, 2, 3, 4]


async def test_the_same_id_on_another_submission_is_a_conflict(world: World, node, record):
    other = await world.submit(node)
    update = world.update(record, "accepted")
    await world.apply(update)
    borrowed = world.update(other, "accepted").model_copy(update={"projection_event_id": update.projection_event_id})
    [verdict] = await world.apply(borrowed)
    assert verdict.code is Code.PROJECTION_EVENT_ID_CONFLICT


async def test_a_gap_is_refused_as_one_and_may_come_again_in_order(world: World, record):
    [refused] = await world.apply(world.update(record, "running"))
    assert (refused.code, refused.gap) == (Code.INVALID_PROJECTION_TRANSITION, True)
    await world.drive(record, "accepted", "running")


async def test_a_regression_with_a_new_id_is_refused_and_nothing_is_written(world: World, record):
    await world.drive(record, "accepted", "running")
    [refused] = await world.apply(world.update(record, "accepted", execution_id="process-2"))
    assert (refused.code, refused.gap) == (Code.INVALID_PROJECTION_TRANSITION, False)
    assert await world.changes() == [1, 2, 3]


async def test_a_terminal_state_absorbs(world: World, record):
    await world.drive(record, "accepted", "running", "completed")
    [refused] = await world.apply(world.update(record, "failed"))
    assert refused.code is Code.INVALID_PROJECTION_TRANSITION
    assert await world.state(record) == "succeeded"


async def test_references_are_immutable_once_seen(world: World, record):
    await world.apply(world.update(record, "accepted"))
    await world.apply(world.update(record, "running", slurm_job_id="42"))
    verdicts = [
        (await world.apply(world.update(record, "completed", slurm_job_id="43")))[0],
        (await world.apply(world.update(record, "completed", execution_id="process-2")))[0],
    ]
    assert names(verdicts) == [Code.INVALID_PROJECTION_TRANSITION] * 2
    assert names(await world.apply(world.update(record, "completed"))) == ["Applied"]


@pytest.mark.parametrize("change", [{"attempt": 2}, {"projection_state": ProjectionState.RUNNING}])
async def test_an_update_that_contradicts_itself_or_its_submission_is_invalid(world: World, record, change):
    verdicts = await world.apply(
        world.update(record, "accepted").model_copy(update=change), world.update(record, "running")
    )
    assert names(verdicts) == [Code.INVALID_PROJECTION_UPDATE, Code.INVALID_PROJECTION_TRANSITION]
    assert verdicts[1].gap
    assert await world.changes() == [1]


async def test_an_update_without_an_attempt_is_of_its_submissions(world: World, node, record):
    await world.drive(record, "accepted", "failed")
    second = await world.submit(node, job_id=record.job_id)
    unnumbered = world.update(second, "accepted").model_copy(update={"attempt": None})
    assert names(await world.apply(unnumbered)) == ["Applied"]
    assert [entry.attempt for entry in await world.store.timeline(SCOPE, record.job_id)] == [1, 1, 1, 2, 2]


async def test_an_unknown_target_is_not_found(world: World, record):
    [verdict] = await world.apply(world.update(replace(record, submission_id="unknown"), "accepted"))
    assert verdict.code is Code.PROJECTION_TARGET_NOT_FOUND


async def test_a_target_of_another_job_is_not_found_and_what_follows_is_a_gap(world: World, record):
    stray = world.update(record, "accepted").model_copy(update={"job_id": "another-job"})
    verdicts = await world.apply(stray, world.update(record, "accepted"))
    assert names(verdicts) == [Code.PROJECTION_TARGET_NOT_FOUND, Code.INVALID_PROJECTION_TRANSITION]
    assert verdicts[1].gap
    assert await world.changes() == [1]


async def test_what_comes_before_a_missed_target_holds(world: World, record):
    stray = world.update(record, "running").model_copy(update={"job_id": "another-job"})
    verdicts = await world.apply(world.update(record, "accepted"), stray, world.update(record, "running"))
    assert names(verdicts) == ["Applied", Code.PROJECTION_TARGET_NOT_FOUND, Code.INVALID_PROJECTION_TRANSITION]
    assert await world.changes() == [1, 2]


async def test_behind_a_refusal_a_missed_target_is_a_gap_like_the_rest(world: World, record):
    stray = world.update(record, "running").model_copy(update={"workspace_id": "elsewhere"})
    verdicts = await world.apply(world.update(record, "completed"), stray)
    assert [(verdict.code, verdict.gap) for verdict in verdicts] == [(Code.INVALID_PROJECTION_TRANSITION, True)] * 2


@pytest.mark.tenant_boundary("projection-update")
@pytest.mark.parametrize("scope", [OTHER_TENANT, OTHER_WORKSPACE])
async def test_a_target_of_another_scope_is_forbidden_and_untouched(world: World, record, scope):
    stranger = replace(record, tenant_id=scope.tenant_id, workspace_id=scope.workspace_id)
    verdicts = await world.apply(world.update(stranger, "accepted"), world.update(record, "accepted"))
    assert names(verdicts) == [Code.FORBIDDEN, Code.INVALID_PROJECTION_TRANSITION]
    assert await world.changes() == [1]
    assert await world.changes(scope) == []


@pytest.mark.tenant_boundary("projection-update")
async def test_an_event_id_used_in_another_tenant_is_free_in_this_one(world: World, record):
    theirs = await world.submit(await world.node(OTHER_TENANT.tenant_id), scope=OTHER_TENANT)
    update = world.update(record, "accepted")
    await world.apply(update)
    same_id = world.update(theirs, "accepted").model_copy(update={"projection_event_id": update.projection_event_id})
    assert names(await world.apply(same_id)) == ["Applied"]


async def test_one_submissions_refusal_leaves_the_others_of_the_call_alone(world: World, node, record):
    other = await world.submit(node)
    verdicts = await world.apply(
        world.update(record, "running"),
        world.update(other, "accepted"),
        world.update(record, "accepted"),
        world.update(other, "running"),
    )
    assert names(verdicts) == [Code.INVALID_PROJECTION_TRANSITION, "Applied"] * 2


async def test_a_running_that_an_older_emitter_skips_is_filled_in_and_marked(world: World, record):
    verdicts = await world.apply(
        world.update(record, "accepted"), world.update(record, "completed"), synthesize_running=True
    )
    entries = await world.store.timeline(SCOPE, record.job_id)
    assert names(verdicts) == ["Applied"] * 2
    assert [(entry.projection_state, entry.synthesized) for entry in entries] == [
        ("queued", False),
        ("queued", False),
        ("running", True),
        ("succeeded", False),
    ]


async def test_updates_of_a_former_submission_never_touch_the_current_projection(world: World, node, record):
    await world.drive(record, "accepted", "failed")
    second = await world.submit(node, job_id=record.job_id)
    late = await world.apply(world.update(record, "failed"), world.update(record, "cancelled"))
    assert names(late) == ["Duplicate", Code.INVALID_PROJECTION_TRANSITION]
    await world.drive(second, "accepted", "running")
    assert await world.state(second) == "running"


@pytest.mark.idempotency("projection-update")
@pytest.mark.parametrize("life", LIVES)
async def test_every_order_and_duplication_of_a_life_ends_as_the_pure_fold_says(world: World, node, life):
    """Deliveries one by one, each event up to twice, in every order: the store and the fold agree step by step."""
    for deliveries in set(itertools.permutations(life * 2)):
        record = await world.submit(node)
        standing, receipts = Standing(1, ProjectionState.QUEUED), {}
        for state in deliveries:
            update = world.update(record, state)
            expected = fold(standing, receipts, [update])
            verdicts = await world.apply(update)
            assert names(verdicts) == names(expected.verdicts), deliveries
            standing = expected.standing
            receipts |= {write.projection_event_id: receipt_of(write) for write in expected.writes}
        assert await world.state(record) == standing.projection_state


@pytest.mark.idempotency("projection-update")
async def test_every_order_of_two_attempts_ends_with_the_second_ones_state(world: World, node):
    for order in set(itertools.permutations((0, 0, 1, 1))):
        first = await world.submit(node)
        await world.drive(first, "accepted", "failed")
        second = await world.submit(node, job_id=first.job_id)
        lives = [
            iter([world.update(first, "accepted"), world.update(first, "failed")]),
            iter([world.update(second, "accepted"), world.update(second, "running")]),
        ]
        for attempt in order:
            [verdict] = await world.apply(next(lives[attempt]))
            assert isinstance(verdict, Applied if attempt else Duplicate)
        assert await world.state(second) == "running"


async def test_concurrent_lives_of_many_submissions_are_each_folded_whole(world: World, node):
    records = [await world.submit(node) for _ in range(25)]
    lives = [[world.update(record, state) for state in LIVES[0]] for record in records]
    verdicts = await asyncio.gather(*(world.apply(*life) for life in lives))
    assert [names(each) for each in verdicts] == [["Applied"] * 3] * 25
    assert await world.changes() == list(range(1, 101))


@pytest.mark.tenant_boundary("projection-update")
async def test_a_submission_is_not_found_by_another_node(world: World, record):
    for tenant_id in (SCOPE.tenant_id, OTHER_TENANT.tenant_id):
        stranger = await world.node(tenant_id)
        [verdict] = await world.apply(world.update(record, "accepted"), node_id=stranger)
        assert verdict.code is Code.PROJECTION_TARGET_NOT_FOUND
    assert await world.changes() == [1]


async def test_a_former_submission_stays_its_own_nodes_when_the_job_went_to_another(world: World, record):
    await world.drive(record, "accepted", "failed")
    other = await world.node()
    await world.submit(other, job_id=record.job_id)
    late = world.update(record, "failed")
    assert names(await world.apply(late)) == ["Duplicate"]
    assert names(await world.apply(late, node_id=other)) == [Code.PROJECTION_TARGET_NOT_FOUND]
