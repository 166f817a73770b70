"""What every command takes, and how it tells."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from pydantic import ValidationError

from slipway_node.cli.endings import UsageError
from slipway_node.home import Home
from slipway_node.settings import NodeSettings

HomeOption = Annotated[Path | None, Parameter(help="The node's home [env: SLIPWAY_NODE_HOME] [default: .slipway/node]")]
JsonOption = Annotated[bool, Parameter(negative="", help="Print JSON")]


def settings_of(home: Path | None) -> NodeSettings:
    """Return the settings of the environment, with the flag before them. Raises UsageError."""
    try:
        return NodeSettings() if home is None else NodeSettings(home=home)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"SLIPWAY_NODE_{str(first['loc'][0]).upper()}: {first['msg']}") from error


def home_of(home: Path | None) -> Home:
    """Return the home that is meant. Raises UsageError."""
    return Home(settings_of(home).home.absolute())


def tell(line: str) -> None:
    """Print a line now; who waits for it may read through a pipe."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
