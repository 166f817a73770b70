"""Changing the node's key, so that a kill at any moment leaves a node that can sign.

1. The next key is on the disk, in a file of its own, before its public half is told.
2. It is announced, signed with the present key. From now on the gateway takes both.
3. It takes the present key's place, by one rename that has reached the disk.
4. It is used, which makes it the only one.

Killed before 3, the node has the present key, and a repeated run goes on with the same next key. Killed after it, the
node has the next key, which the gateway takes (docs/contracts/node-protocol.md, "Success response").
"""

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from slipway_contracts.node_protocol import NodeStateResponse, RotateKeyRequest
from slipway_node import keys
from slipway_node.clock import Clock
from slipway_node.files import put_in_place
from slipway_node.gateway_client import GatewayClient, GatewayUnreachableError
from slipway_node.home import Home
from slipway_node.in_gateway_time import in_gateway_time


class NewKeyUnusedError(GatewayUnreachableError):
    """The new key is the node's, but the gateway has not seen it used and takes the old one too."""


async def rotate(home: Home, client_with: Callable[[Ed25519PrivateKey], GatewayClient], clock: Clock) -> str:
    """Change the key of ``home``, which no agent may be running on; return the new public key.

    Raises GatewayError before anything has changed, but NewKeyUnusedError after it; KeyUnusableError.
    """
    following = keys.load_or_create(home.next_key_file)
    public_key = keys.public_key_of(following)
    announced = RotateKeyRequest(public_key=public_key)
    present = client_with(keys.load(home.key_file))
    await in_gateway_time(clock, lambda: present.rotate_key(announced))
    put_in_place(home.next_key_file, home.key_file)
    await _use(client_with(following), announced)
    return public_key


async def _use(client: GatewayClient, announced: RotateKeyRequest) -> NodeStateResponse:
    """Use the new key for a call that changes nothing else: to announce the key that it is signed with."""
    try:
        return await client.rotate_key(announced)
    except GatewayUnreachableError as error:
        raise NewKeyUnusedError(
            f"the key is changed, but the old one is good until the new one's use: {error}"
        ) from error
