"""The node's Ed25519 key, and the tokens signed with it (docs/contracts/node-protocol.md)."""

import base64
import hashlib
from datetime import datetime
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from slipway_contracts.node_protocol import NODE_TOKEN_AUDIENCE, NODE_TOKEN_MAX_SECONDS
from slipway_node.files import write_private


class KeyUnusableError(Exception):
    """The key file holds no Ed25519 key."""


def load_or_create(path: Path) -> Ed25519PrivateKey:
    """Return the key in ``path``, made once and for the owner's eyes alone. Raises KeyUnusableError."""
    if not path.exists():
        made = Ed25519PrivateKey.generate()
        pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_private(path, pem.decode("ascii"))
    return load(path)


def load(path: Path) -> Ed25519PrivateKey:
    """Return the key in ``path``; raises KeyUnusableError and FileNotFoundError."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except ValueError as error:
        raise KeyUnusableError(f"{path} holds no private key: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyUnusableError(f"{path} holds no Ed25519 key")
    return key


def public_key_of(key: Ed25519PrivateKey) -> str:
    """Return the raw public key as base64url without padding, as the wire has it."""
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


class Signer:
    """Signs one request at a time as the node."""

    def __init__(self, key: Ed25519PrivateKey, management_node_id: str) -> None:
        self._key = key
        self._management_node_id = management_node_id

    def token(self, method: str, path: str, body: bytes, now: datetime) -> str:
        """Return a token for exactly this request: method, path as sent without its query, and body."""
        issued_at = int(now.timestamp())
        claims = {
            "iss": self._management_node_id,
            "aud": NODE_TOKEN_AUDIENCE,
            "iat": issued_at,
            "exp": issued_at + NODE_TOKEN_MAX_SECONDS,
            "htm": method,
            "htu": path,
            "bsh": hashlib.sha256(body).hexdigest(),
        }
        return jwt.encode(claims, self._key, algorithm="EdDSA")
