"""The development issuer: an ES256 key pair in the data directory, for a gateway on loopback only.

Its tokens are such as Convex takes too: an issuer that is a URL, and a key with an id.
"""

import hashlib
import os
import secrets
import time
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from jwt.algorithms import ECAlgorithm

ISSUER = "https://dev-issuer.slipway.invalid"  # a name: nothing is ever asked there
KEY_NAME = "dev-issuer.pem"
TOKEN_TTL_SECONDS = 12 * 3600
_KEY_ID_DIGITS = 16


def is_loopback(host: str) -> bool:
    """Tell whether binding ``host`` is reachable from this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def signing_key(data_dir: Path) -> ec.EllipticCurvePrivateKey:
    """Return the issuer's key, made at its first use; of processes that start together, one makes it."""
    path = data_dir / KEY_NAME
    if not path.exists():
        _make(path)
    key = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path} is no EC key")  # noqa: TRY004 - what the file holds, not what we were passed
    return key


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)  # fails where another process was first, and its key is the one
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def key_id(key: ec.EllipticCurvePrivateKey) -> str:
    """Return the key's id: it follows from the key."""
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(public).hexdigest()[:_KEY_ID_DIGITS]


def jwks(key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    """Return the JWK set that the issuer's tokens are checked by."""
    public = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {"keys": [public | {"kid": key_id(key), "alg": "ES256", "use": "sig"}]}


def issue(
    key: ec.EllipticCurvePrivateKey,
    *,
    tenant_id: str,
    workspace_ids: Sequence[str],
    user_id: str,
    role: str,
    audience: str,
    ttl_seconds: int = TOKEN_TTL_SECONDS,
    now: float | None = None,
) -> str:
    """Return a signed token for this user, good for ``ttl_seconds``."""
    issued_at = int(time.time() if now is None else now)
    claims = {
        "iss": ISSUER,
        "aud": audience,
        "sub": user_id,
        "tenant_id": tenant_id,
        "workspace_ids": list(workspace_ids),
        "role": role,
        "iat": issued_at,
        "exp": issued_at + ttl_seconds,
    }
    return jwt.encode(claims, key, algorithm="ES256", headers={"kid": key_id(key)})
