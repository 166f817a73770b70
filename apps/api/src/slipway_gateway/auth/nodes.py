"""Node tokens: a JWT of at most a minute over method, path and body (docs/contracts/node-protocol.md)."""

import base64
import binascii
import hashlib
import re
import time
from collections.abc import Callable
from typing import TypeGuard

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt.types import Options

from slipway_contracts.errors import Code
from slipway_contracts.fields import ID_PATTERN
from slipway_contracts.node_protocol import NODE_TOKEN_AUDIENCE, NODE_TOKEN_MAX_SECONDS, NodeState
from slipway_gateway.ports import NodeRecord, ProductStore
from slipway_gateway.problems import ContractError

_SIGNATURE_ONLY: Options = {"verify_exp": False, "verify_aud": False, "verify_iat": False, "verify_nbf": False}
_UNVERIFIED: Options = {"verify_signature": False}
TIME_END = 2**53  # beyond it seconds are not counted exactly
LEEWAY_SECONDS = 10  # the node corrects its clock by our Date, to the second


def _refused(reason: str) -> ContractError:
    return ContractError(Code.UNAUTHORIZED, f"the node's token does not hold: {reason}")


def public_key_of(text: str) -> Ed25519PublicKey:
    """Return the key of its raw base64url form; raises ValueError."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError(str(error)) from error
    return Ed25519PublicKey.from_public_bytes(raw)


def _is_id(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and re.fullmatch(ID_PATTERN, value) is not None


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and 0 <= value < TIME_END  # a NaN is in no range


def is_node_token(token: str) -> bool:
    """Tell whether ``token`` claims to be a node's; proves nothing."""
    try:
        audience: object = jwt.decode(token, options=_UNVERIFIED).get("aud")
    except jwt.PyJWTError:
        return False
    return audience == NODE_TOKEN_AUDIENCE


class NodeTokens:
    """Verifies node tokens against the keys in the Product SoR, which holds public keys only."""

    def __init__(self, store: ProductStore, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock

    async def verify(self, token: str, method: str, path: str, body: bytes, *, fresh: bool = False) -> NodeRecord:
        """Return the node that signed this request; ``fresh`` where what it asks for is not checked when it is written.

        Raises unauthorized when the token does not hold, forbidden when the node is revoked. The first use of an
        announced key makes it the only one.
        """
        try:
            issuer = jwt.decode(token, options=_UNVERIFIED).get("iss")
        except jwt.PyJWTError as error:
            raise _refused(str(error)) from None
        node = await self._signer(issuer, token, fresh=fresh)
        self._check(token, method, path, body)
        if node.state is NodeState.REVOKED:
            raise ContractError(Code.FORBIDDEN, "this node is revoked")
        return node if not self._signed_with(token, node.next_public_key) else await self._promoted(node)

    async def _signer(self, issuer: object, token: str, *, fresh: bool) -> NodeRecord:
        """Return the node whose key signed ``token``; what a store remembers may allow, and never refuses."""
        node = None
        for anew in (True,) if fresh else (False, True):
            node = await self._store.find_node(issuer, fresh=anew) if _is_id(issuer) else None
            if node is None or (node.state is NodeState.REVOKED and not anew):
                continue
            if any(self._signed_with(token, key) for key in (node.public_key, node.next_public_key)):
                return node
        raise _refused("its issuer is no node" if node is None else "its signature is not this node's")

    async def _promoted(self, node: NodeRecord) -> NodeRecord:
        if node.next_public_key is not None:
            await self._store.promote_key(node.management_node_id, node.next_public_key)
        return node

    def _signed_with(self, token: str, public_key: str | None) -> bool:
        if public_key is None:
            return False
        try:
            jwt.decode(token, public_key_of(public_key), algorithms=["EdDSA"], options=_SIGNATURE_ONLY)
        except jwt.PyJWTError:
            return False
        return True

    def _check(self, token: str, method: str, path: str, body: bytes) -> None:
        try:
            claims = jwt.decode(token, options=_UNVERIFIED)
        except jwt.PyJWTError as error:
            raise _refused(str(error)) from None
        issued, expires, now = claims.get("iat"), claims.get("exp"), self._clock()
        if not (_is_time(issued) and _is_time(expires)):
            raise _refused("iat and exp must be seconds since 1970")
        if expires - issued > NODE_TOKEN_MAX_SECONDS:
            raise _refused(f"it is good for more than {NODE_TOKEN_MAX_SECONDS} s")
        if now > expires + LEEWAY_SECONDS or now < issued - LEEWAY_SECONDS:
            raise _refused("it is expired, or from the future: check the node's clock")
        expected = {
            "aud": NODE_TOKEN_AUDIENCE,
            "htm": method,
            "htu": path,
            "bsh": hashlib.sha256(body).hexdigest(),
        }
        for name, value in expected.items():
            if claims.get(name) != value:
                raise _refused(f"{name} is not this request's")
