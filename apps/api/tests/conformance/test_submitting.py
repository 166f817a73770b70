"""Surface 1 through the port: what a submit is judged by, and its commit."""

import asyncio
from dataclasses import replace

import pytest
from store_world import OTHER_TENANT, OTHER_WORKSPACE, SCOPE, World, reidentified

from slipway_contracts.errors import Code
from slipway_contracts.node_policy import NodePolicy
from slipway_gateway.ports import Created, NewSubmission, Replayed, StalePolicy


def code_of(verdict):
    return verdict.code


async def test_a_created_submission_is_told_by_its_record(world: World, node):
    new = world.new(world.command(node))
    verdict = await world.store.create_submission(new)
    assert isinstance(verdict, Created)
    assert (verdict.record.submission_id, verdict.record.attempt) == (new.submission_id, 1)
    assert verdict.record.accepted_at == new.accepted_at


async def test_a_created_submission_starts_queued_with_its_first_timeline_row(world: World, node):
    record = await world.submit(node)
    row = await world.store.get_job(SCOPE, record.job_id)
    [entry] = await world.store.timeline(SCOPE, record.job_id)
    assert (row.projection.projection_state, row.projection.change) == ("queued", 1)
    assert (entry.kind, entry.change, entry.submission_id) == ("submitted", 1, record.submission_id)


async def test_the_command_is_stored_as_it_was_meant(world: World, node):
    command = world.command(node, cpu=7, session_id="tab-1")
    await world.store.create_submission(world.new(command))
    assert (await world.store.get_job(SCOPE, command.job_id)).command == command


async def test_a_context_knows_neither_an_unused_key_nor_an_unknown_node(world: World):
    context = await world.store.submission_context(world.key_of(world.command("nowhere")))
    assert (context.existing, context.node) == (None, None)


async def test_a_context_tells_the_record_under_the_key_and_the_node_with_its_policy(world: World, node):
    command = world.command(node)
    created = await world.store.create_submission(world.new(command))
    context = await world.store.submission_context(world.key_of(command))
    assert context.existing == created.record
    assert (context.node.management_node_id, context.node.policy.policy_version) == (node, "p1")


async def test_contexts_come_in_the_order_of_their_keys(world: World, node):
    commands = [world.command(node) for _ in range(70)]
    await world.store.create_submissions([world.new(command) for command in commands[::2]])
    contexts = await world.store.submission_contexts([world.key_of(command) for command in commands])
    known = [context.existing and context.existing.job_id for context in contexts]
    assert known == [command.job_id if index % 2 == 0 else None for index, command in enumerate(commands)]


@pytest.mark.idempotency("submit-job-command")
async def test_of_fifty_concurrent_identical_submits_one_creates_and_the_others_replay_it(world: World, node):
    new = world.new(world.command(node))
    verdicts = await asyncio.gather(*(world.store.create_submission(reidentified(new)) for _ in range(50)))
    created = [verdict for verdict in verdicts if isinstance(verdict, Created)]
    assert len(created) == 1
    assert all(isinstance(verdict, Replayed) for verdict in verdicts if verdict not in created)
    assert {verdict.record for verdict in verdicts} == {created[0].record}
    assert await world.changes() == [1]
    assert len(await world.lease(node)) == 1


@pytest.mark.idempotency("submit-job-command")
async def test_a_replay_is_the_same_from_another_session_and_after_the_job_has_ended(world: World, node):
    command = world.command(node, key="once")
    record = (await world.store.create_submission(world.new(command))).record
    await world.drive(record, "accepted", "running", "completed")
    again = world.command(node, key="once", job_id=command.job_id, session_id="another-tab")
    assert await world.store.create_submission(world.new(again)) == Replayed(record)


@pytest.mark.idempotency("submit-job-command")
async def test_a_replay_is_answered_before_policy_state_and_quota_are_looked_at(world: World, node):
    new = world.new(world.command(node))
    record = (await world.store.create_submission(new)).record
    await world.store.set_draining(node, draining=True, by="admin", now=world.now)
    late = world.new(new.command, policy_version="p0", max_open=0)
    assert await world.store.create_submission(late) == Replayed(record)


async def test_the_same_key_with_another_intent_is_a_conflict(world: World, node):
    await world.submit(node, key="once")
    verdict = await world.store.create_submission(world.new(world.command(node, key="once", cpu=2)))
    assert code_of(verdict) is Code.IDEMPOTENCY_CONFLICT


async def test_of_two_concurrent_intents_under_one_key_one_is_a_conflict(world: World, node):
    news = [world.new(world.command(node, key="once", job_id="job", cpu=cpu)) for cpu in (1, 2)]
    verdicts = await asyncio.gather(*map(world.store.create_submission, news))
    assert isinstance(verdicts[0], Created)
    assert code_of(verdicts[1]) is Code.IDEMPOTENCY_CONFLICT


async def test_another_key_on_an_open_job_is_job_active(world: World, node):
    record = await world.submit(node)
    verdict = await world.store.create_submission(world.new(world.command(node, job_id=record.job_id)))
    assert code_of(verdict) is Code.JOB_ACTIVE


async def test_of_concurrent_keys_on_one_job_one_is_created(world: World, node):
    news = [world.new(world.command(node, job_id="job")) for _ in range(20)]
    verdicts = await asyncio.gather(*map(world.store.create_submission, news))
    assert sum(isinstance(verdict, Created) for verdict in verdicts) == 1
    assert sum(not isinstance(verdict, Created) and code_of(verdict) is Code.JOB_ACTIVE for verdict in verdicts) == 19


async def test_another_key_on_a_terminal_job_is_its_next_attempt_and_keeps_the_history(world: World, node):
    first = await world.submit(node, job_id="job")
    await world.drive(first, "accepted", "failed")
    second = await world.submit(node, job_id="job")
    row = await world.store.get_job(SCOPE, "job")
    kinds = [(entry.attempt, entry.kind) for entry in await world.store.timeline(SCOPE, "job")]
    assert (second.attempt, row.projection.projection_state, row.projection.failure) == (2, "queued", None)
    assert kinds == [(1, "submitted"), (1, "event"), (1, "event"), (2, "submitted")]
    assert row.projection.submission_id == second.submission_id


async def test_a_submission_judged_by_an_older_policy_is_stale(world: World, node):
    verdict = await world.store.create_submission(world.new(world.command(node), policy_version="p0"))
    assert verdict == StalePolicy()
    assert await world.changes() == []


@pytest.mark.parametrize("draining", [True, False])
async def test_a_node_that_is_draining_is_given_no_new_submission_until_it_resumes(world: World, node, draining):
    await world.store.set_draining(node, draining=True, by="admin", now=world.now)
    await world.store.set_draining(node, draining=draining, by="admin", now=world.now)
    verdict = await world.store.create_submission(world.new(world.command(node)))
    assert isinstance(verdict, StalePolicy if draining else Created)


async def test_a_node_that_does_not_exist_is_stale(world: World):
    assert await world.store.create_submission(world.new(world.command("nowhere"))) == StalePolicy()


async def test_the_quota_counts_open_submissions_of_the_workspace(world: World, node):
    first, second = await world.submit(node), await world.submit(node)
    await world.submit(node, scope=OTHER_WORKSPACE)
    refused = await world.store.create_submission(world.new(world.command(node), max_open=2))
    await world.drive(first, "accepted", "failed")
    created = await world.store.create_submission(world.new(world.command(node), max_open=2))
    assert code_of(refused) is Code.QUOTA_EXCEEDED
    assert isinstance(created, Created)
    assert second.submission_id


async def test_concurrent_submits_never_pass_the_quota(world: World, node):
    news = [world.new(world.command(node), max_open=7) for _ in range(30)]
    verdicts = await asyncio.gather(*map(world.store.create_submission, news))
    assert sum(isinstance(verdict, Created) for verdict in verdicts) == 7


async def test_every_way_to_end_frees_the_quota(world: World, node):
    cancelled, failed, revoked = [await world.submit(node) for _ in range(3)]
    await world.store.cancel_job(world.cancel(cancelled))
    await world.drive(failed, "failed")
    assert isinstance(await world.store.create_submission(world.new(world.command(node), max_open=2)), Created)
    await world.store.revoke_node(node, by="admin", now=world.now, trace_id="t")
    other = await world.node()
    assert isinstance(await world.store.create_submission(world.new(world.command(other), max_open=1)), Created)
    assert revoked.job_id


async def test_a_batch_is_judged_in_order_as_if_one_by_one(world: World, node):
    twice: NewSubmission = world.new(world.command(node, key="twice"))
    batch = [
        twice,
        reidentified(twice),
        world.new(world.command(node, key="twice", cpu=2)),
        world.new(world.command(node, job_id=twice.command.job_id)),
        world.new(world.command(node), policy_version="p0"),
        world.new(world.command(node), max_open=1),
        world.new(world.command(node)),
    ]
    verdicts = await world.store.create_submissions(batch)
    assert [getattr(verdict, "code", type(verdict).__name__) for verdict in verdicts] == [
        "Created",
        "Replayed",
        Code.IDEMPOTENCY_CONFLICT,
        Code.JOB_ACTIVE,
        "StalePolicy",
        Code.QUOTA_EXCEEDED,
        "Created",
    ]
    assert await world.changes() == [1, 2]


async def test_a_batch_of_five_hundred_is_numbered_without_gap(world: World, node):
    verdicts = await world.store.create_submissions([world.new(world.command(node)) for _ in range(500)])
    assert all(isinstance(verdict, Created) for verdict in verdicts)
    assert await world.changes() == list(range(1, 501))


@pytest.mark.tenant_boundary("submit-job-command")
async def test_keys_and_jobs_of_other_scopes_are_others(world: World, node):
    theirs = await world.node(OTHER_TENANT.tenant_id)
    await world.submit(node, job_id="job", key="key")
    for scope, other in ((OTHER_WORKSPACE, node), (OTHER_TENANT, theirs)):
        record = await world.submit(other, scope=scope, job_id="job", key="key")
        assert record.attempt == 1


@pytest.mark.tenant_boundary("submit-job-command")
async def test_another_tenants_node_is_neither_told_nor_submitted_to(world: World, node):
    command = world.command(node, scope=OTHER_TENANT)
    assert (await world.store.submission_context(world.key_of(command))).node is None
    assert await world.store.create_submission(world.new(command)) == StalePolicy()
    assert await world.store.get_job(OTHER_TENANT, command.job_id) is None


@pytest.mark.tenant_boundary("submit-job-command")
async def test_the_record_under_a_key_is_told_in_its_workspace_alone(world: World, node):
    await world.submit(node, key="key")
    command = world.command(node, scope=OTHER_WORKSPACE, key="key")
    assert (await world.store.submission_context(world.key_of(command))).existing is None


async def test_a_batch_names_hundreds_of_nodes_with_the_largest_policies(world: World):
    large = ["https://inputs.example/" + "x" * 1_900] * 31  # 60 KB
    node = await world.node()
    nodes = [await world.node() for _ in range(300)]
    policy = NodePolicy(policy_version="p1", queues={}, input_prefixes=large)
    for each in nodes:
        await world.store.record_heartbeat(replace(world.beat(each, epoch=1), policy=policy))
    commands = [world.command(each) for each in [node, *nodes, node]]
    contexts = await world.store.submission_contexts([world.key_of(command) for command in commands])
    assert [context.node.management_node_id for context in contexts] == [node, *nodes, node]
    verdicts = await world.store.create_submissions([world.new(command) for command in commands])
    assert {type(verdict) for verdict in verdicts} == {Created}
    assert await world.changes() == list(range(1, len(commands) + 1))


async def test_hundreds_of_jobs_with_the_largest_results_are_submitted_anew(world: World, node):
    first = await world.store.create_submissions([world.new(world.command(node)) for _ in range(300)])
    uri = "file:///" + "x" * 60_000
    for start in range(0, 300, 60):
        records = [verdict.record for verdict in first[start : start + 60]]
        lives = [world.update(r, s, output_uri=uri) for r in records for s in ("accepted", "running", "completed")]
        assert {type(verdict).__name__ for verdict in await world.apply(*lives)} == {"Applied"}
    news = [world.new(world.command(node, job_id=verdict.record.job_id)) for verdict in first]
    for expected in (Created, Replayed):
        verdicts = await world.store.create_submissions(news if expected is Created else list(map(reidentified, news)))
        assert {(type(verdict), verdict.record.attempt) for verdict in verdicts} == {(expected, 2)}
