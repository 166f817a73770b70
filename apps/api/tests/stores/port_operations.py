"""The operations of the port that are one call of Convex: how each is made, and what stands after it, once."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from store_world import SCOPE, World

from slipway_contracts.node_protocol import NodeState
from slipway_gateway.ports import Created, JobFilter, NewJoinToken, NodeRecord

NEXT_KEY = "n" * 43


@dataclass
class Stage:
    """A node with a job in each place where an operation finds one."""

    world: World
    node: str
    offered: Any  # pending in the store
    leased: list[str]  # command ids
    running: Any
    token: str
    deeds: Callable[[], list[str]]  # since the stage was set


@dataclass(frozen=True)
class Operation:
    """One call of the port: how it is made, what it answers, its deed in the audit, and what stands after it, once."""

    name: str
    writes: bool
    deed: str | None
    call: Callable[[Stage], Awaitable[Any]]
    answered: Callable[[Any], bool]
    stands: Callable[[Stage], Awaitable[Any]]
    standing: Any


OPERATIONS: dict[str, Operation] = {}


def operation(name: str, *, answered, stands, standing, deed=None, writes=True):
    def register(call):
        OPERATIONS[call.__name__] = Operation(name, writes, deed, call, answered, stands, standing)
        return call

    return register


async def changes(stage: Stage) -> list[int]:
    return await stage.world.changes()


async def jobs(stage: Stage) -> int:
    page = await stage.world.store.list_jobs(SCOPE, JobFilter())
    numbers = await changes(stage)
    assert numbers == list(range(1, len(numbers) + 1))
    return len(page.projections)


async def record(stage: Stage) -> NodeRecord:
    found = await stage.world.store.find_node(stage.node, fresh=True)
    assert found is not None
    return found


async def attribute(stage: Stage, name: str) -> Any:
    return getattr(await record(stage), name)


async def offered_in_the_end(stage: Stage) -> int:
    stage.world.tick(60)
    return len(await stage.world.lease(stage.node))


async def failures(stage: Stage) -> tuple[NodeState, int, list[int]]:
    page = await stage.world.store.list_jobs(SCOPE, JobFilter())
    codes = [each.failure.code for each in page.projections if each.failure]
    return await attribute(stage, "state"), codes.count("node_revoked"), await changes(stage)


@operation("create-submissions", answered=lambda told: isinstance(told, Created), stands=jobs, standing=4)
async def create_submission(stage):
    return await stage.world.store.create_submission(stage.world.new(stage.world.command(stage.node, job_id="new")))


@operation(
    "apply-projection-updates",
    answered=lambda told: [type(each).__name__ for each in told] in (["Applied"], ["Duplicate"]),
    stands=lambda stage: kinds(stage, stage.running),
    standing=["submitted", "event", "event", "event"],
)
async def apply_projection_updates(stage):
    return await stage.world.apply(stage.world.update(stage.running, "completed"))


async def kinds(stage: Stage, record) -> list[str]:
    return [entry.kind for entry in await stage.world.store.timeline(SCOPE, record.job_id)]


@operation(
    "create-join-token",
    answered=lambda told: told is None,
    stands=lambda stage: enrolled(stage, "t" * 64),
    standing=True,
    deed="create_join_token",
)
async def create_join_token(stage):
    await stage.world.store.create_join_token(
        NewJoinToken("t" * 64, "acme", "another", "admin", stage.world.now, stage.world.tick(60))
    )


async def enrolled(stage: Stage, token: str) -> bool:
    stage.world.now = stage.world.now.replace(minute=0, second=0)
    return isinstance(await stage.world.store.enroll_node(stage.world.enrolment(token)), NodeRecord)


@operation(
    "enroll-node",
    answered=lambda told: isinstance(told, NodeRecord),
    stands=lambda stage: count(stage.world.store.list_nodes("acme")),
    standing=2,
    deed="enroll_node",
)
async def enroll_node(stage):
    return await stage.world.store.enroll_node(stage.world.enrolment(stage.token))


async def count(listing: Awaitable[Any]) -> int:
    return len(await listing)


@operation(
    "record-heartbeat",
    answered=lambda told: told.epoch == 2,
    stands=lambda stage: attribute(stage, "epoch"),
    standing=2,
)
async def start_an_agent(stage):
    return await stage.world.store.record_heartbeat(stage.world.beat(stage.node, agent_id="agent-2"))


@operation(
    "record-heartbeat",
    answered=lambda told: told.epoch == 1,
    stands=lambda stage: attribute(stage, "node_version"),
    standing="1.0",
)
async def record_heartbeat(stage):
    return await stage.world.store.record_heartbeat(stage.world.beat(stage.node, epoch=1))


@operation(
    "lease-commands",
    # What an answer that was lost gave is the same agent's again when its lease ends.
    answered=lambda told: len(told.commands) in (0, 1),
    stands=offered_in_the_end,
    standing=2,
)
async def lease_commands(stage):
    return await stage.world.store.lease_commands(stage.world.claim(stage.node))


@operation(
    "ack-commands",
    answered=lambda told: told.held == (True,),
    stands=offered_in_the_end,
    standing=1,
)
async def ack_commands(stage):
    return await stage.world.ack(stage.node, *stage.leased)


@operation(
    "announce-key",
    answered=lambda told: told.next_public_key == "m" * 43,
    stands=lambda stage: attribute(stage, "next_public_key"),
    standing="m" * 43,
    deed="announce_key",
)
async def announce_key(stage):
    return await stage.world.store.announce_key(stage.node, "m" * 43, stage.world.now)


@operation(
    "promote-key",
    answered=lambda told: told is None,
    stands=lambda stage: attribute(stage, "public_key"),
    standing=NEXT_KEY,
)
async def promote_key(stage):
    await stage.world.store.promote_key(stage.node, NEXT_KEY)


@operation(
    "set-draining",
    answered=lambda told: told.state is NodeState.DRAINING,
    stands=lambda stage: attribute(stage, "state"),
    standing=NodeState.DRAINING,
    deed="set_draining",
)
async def set_draining(stage):
    return await stage.world.store.set_draining(stage.node, draining=True, by="admin", now=stage.world.now)


@operation(
    "revoke-node",
    answered=lambda told: told in (0, 3),  # a repeat tells what it closed itself
    stands=failures,
    standing=(NodeState.REVOKED, 3, list(range(1, 9))),
    deed="revoke_node",
)
async def revoke_node(stage):
    return await stage.world.store.revoke_node(stage.node, by="admin", now=stage.world.now, trace_id="t")


@operation(
    "cancel-job",
    answered=lambda told: told.projection_state == "cancelled",
    stands=lambda stage: kinds(stage, stage.offered),
    standing=["submitted", "cancelled"],
    deed="cancel_job",
)
async def cancel_a_pending_job(stage):
    return await stage.world.store.cancel_job(stage.world.cancel(stage.offered))


@operation(
    "cancel-job",
    answered=lambda told: told.projection_state == "running",
    stands=lambda stage: kinds(stage, stage.running),
    standing=["submitted", "event", "event", "cancel_requested"],
    deed="cancel_job",
)
async def cancel_a_running_job(stage):
    return await stage.world.store.cancel_job(stage.world.cancel(stage.running))


def reads(name: str, answered):
    """Register a read: nothing changes by it."""
    return operation(name, answered=answered, stands=changes, standing=[1, 2, 3, 4, 5], writes=False)


@reads("submission-contexts", lambda told: told.node is not None)
async def submission_context(stage):
    return await stage.world.store.submission_context(stage.world.key_of(stage.world.command(stage.node)))


@reads("find-node", lambda told: told.next_public_key == NEXT_KEY)
async def find_node(stage):
    return await stage.world.store.find_node(stage.node, fresh=True)


@reads("list-jobs", lambda told: len(told.projections) == 3)
async def list_jobs(stage):
    return await stage.world.store.list_jobs(SCOPE, JobFilter())


@reads("get-job", lambda told: told.projection.projection_state == "running")
async def get_job(stage):
    return await stage.world.store.get_job(SCOPE, stage.running.job_id)


@reads("timeline", lambda told: len(told) == 3)
async def timeline(stage):
    return await stage.world.store.timeline(SCOPE, stage.running.job_id)


@reads("list-nodes", lambda told: len(told) == 1)
async def list_nodes(stage):
    return await stage.world.store.list_nodes("acme")


@reads("check", lambda told: told is None)
async def check(stage):
    await stage.world.store.check()
