"""Any history through the port: whatever is sent, in whatever order, the books balance."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_world import World

from slipway_contracts.lifecycle import is_terminal
from slipway_gateway.ports import CancelRecorded, Created, JobFilter, Scope

JOBS = ("job-a", "job-b", "job-c")
STATES = ("accepted", "running", "completed", "failed", "cancelled")
MAX_OPEN = 2
ACTIONS = st.one_of(
    st.tuples(st.just("submit"), st.sampled_from(JOBS), st.sampled_from(["1", "2", "3"])),
    st.tuples(st.just("event"), st.integers(0, 5), st.sampled_from(STATES)),
    st.tuples(st.just("cancel"), st.integers(0, 5), st.none()),
    st.tuples(st.just("take"), st.sampled_from(["journal-1", "journal-2"]), st.booleans()),
    st.tuples(st.just("restart"), st.sampled_from(["agent-1", "agent-2", "agent-3"]), st.none()),
    st.tuples(st.just("drain"), st.booleans(), st.none()),
    st.tuples(st.just("wait"), st.sampled_from([1.0, 61.0]), st.none()),
)


class History:
    """Plays actions in a tenant of its own and notes what a product and an agent were told."""

    def __init__(self, world: World, scope: Scope, node: str) -> None:
        self.world, self.scope, self.node = world, scope, node
        self.epoch = 1
        self.records: list = []
        self.ended: dict[tuple[str, int], str] = {}
        self.held: set[str] = set()
        self.cancelled_at_once: set[str] = set()

    async def play(self, kind, first, second):
        await getattr(self, kind)(first, second)
        await self.look()

    async def submit(self, job_id, key):
        command = self.world.command(self.node, scope=self.scope, job_id=job_id, key=f"{job_id}-{key}")
        verdict = await self.world.store.create_submission(self.world.new(command, max_open=MAX_OPEN))
        if isinstance(verdict, Created):
            self.records.append(verdict.record)

    async def event(self, index, state):
        if self.records:
            await self.world.apply(self.world.update(self.records[index % len(self.records)], state))

    async def cancel(self, index, _):
        if not self.records:
            return
        record = self.records[index % len(self.records)]
        current = (await self.world.store.get_job(self.scope, record.job_id)).projection
        recorded = await self.world.store.cancel_job(self.world.cancel(record))
        if isinstance(recorded, CancelRecorded) and not is_terminal(current.projection_state):
            assert recorded.submission_id == current.submission_id
            if recorded.projection_state == "cancelled":
                self.cancelled_at_once.add(recorded.submission_id)

    async def take(self, journal_id, acks):
        claim = self.world.claim(self.node, epoch=self.epoch, journal_id=journal_id)
        commands = (await self.world.store.lease_commands(claim)).commands
        for command in commands:
            assert command.submission.submission_id not in self.cancelled_at_once
        if acks and commands:
            ids = [command.command_id for command in commands]
            answer = await self.world.ack(self.node, *ids, epoch=self.epoch, journal_id=journal_id)
            assert all(answer.held)
            self.held |= {command.submission.submission_id for command in commands}

    async def restart(self, agent_id, _):
        started = await self.world.store.record_heartbeat(self.world.beat(self.node, agent_id=agent_id))
        self.epoch = max(self.epoch, getattr(started, "epoch", 0))

    async def drain(self, draining, _):
        await self.world.store.set_draining(self.node, draining=draining, by="admin", now=self.world.now)

    async def wait(self, seconds, _):
        self.world.tick(seconds)

    async def look(self):
        """Terminal states stay; nobody is told both "cancelled at once" and "yours"; numbers and quota balance."""
        page = (await self.world.store.list_jobs(self.scope, JobFilter(limit=100))).projections
        for job in page:
            if is_terminal(job.projection_state):
                standing = self.ended.setdefault((job.job_id, job.attempt), job.projection_state)
                assert standing == job.projection_state
        assert sum(not is_terminal(job.projection_state) for job in page) <= MAX_OPEN
        assert not self.held & self.cancelled_at_once
        changes = await self.world.changes(self.scope)
        assert changes == list(range(1, len(changes) + 1))
        assert max((job.change for job in page), default=0) == len(changes)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=st.lists(ACTIONS, max_size=25))
async def test_the_books_balance_after_every_step_of_any_history(world: World, actions):
    scope = Scope(world.id("tenant"), "lab")
    history = History(world, scope, await world.node(scope.tenant_id))
    for action in actions:
        await history.play(*action)
