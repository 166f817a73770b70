"""Enrolment: key, registration, engine and policy, each step done once and skipped when it is found done."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

import httpx

from slipway_contracts.node_protocol import EnrollRequest
from slipway_node import gateway_client, keys, policy_draft, policy_file
from slipway_node.amqp_address import AmqpAddress
from slipway_node.clock import Clock
from slipway_node.files import write_private
from slipway_node.filesystem import require_local
from slipway_node.home import Home, Identity, NotEnrolledError
from slipway_node.slurm.cluster import Cluster
from slipway_node.version import VERSION


class EnrolledElsewhereError(Exception):
    """The home belongs to a node of another gateway."""


class SchedulerChoice(StrEnum):
    """Which scheduler the node's engine is set up with."""

    AUTO = "auto"  # Slurm where its controller answers
    DIRECT = "direct"
    SLURM = "slurm"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What the admin asked for. ``programs`` maps a name to a path; ``name`` None leaves it to the gateway.

    ``broker`` None leaves it to the engine.
    """

    gateway_url: str
    token: str
    name: str | None
    scheduler: SchedulerChoice
    programs: Mapping[str, str]
    input_prefixes: Sequence[str]
    artifacts: str | None
    broker: AmqpAddress | None = None


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What came of it."""

    identity: Identity
    scheduler: SchedulerChoice
    policy: policy_file.PolicyInForce
    drafted: bool


SetUp = Callable[[Home, SchedulerChoice, AmqpAddress | None], None]
"""Sets the engine up; what is there stays as it is, but for the broker's address.

Raises EngineSetUpOtherwiseError for another scheduler or kind of broker than it was set up with,
EngineUnavailableError where the broker does not let it in.
"""


async def enroll(home: Home, asked: Enrolment, http: httpx.AsyncClient, clock: Clock, set_up: SetUp) -> Enrolled:
    """Enrol the node of ``home``; run again after a kill, it goes on where it was.

    Raises GatewayError, EnrolledElsewhereError, KeyUnusableError, NetworkFileSystemError, PolicyFileError,
    EngineSetUpOtherwiseError, EngineUnavailableError.
    """
    home.create()
    require_local(home.root)
    identity = await _identity(home, asked, http, clock)
    cluster = Cluster()
    scheduler = _scheduler(asked.scheduler, cluster)
    drafted = not home.policy_file.exists()
    if drafted:
        write_private(home.policy_file, policy_draft.draft(_found(home, asked, scheduler, cluster)))
    policy = policy_file.read(home.policy_file)
    set_up(home, scheduler, asked.broker)
    return Enrolled(identity, scheduler, policy, drafted)


async def _identity(home: Home, asked: Enrolment, http: httpx.AsyncClient, clock: Clock) -> Identity:
    """Return who the node is, after spending the token where that was not done before."""
    try:
        known = home.identity()
    except NotEnrolledError:
        pass
    else:
        if known.gateway_url != asked.gateway_url:
            raise EnrolledElsewhereError(f"{home.root} is node {known.node_name} of {known.gateway_url}")
        return known
    key = keys.load_or_create(home.key_file)  # on the disk before its public half is told
    request = EnrollRequest(token=asked.token, public_key=keys.public_key_of(key), node_version=VERSION)
    answer = await gateway_client.enroll(http, request, clock)
    identity = Identity(
        gateway_url=asked.gateway_url,
        management_node_id=answer.management_node_id,
        tenant_id=answer.tenant_id,
        node_name=asked.name or answer.node_name,
    )
    home.remember(identity)
    return identity


def _scheduler(asked: SchedulerChoice, cluster: Cluster) -> SchedulerChoice:
    if asked is SchedulerChoice.AUTO:
        return SchedulerChoice.SLURM if cluster.answers() else SchedulerChoice.DIRECT
    return asked


def _found(home: Home, asked: Enrolment, scheduler: SchedulerChoice, cluster: Cluster) -> policy_draft.Found:
    """Return what the policy is drafted from; raises EngineUnavailableError where Slurm was asked for and is away."""
    slurm = scheduler is SchedulerChoice.SLURM
    return policy_draft.Found(
        partitions=cluster.offer().partitions if slurm else None,
        cpus=os.cpu_count() or 1,
        memory_mib=policy_draft.memory_mib(),
        programs=policy_draft.programs_on_path() | dict(asked.programs),
        input_prefixes=asked.input_prefixes,
        artifacts=asked.artifacts or home.artifacts.resolve().as_uri(),
    )


def gateway_origin(url: str) -> str:
    """Return a gateway's URL as scheme, host and port; raises ValueError for one with a path, which tokens name."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url} is no http or https URL")
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None:
        raise ValueError(f"{url} has more than scheme, host and port")
    return f"{parts.scheme}://{parts.netloc}"
