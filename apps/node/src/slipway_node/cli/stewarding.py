"""`slipway-node drain`: what the node's admin has the node tell the gateway."""

import asyncio
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


async def _drain(home: Home, asked: DrainRequest) -> NodeStateResponse:
    identity, clock = home.identity(), Clock(system_time)
    async with http_to(identity) as http:
        client = client_of(identity, keys.load(home.key_file), http, clock)
        return await in_gateway_time(clock, lambda: client.drain(asked))


def http_to(identity: Identity) -> httpx.AsyncClient:
    """Return the connection that the node's gateway is called by."""
    return httpx.AsyncClient(base_url=identity.gateway_url)
