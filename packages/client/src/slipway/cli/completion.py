"""`slipway completion`."""

import sys
from typing import Annotated, Literal

from cyclopts import Parameter

from slipway.cli.endings import Exit


def completion(shell: Annotated[Literal["bash", "zsh", "fish"], Parameter(help="Which shell's")], /) -> int:
    """Print the script that completes commands and options.

    bash: `source <(slipway completion bash)` in ~/.bashrc. zsh: into a file `_slipway` in a folder of $fpath.
    fish: into ~/.config/fish/completions/slipway.fish.
    """
    from slipway.cli.running import build

    sys.stdout.write(build().generate_completion(shell=shell))
    return Exit.OK
