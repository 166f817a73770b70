"""Where URL and token come from: flags, then the environment, then what `slipway login` stored."""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import platformdirs

from slipway.errors import ConfigurationError
from slipway.transport import checked_url

DEFAULT_URL = "http://127.0.0.1:8700"
URL_VARIABLE = "SLIPWAY_URL"
TOKEN_VARIABLE = "SLIPWAY_TOKEN"  # noqa: S105 - a name, no secret
WORKSPACE_VARIABLE = "SLIPWAY_WORKSPACE"
FILE_NAME = "credentials.json"
PRIVATE_FOLDER_MODE = 0o700


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request is made with; ``workspace_id`` None is the token's only workspace."""

    url: str
    token: str
    workspace_id: str | None = None

    def __repr__(self) -> str:
        """Say everything but the secret, so that no log has it."""
        return f"Credentials(url={self.url!r}, token=…, workspace_id={self.workspace_id!r})"


def credentials_path() -> Path:
    """Return where `slipway login` stores; XDG_CONFIG_HOME moves it on Linux."""
    return platformdirs.user_config_path("slipway") / FILE_NAME


def resolve(
    *,
    url: str | None = None,
    token: str | None = None,
    workspace_id: str | None = None,
    environment: Mapping[str, str] = os.environ,
    path: Path | None = None,
) -> Credentials:
    """Return URL, token and workspace, each from the first place that has it; raises ConfigurationError.

    A stored token goes to the URL it was stored with and to no other.
    """
    stored = load(path or credentials_path())
    chosen_url = gateway_url(url, environment=environment, path=path)
    fits = stored is not None and stored.url == chosen_url
    chosen_token = token or environment.get(TOKEN_VARIABLE)
    workspace = workspace_id or environment.get(WORKSPACE_VARIABLE)
    if chosen_token is None and stored is not None and fits:
        chosen_token = stored.token
        workspace = workspace or stored.workspace_id
    if not chosen_token:
        elsewhere = f"; the stored one is for {stored.url}" if stored is not None and not fits else ""
        raise ConfigurationError(f"there is no token for {chosen_url}{elsewhere}")
    return Credentials(chosen_url, chosen_token.strip(), workspace)


def gateway_url(
    url: str | None = None, *, environment: Mapping[str, str] = os.environ, path: Path | None = None
) -> str:
    """Return the gateway's URL alone, as `slipway login` needs it; raises ConfigurationError."""
    stored = load(path or credentials_path())
    return checked_url(url or environment.get(URL_VARIABLE) or (stored.url if stored else DEFAULT_URL))


def load(path: Path) -> Credentials | None:
    """Return what was stored, or None; raises ConfigurationError for a file that is damaged or cannot be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Credentials(checked_url(content["url"]), content["token"], content.get("workspace_id"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error


def store(credentials: Credentials, path: Path) -> None:
    """Write ``credentials``, readable by this user alone, whole or not at all; raises ConfigurationError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER_MODE)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # created with mode 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(json.dumps(asdict(credentials), indent=2) + "\n")
            Path(temporary).replace(path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error}") from error
