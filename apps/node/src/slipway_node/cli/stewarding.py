"""`slipway-node drain` and `rotate-key`: what the node's admin has the node tell the gateway."""

import asyncio
from json import dumps
from typing import Annotated

import httpx
from cyclopts import Parameter

from slipway_contracts.node_protocol import DrainRequest, NodeState, NodeStateResponse
from slipway_node import keys
from slipway_node.cli.endings import OK
from slipway_node.cli.options import HomeOption, JsonOption, home_of, tell
from slipway_node.clock import Clock
from slipway_node.home import Home, Identity
from slipway_node.in_gateway_time import in_gateway_time
from slipway_node.key_rotation import rotate
from slipway_node.lock import this_process, without_an_agent
from slipway_node.running import client_of, system_time

_SAID = {
    NodeState.ACTIVE: "takes new jobs",
    NodeState.DRAINING: "takes no new jobs; what it was sent before goes on, and so do cancels",
    NodeState.REVOKED: "was revoked",
}


def drain(
    *,
    end: Annotated[bool, Parameter(negative="", help="Take new jobs again")] = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> int:
    """Take no new jobs; what the node has is finished. Beside a running agent or without one; may be repeated."""
    place = home_of(home)
    answer = asyncio.run(_drain(place, DrainRequest(draining=not end)))
    tell(answer.model_dump_json(indent=2) if json else f"node {place.identity().node_name} {_SAID[answer.state]}")
    return OK


def rotate_key(*, home: HomeOption = None, json: JsonOption = False) -> int:
    """Change the node's key. Stop the agent before; may be run again after a failure, and goes on where it was."""
    place = home_of(home)
    identity = place.identity()
    with without_an_agent(place.lock_file, this_process(), "and signs with the key that it began with"):
        public_key = asyncio.run(_rotate(place, identity))
    if json:
        tell(dumps({"management_node_id": identity.management_node_id, "public_key": public_key}, indent=2))
    else:
        tell(f"node {identity.node_name} has a new key, and the old one is good no more; public key {public_key}")
    return OK


async def _rotate(home: Home, identity: Identity) -> str:
    clock = Clock(system_time)
    async with http_to(identity) as http:
        return await rotate(home, lambda key: client_of(identity, key, http, clock), clock)


async def _drain(home: Home, asked: DrainRequest) -> NodeStateResponse:
    identity, clock = home.identity(), Clock(system_time)
    async with http_to(identity) as http:
        client = client_of(identity, keys.load(home.key_file), http, clock)
        return await in_gateway_time(clock, lambda: client.drain(asked))


def http_to(identity: Identity) -> httpx.AsyncClient:
    """Return the connection that the node's gateway is called by."""
    return httpx.AsyncClient(base_url=identity.gateway_url)
