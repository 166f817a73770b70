"""User tokens: JWTs of the development issuer or a configured one (docs/contracts/README.md, common rules)."""

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import jwt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from slipway_contracts.errors import Code
from slipway_contracts.fields import Id
from slipway_contracts.problem import FieldError
from slipway_gateway.ports import Scope
from slipway_gateway.problems import ContractError

ALGORITHMS = ("ES256", "RS256", "EdDSA")
LEEWAY_SECONDS = 5
VERIFIED_MAX = 1024  # tokens whose signature is not checked again until they expire


class Role(StrEnum):
    """What a user token may do: act as its user, act for users, administer nodes."""

    MEMBER = "member"
    SERVICE = "service"
    ADMIN = "admin"


class Claims(BaseModel):
    """The claims a user token must carry."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    sub: Id
    exp: float
    tenant_id: Id
    workspace_ids: tuple[Id, ...] = Field(min_length=1)
    role: Role = Role.MEMBER


@dataclass(frozen=True, slots=True)
class Caller:
    """A user's verified identity."""

    user_id: str
    tenant_id: str
    workspace_ids: tuple[str, ...]
    role: Role
    expires_at: float  # seconds since 1970 UTC

    def scope(self, workspace_id: str | None) -> Scope:
        """Return the one tenant and workspace of this request.

        ``workspace_id`` is what the request names; a token with one workspace need not name it. Raises forbidden for a
        workspace the token does not list, invalid_request where one of several has to be named.
        """
        if workspace_id is None:
            if len(self.workspace_ids) > 1:
                detail = "the token lists several workspaces: name one by workspace_id"
                listed = [FieldError(field="workspace_id", message="must be one that the token lists")]
                raise ContractError(Code.INVALID_REQUEST, detail, listed)
            return Scope(self.tenant_id, self.workspace_ids[0])
        if workspace_id not in self.workspace_ids:
            raise ContractError(Code.FORBIDDEN, "the token does not cover this workspace")
        return Scope(self.tenant_id, workspace_id)


class UserTokens:
    """Verifies user tokens of one issuer. ``keys`` maps key id → public key; None stands for a token without one."""

    def __init__(
        self, issuer: str, audience: str, keys: Mapping[str | None, Any], clock: Callable[[], float] = time.time
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = keys
        self._clock = clock
        self._verified: OrderedDict[str, tuple[float, Caller]] = OrderedDict()

    def verify(self, token: str) -> Caller:
        """Return whom ``token`` speaks for; raises unauthorized when it does not hold.

        What was verified is not verified again before it expires: the answer cannot change, a signature is costly.
        """
        known = self._verified.get(token)
        if known is not None and self._clock() < known[0]:
            return known[1]
        claims = self._claims(token)
        caller = Caller(claims.sub, claims.tenant_id, claims.workspace_ids, claims.role, claims.exp)
        self._verified[token] = (claims.exp, caller)
        if len(self._verified) > VERIFIED_MAX:
            self._verified.popitem(last=False)
        return caller

    def _claims(self, token: str) -> Claims:
        try:
            header = jwt.get_unverified_header(token)
            key = self._keys.get(header.get("kid")) or self._keys.get(None)
            if key is None:
                raise ContractError(Code.UNAUTHORIZED, "the token is signed with a key that is not the issuer's")
            claims = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
            return Claims.model_validate(claims)
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
            reason = "a claim is missing or malformed" if isinstance(error, ValidationError) else str(error)
            raise ContractError(Code.UNAUTHORIZED, f"the token does not hold: {reason}") from None


def keys_of_jwks(path: Path) -> dict[str | None, Any]:
    """Read a JWK set; raises ValueError when it has no usable key."""
    content = json.loads(path.read_text())
    keys: dict[str | None, Any] = {}
    for entry in jwt.PyJWKSet.from_dict(content).keys:
        keys[entry.key_id] = entry.key
    return keys
