"""The options that every command has: whom to speak to, as whom, and in what form to answer."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Group, Parameter

from slipway.client import Slipway
from slipway.credentials import DEFAULT_URL, resolve
from slipway.transport import Retries

RETRIES = Retries(attempts=4, total_seconds=15.0)  # a person waits: a gateway that is down is told within seconds

_GROUP = Group("Connection and output", sort_key=10)


@Parameter(name="*", group=_GROUP)
@dataclass(frozen=True, kw_only=True)
class Connection:
    """Flags win over the environment, and the environment over what `slipway login` stored."""

    url: Annotated[str | None, Parameter(help=f"The gateway's URL [env: SLIPWAY_URL] [default: {DEFAULT_URL}]")] = None
    token: Annotated[
        str | None, Parameter(help="Your token; other users see flags, so better [env: SLIPWAY_TOKEN]")
    ] = None
    workspace: Annotated[str | None, Parameter(help="Which of the token's workspaces [env: SLIPWAY_WORKSPACE]")] = None
    json: Annotated[
        bool, Parameter(negative="", help="Print JSON on stdout; of what is watched, one document a line")
    ] = False

    def open(self) -> Slipway:
        """Return a client; raises ConfigurationError."""
        found = resolve(url=self.url, token=self.token, workspace_id=self.workspace)
        return Slipway(found.url, found.token, workspace_id=found.workspace_id, retries=RETRIES)
