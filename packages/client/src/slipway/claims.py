"""What a token says of its bearer. Read to fill a command in, never to decide: only the gateway can verify it."""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from slipway.errors import ConfigurationError

_JWT_PARTS = 3


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims that a command is filled in from; ``expires_at`` None is a token that does not say."""

    tenant_id: str
    workspace_ids: tuple[str, ...]
    user_id: str
    role: str | None = None
    expires_at: datetime | None = None

    def workspace(self, chosen: str | None) -> str:
        """Return the one workspace that a command acts in; raises ConfigurationError where the token leaves it open."""
        if chosen is not None:
            return chosen
        if len(self.workspace_ids) == 1:
            return self.workspace_ids[0]
        listed = ", ".join(self.workspace_ids) or "none"
        raise ConfigurationError(f"choose a workspace: the token lists {listed}")


def read_claims(token: str) -> Claims:
    """Return ``token``'s claims, unverified; raises ConfigurationError for what is no Slipway user token."""
    parts = token.split(".")
    if len(parts) != _JWT_PARTS:
        raise ConfigurationError("the token is not a JWT")
    try:
        body = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        tenant_id, workspace_ids, user_id = body["tenant_id"], body["workspace_ids"], body["sub"]
        expires = body.get("exp")
        expires_at = None if expires is None else datetime.fromtimestamp(expires, UTC)
    except KeyError as error:
        raise ConfigurationError(f"the token has no claim {error}") from error
    except (binascii.Error, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise ConfigurationError("the token's claims cannot be read") from error
    if not isinstance(workspace_ids, list) or not all(isinstance(item, str) for item in workspace_ids):
        raise ConfigurationError("the token's workspace_ids is not a list of ids")
    return Claims(str(tenant_id), tuple(workspace_ids), str(user_id), body.get("role"), expires_at)
