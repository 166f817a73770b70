"""Both clients against a real gateway: streams through a kill, waiting, traces."""

import asyncio
import subprocess
import threading
import time

import pytest
from job_world import JobWorld
from local_stack import BIN, TENANT, USER, Gateway

from slipway import AsyncSlipway, Slipway, WaitTimeoutError
from slipway.errors import IdempotencyConflictError, JobNotFoundError, JobTerminalError, UnauthorizedError
from slipway_contracts.reads import JobChange, StreamReset
from slipway_contracts.submit_job_command import SubmitJobCommand

pytestmark = pytest.mark.timeout(60)
WHOLE = ("accepted", "running", "completed")
MANY = 105  # httpx keeps 100 connections to a pool
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    folder = tmp_path_factory.mktemp("live")
    gateway = Gateway(folder / "data", folder / "gateway.log")
    gateway.start()
    yield gateway
    gateway.process.stop()


@pytest.fixture
def world(gateway, request):
    """A workspace of the test's own."""
    return JobWorld.at(gateway, workspace=f"w-{abs(hash(request.node.name))}")


@pytest.fixture
def client(world):
    with Slipway(world.url, world.token) as made:
        yield made


@pytest.fixture
async def async_client(world):
    async with AsyncSlipway(world.url, world.token) as made:
        yield made


def states(entries):
    return [entry.source_execution_state and entry.source_execution_state.value for entry in entries]


def in_background(work, *arguments):
    thread = threading.Thread(target=work, args=arguments)
    thread.start()
    return thread


def report_through_kills(world: JobWorld, job: dict) -> None:
    """Report the whole job, the gateway killed and started again before each event."""
    for state in WHOLE:
        time.sleep(0.3)  # so that the stream is open again when the next kill comes
        world.gateway.process.kill()
        world.gateway.start()
        world.report(job, state)


@pytest.mark.idempotency("reads")
def test_a_watch_tells_each_change_once_through_kills_of_the_gateway(client, world):
    job = world.submit()
    working = in_background(report_through_kills, world, job)
    outages = []
    assert states(client.watch(job["job_id"], on_outage=outages.append)) == [None, *WHOLE]
    working.join()
    assert outages


@pytest.mark.idempotency("reads")
async def test_an_awaited_watch_tells_each_change_once_through_kills_of_the_gateway(async_client, world):
    job = await asyncio.to_thread(world.submit)
    working = asyncio.create_task(asyncio.to_thread(report_through_kills, world, job))
    answers = []
    watch = async_client.watch(job["job_id"], on_answer=lambda: answers.append(True))
    assert states([entry async for entry in watch]) == [None, *WHOLE]
    await working
    assert len(answers) > 1


def test_a_change_is_told_without_being_asked_for(client, world):
    """Told over the stream: asking again and again would take half a second to notice."""
    job = world.submit()
    told_at = {}

    def note():
        for entry in client.watch(job["job_id"]):
            told_at[entry.source_execution_state] = time.time()

    watching = in_background(note)
    delays = []
    for state in WHOLE:
        time.sleep(0.7)
        world.report(job, state)
        done = time.time()
        while state not in told_at and time.time() - done < 5:
            time.sleep(0.005)
        delays.append(told_at[state] - done)
    watching.join()
    assert min(delays) < 0.2


async def test_the_workspaces_stream_goes_on_through_a_kill_and_tells_nothing_twice(async_client, world):
    first = await asyncio.to_thread(world.submit)
    seen = []
    stream = async_client.stream()
    async for told in stream:
        seen.append(told)
        match len(seen):
            case 1:
                assert isinstance(told, StreamReset)
                assert [job.job_id for job in told.jobs] == [first["job_id"]]
                await asyncio.to_thread(world.report, first, "accepted")
            case 2:
                await asyncio.to_thread(world.gateway.process.kill)
                await asyncio.to_thread(world.gateway.start)
                await asyncio.to_thread(world.report, first, "running", "completed")
            case 4:
                break
    await stream.aclose()
    assert [told.change for told in seen] == [1, 2, 3, 4]
    assert all(isinstance(told, JobChange) for told in seen[1:])


def test_a_stream_after_a_change_begins_with_the_next(client, world):
    job = world.submit()
    world.report(job, *WHOLE)
    stream = client.stream(job["job_id"], after=1)
    assert [next(stream).change for _ in range(3)] == [2, 3, 4]


def test_waiting_ends_with_the_job_and_not_before(client, world):
    job = world.submit()
    began = time.monotonic()
    with pytest.raises(WaitTimeoutError):
        client.wait(job["job_id"], timeout_seconds=1.5)
    assert 1.4 < time.monotonic() - began < 5
    working = in_background(world.report, job, *WHOLE)
    assert client.wait(job["job_id"], timeout_seconds=30).projection_state == "succeeded"
    working.join()


@pytest.mark.timeout(120)
async def test_more_jobs_than_a_pool_has_connections_are_waited_for_at_once(async_client, world):
    world.submit_many(MANY)
    jobs = [job.job_id async for job in async_client.jobs()]
    outages = []

    async def watched(job_id):
        return [entry.projection_state async for entry in async_client.watch(job_id, on_outage=outages.append)][-1]

    watches = [asyncio.create_task(watched(job_id)) for job_id in jobs]
    await asyncio.sleep(3)  # until each has its stream
    assert await asyncio.wait_for(async_client.nodes(), 5)
    for job_id in jobs:
        await async_client.cancel(job_id)
    assert await asyncio.gather(*watches) == ["cancelled"] * MANY
    assert outages == []


async def test_the_awaited_client_does_what_the_other_does(async_client, client, world):
    command = SubmitJobCommand.model_validate(world.command())
    first = await async_client.submit_command(command)
    again = await async_client.submit_command(command)
    assert (again.submission_id, again.idempotent_replayed) == (first.submission_id, True)
    with pytest.raises(IdempotencyConflictError):
        await async_client.submit_command(command.model_copy(update={"job_id": "another"}))
    outcomes = await async_client.submit_many([SubmitJobCommand.model_validate(world.command()) for _ in range(3)])
    assert [outcome.status for outcome in outcomes] == [202] * 3
    listed = [job.job_id async for job in async_client.jobs(page_size=2)]
    assert listed == [job.job_id for job in client.jobs()]
    assert (await async_client.job(command.job_id)).command == command
    assert await async_client.timeline(command.job_id) == client.timeline(command.job_id)
    assert await async_client.nodes() == client.nodes()
    assert (await async_client.cancel(command.job_id)).projection_state == "cancelled"
    assert (await async_client.wait(command.job_id)).projection_state == "cancelled"
    with pytest.raises(JobNotFoundError):
        await async_client.projection("nobody")


async def test_what_has_ended_cannot_be_cancelled(async_client, world):
    job = await asyncio.to_thread(world.submit)
    await asyncio.to_thread(world.report, job, *WHOLE)
    with pytest.raises(JobTerminalError):
        await async_client.cancel(job["job_id"])


def test_a_trace_goes_with_a_submit(client, world):
    command = SubmitJobCommand.model_validate(world.command())
    done = client.submit_command(command, traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")
    assert done.trace_id == TRACE
    assert client.projection(command.job_id).trace_id == TRACE


@pytest.mark.tenant_boundary("reads")
def test_a_watch_of_another_workspaces_job_is_told_that_there_is_none(gateway, world):
    job = world.submit()
    with Slipway(world.url, gateway.token(workspace="elsewhere")) as other, pytest.raises(JobNotFoundError):
        next(iter(other.watch(job["job_id"])))


def test_a_stream_with_a_token_that_does_not_hold_is_refused(world):
    with Slipway(world.url, world.token[:-4] + "AAAA") as client, pytest.raises(UnauthorizedError):
        next(client.stream())


@pytest.fixture
def of_two_workspaces(gateway, world):
    """A token that lists a second workspace, so that each call has to say which it means where it is a workspace's."""
    argv = [str(BIN / "slipway-gateway"), "dev-token", "--tenant", TENANT, "--user", USER, "--data-dir"]
    argv += [str(gateway.data_dir), "--workspace", world.workspace, "--workspace", "other"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.tenant_boundary("reads")
def test_every_call_is_taken_from_a_token_of_several_workspaces(world, of_two_workspaces):
    with Slipway(world.url, of_two_workspaces, workspace_id=world.workspace) as client:
        command = client.prepare(input_uri="https://inputs.example/job.yaml", job_id="of-two", node=world.node.node_id)
        assert command.workspace_id == world.workspace
        client.submit_command(command)
        client.submit_many([command])
        assert world.node.node_id in [node.management_node_id for node in client.nodes()]
        assert [job.job_id for job in client.jobs()] == ["of-two"]
        assert client.job("of-two").projection.change == client.projection("of-two").change == 1
        assert len(client.timeline("of-two")) == 1
        assert next(client.stream()).change == next(client.stream("of-two", after=0)).change == 1
        client.cancel("of-two")
        assert client.wait("of-two", timeout_seconds=10).projection_state == "cancelled"


def test_a_wait_without_time_tells_of_a_job_that_has_ended(client, world):
    job = world.submit()
    with pytest.raises(WaitTimeoutError):
        client.wait(job["job_id"], timeout_seconds=0)
    world.report(job, *WHOLE)
    assert client.wait(job["job_id"], timeout_seconds=0).projection_state == "succeeded"
