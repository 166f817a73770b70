"""Running an agent on a home: everything is put together here, and nowhere else."""

import asyncio
import contextlib
import os
import random
import signal
import time
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from slipway_node import keys, policy_file, reconciling, storage, tracing
from slipway_node.agent.agent import Agent, StopTiming
from slipway_node.agent.context import Context, Fetch, PolicyNow, Timing, World
from slipway_node.clock import Clock
from slipway_node.filesystem import require_local
from slipway_node.gateway_client import GatewayClient, Ids
from slipway_node.home import Home, Identity
from slipway_node.journal import Journal, JournalThread
from slipway_node.lock import AgentLock, this_process
from slipway_node.payloads import fetch
from slipway_node.ports import Engine
from slipway_node.reconciling import Reconciliation
from slipway_node.results.publishing import publish
from slipway_node.settings import NodeSettings

LOCK_AGAIN_SECONDS = 1.0

_log = structlog.get_logger(__name__)

MakeEngine = Callable[[Home, policy_file.PolicyInForce, NodeSettings], Engine]


def system_time() -> datetime:
    """Return this machine's time."""
    return datetime.now(UTC)


async def run(
    home: Home,
    settings: NodeSettings,
    make_engine: MakeEngine,
    *,
    keep_engine: bool,
    on_ready: Callable[[Context], None],
) -> None:
    """Run the agent of ``home`` until SIGTERM or SIGINT.

    Raises NotEnrolledError, KeyUnusableError, PolicyFileError, LockHeldError, NetworkFileSystemError,
    NewerJournalError, JournalUnusableError before it begins; LeaseLostError and NodeForbiddenError where the gateway
    ends it, JournalBrokenError where it finds that later.
    """
    require_local(home.root)
    lock = await _lock_of(home)
    try:
        async with context_of(home, settings, make_engine) as context:
            stop = StopTiming(settings.stop_seconds, settings.flush_seconds, keep_engine=keep_engine)
            remember = timedelta(days=settings.keep_days)
            agent = Agent(context, stop=stop, on_ready=lambda: on_ready(context), remember=remember)
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, agent.stop)
            await agent.run()
    finally:
        lock.release()


@contextlib.asynccontextmanager
async def context_of(home: Home, settings: NodeSettings, make_engine: MakeEngine) -> AsyncIterator[Context]:
    """Put together what an agent of ``home`` works with; its journal is closed at the end."""
    identity = home.identity()
    key = keys.load(home.key_file)
    policy = policy_file.read(home.policy_file)
    clock = Clock(system_time)
    # No secret is drawn from this: ids and jitter are to differ, not to be guarded.
    generator = random.Random(os.urandom(16))  # noqa: S311
    world = World(clock=clock, monotonic=time.monotonic, draw=generator.random, new_id=lambda: str(uuid.uuid4()))
    journal = await _journal_of(home)
    try:
        async with httpx.AsyncClient(base_url=identity.gateway_url) as http:
            yield Context(
                home=home,
                identity=identity,
                journal=journal,
                journal_id=await id_of(journal, home.journal_file),
                agent_id=world.new_id(),
                gateway=client_of(identity, key, http, clock),
                engine=make_engine(home, policy, settings),
                fetch=_fetch(settings),
                publish=publish,
                tracing=tracing.configured(),
                read_policy=lambda: policy_file.read(home.policy_file),
                world=world,
                timing=_timing(settings),
                policy=PolicyNow(policy),
            )
    finally:
        await journal.close()


async def reconcile(home: Home, settings: NodeSettings, make_engine: MakeEngine) -> Reconciliation:
    """Write back into the journal what the engine knows and it does not; no agent may be running on ``home``.

    The engine's daemon is neither started nor stopped. Raises NetworkFileSystemError, PolicyFileError,
    NewerJournalError, JournalUnusableError, EngineUnavailableError.
    """
    require_local(home.root)
    engine = make_engine(home, policy_file.read(home.policy_file), settings)
    journal = await _journal_of(home)
    try:
        since = system_time() - timedelta(days=settings.keep_days)
        return await reconciling.reconcile(engine, journal, since=since, clock=system_time)
    finally:
        await journal.close()


async def _journal_of(home: Home) -> JournalThread:
    return await JournalThread.open(
        lambda: Journal.open(home.journal_file, new_id=lambda: str(uuid.uuid4()), clock=system_time)
    )


async def id_of(journal: JournalThread, file: Path) -> str:
    """Return the journal's id, also while it cannot be opened; one that was never opened is waited for."""
    known = None if journal.is_open else await asyncio.to_thread(Journal.id_in, file)
    return await journal.call(_journal_id) if known is None else known


def _journal_id(journal: Journal) -> str:
    return journal.journal_id


async def _lock_of(home: Home) -> AgentLock:
    """Take the home's lock, however long its disk has no room for the holder's name. Raises LockHeldError."""
    waits = False
    while True:
        try:
            return AgentLock.acquire(home.lock_file, this_process())
        except OSError as error:
            if not storage.lacks_room(error):
                raise
            if not waits:
                _log.error("home_not_written", detail=str(error))
            waits = True
        await asyncio.sleep(LOCK_AGAIN_SECONDS)


def client_of(identity: Identity, key: Ed25519PrivateKey, http: httpx.AsyncClient, clock: Clock) -> GatewayClient:
    """Return the gateway as the node ``identity`` calls it, signing with ``key``."""
    node_id = identity.management_node_id
    ids = Ids(trace_id=lambda: uuid.uuid4().hex, span_id=lambda: uuid.uuid4().hex[:16])
    return GatewayClient(http, node_id, keys.Signer(key, node_id), clock, ids)


def _fetch(settings: NodeSettings) -> Fetch:
    return lambda uri, workspace, prefixes: fetch(
        uri, workspace, prefixes, allow_private=settings.allow_private_addresses
    )


def _timing(settings: NodeSettings) -> Timing:
    return Timing(
        lease_wait=settings.lease_wait_seconds,
        lease_max=settings.lease_max,
        look=settings.look_seconds,
        launches_at_once=settings.launches_at_once,
        in_hand=settings.in_hand_per_worker * settings.workers,
    )
