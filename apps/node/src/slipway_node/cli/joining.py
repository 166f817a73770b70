"""`slipway-node enroll`."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import httpx
from cyclopts import Parameter
from pydantic import TypeAdapter, ValidationError

from slipway_contracts.fields import Id
from slipway_node import enrolment
from slipway_node.amqp_address import AmqpAddress, amqp_address
from slipway_node.cli.endings import OK, UsageError
from slipway_node.cli.options import HomeOption, home_of, tell
from slipway_node.clock import Clock
from slipway_node.enrolment import Enrolled, Enrolment, SchedulerChoice, gateway_origin
from slipway_node.home import Home
from slipway_node.running import system_time

DEFAULT_GATEWAY = "http://127.0.0.1:8700"
ENROLL_SECONDS = 30.0


def enroll(
    *,
    token: Annotated[str, Parameter(env_var="SLIPWAY_JOIN_TOKEN", help="The join token that an admin was given")],
    gateway: Annotated[str, Parameter(env_var="SLIPWAY_GATEWAY", help="The gateway's URL")] = DEFAULT_GATEWAY,
    home: HomeOption = None,
    name: Annotated[
        str | None, Parameter(help="What this node calls itself here [default: the join token's name]")
    ] = None,
    scheduler: Annotated[SchedulerChoice, Parameter(help="auto: Slurm where it answers")] = SchedulerChoice.AUTO,
    broker: Annotated[
        str | None,
        Parameter(
            env_var="SLIPWAY_BROKER",
            help="A RabbitMQ for AiiDA, amqp://USER:PASSWORD@HOST:PORT/VHOST [default: AiiDA's own broker]",
        ),
    ] = None,
    program: Annotated[
        Sequence[str], Parameter(help="NAME=PATH of a program jobs may run; repeatable", negative="")
    ] = (),
    input_prefix: Annotated[
        Sequence[str], Parameter(help="A URI prefix inputs may come from; repeatable", negative="")
    ] = (),
    artifacts: Annotated[str | None, Parameter(help="The URI results go under [default: HOME/artifacts]")] = None,
) -> int:
    """Register this machine with a gateway, set AiiDA up, and draft a policy. May be run again after a failure."""
    place = home_of(home)
    try:
        asked = Enrolment(
            gateway_url=gateway_origin(gateway),
            token=token,
            name=None if name is None else _id(name),
            scheduler=scheduler,
            programs=dict(_named_path(text) for text in program),
            input_prefixes=input_prefix,
            artifacts=artifacts,
            broker=None if broker is None else amqp_address(broker),
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    enrolled = asyncio.run(_enroll(place, asked))
    who = enrolled.identity
    tell(f"enrolled {who.node_name} ({who.management_node_id}) with {who.gateway_url}, scheduler {enrolled.scheduler}")
    what = "drafted, read it" if enrolled.drafted else "kept as it was"
    queues = ", ".join(enrolled.policy.policy.queues)
    tell(f"policy {place.policy_file} ({what}): queues {queues}")
    tell(f"next: slipway-node run --home {place.root}")
    return OK


def _named_path(text: str) -> tuple[str, str]:
    name, separator, path = text.partition("=")
    if not separator or not name or not os.access(path, os.X_OK):
        raise ValueError(f"--program {text}: NAME=PATH of an executable file is wanted")
    return name, str(Path(path).absolute())


def _id(name: str) -> str:
    try:
        return TypeAdapter[str](Id).validate_python(name)
    except ValidationError as error:
        raise ValueError(f"--name {name}: {error.errors()[0]['msg']}") from error


async def _enroll(home: Home, asked: Enrolment) -> Enrolled:
    async with httpx.AsyncClient(base_url=asked.gateway_url, timeout=ENROLL_SECONDS) as http:
        return await enrolment.enroll(home, asked, http, Clock(system_time), _set_up)


def _set_up(home: Home, scheduler: SchedulerChoice, broker: AmqpAddress | None) -> None:
    from slipway_node.aiida.profile import SchedulerKind, set_up

    set_up(home.root, SchedulerKind(scheduler.value), broker)
