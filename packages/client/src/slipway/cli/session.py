"""`slipway login`."""

import getpass
import os
import sys

from rich.text import Text

from slipway.cli.connection import RETRIES, Connection
from slipway.cli.endings import Exit
from slipway.cli.printing import print_for_people, print_json
from slipway.client import Slipway
from slipway.credentials import TOKEN_VARIABLE, WORKSPACE_VARIABLE, Credentials, credentials_path, gateway_url, store
from slipway.errors import ConfigurationError
from slipway.rendering import local_time


def login(*, connection: Connection | None = None) -> int:
    """Check a token with the gateway, and store it with the URL for this user alone.

    The token comes from --token, from SLIPWAY_TOKEN, from stdin, or is asked for.
    """
    connection = connection or Connection()
    url = gateway_url(connection.url)
    token = (connection.token or os.environ.get(TOKEN_VARIABLE) or _asked_for()).strip()
    workspace = connection.workspace or os.environ.get(WORKSPACE_VARIABLE) or None
    with Slipway(url, token, workspace_id=workspace, retries=RETRIES) as client:
        claims = client.claims
        workspace = claims.workspace(workspace)
        found = len(client.nodes()) if workspace in claims.workspace_ids else _refuse(workspace, claims.workspace_ids)
    path = credentials_path()
    store(Credentials(url, token, workspace), path)
    if connection.json:
        content = {
            "url": url,
            "tenant_id": claims.tenant_id,
            "workspace_id": workspace,
            "user_id": claims.user_id,
            "role": claims.role,
            "expires_at": claims.expires_at.isoformat() if claims.expires_at else None,
            "stored_in": str(path),
        }
        print_json(content)
        return Exit.OK
    until = f", until {local_time(claims.expires_at)}" if claims.expires_at else ""
    print_for_people(
        Text(f"{claims.user_id} in workspace {workspace} of tenant {claims.tenant_id} at {url}{until}"),
        Text(f"{found} node{'' if found == 1 else 's'}; stored in {path}", style="dim"),
    )
    return Exit.OK


def _asked_for() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("token: ", stream=sys.stderr)
    return sys.stdin.readline()


def _refuse(workspace: str, listed: tuple[str, ...]) -> int:
    raise ConfigurationError(f"the token does not list workspace {workspace}; it lists {', '.join(listed) or 'none'}")
