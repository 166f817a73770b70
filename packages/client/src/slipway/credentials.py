"""Where to call and as whom: flags, then the environment, then what `slipway login` kept."""

import base64
import binascii
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_config_path

from slipway.errors import CredentialError

URL_VARIABLE, TOKEN_VARIABLE = "SLIPWAY_URL", "SLIPWAY_TOKEN"


@dataclass(frozen=True, slots=True)
class Credentials:
    """A gateway's base URL and a user token."""

    url: str
    token: str

    def identity(self) -> "Identity":
        """Return whom the token speaks for; raises CredentialError. The gateway checks it, not we."""
        try:
            body = self.token.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
            return Identity(claims["sub"], claims["tenant_id"], tuple(claims["workspace_ids"]))
        except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
            raise CredentialError("the token is not one of Slipway's: it names no user, tenant and workspace") from None


@dataclass(frozen=True, slots=True)
class Identity:
    """A token's subject, tenant and workspaces."""

    user_id: str
    tenant_id: str
    workspace_ids: tuple[str, ...]

    def workspace(self, wanted: str | None) -> str:
        """Return the wanted workspace, or the only one; raises CredentialError where one has to be named."""
        if wanted is not None:
            return wanted
        if len(self.workspace_ids) != 1:
            raise CredentialError(f"name one of the token's workspaces: {', '.join(self.workspace_ids)}")
        return self.workspace_ids[0]


def kept_file() -> Path:
    """Return the file that `slipway login` writes."""
    return user_config_path("slipway") / "credentials.json"


def find(url: str | None = None, token: str | None = None, environment: Mapping[str, str] = os.environ) -> Credentials:
    """Return the credentials to use; raises CredentialError when there are none."""
    kept = _kept()
    url = url or environment.get(URL_VARIABLE) or kept.get("url")
    token = token or environment.get(TOKEN_VARIABLE) or kept.get("token")
    if not url or not token:
        missing = URL_VARIABLE if not url else TOKEN_VARIABLE
        raise CredentialError(f"no {'URL' if not url else 'token'}: run `slipway login`, or set {missing}")
    return Credentials(url.rstrip("/"), token)


def keep(credentials: Credentials) -> Path:
    """Keep the credentials for this account alone; return the file."""
    path = kept_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump({"url": credentials.url, "token": credentials.token}, file)
    draft.replace(path)
    return path


def _kept() -> dict[str, str]:
    try:
        kept = json.loads(kept_file().read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return {name: value for name, value in kept.items() if isinstance(value, str)} if isinstance(kept, dict) else {}
