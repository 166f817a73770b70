import os
from collections.abc import Callable

import pytest

Answering = Callable[..., dict[str, str]]


@pytest.fixture
def answering(tmp_path_factory: pytest.TempPathFactory) -> Answering:
    """Return a function that makes an environment in which some of Slurm's commands are the scripts given by name."""

    def environment(**scripts: str) -> dict[str, str]:
        folder = tmp_path_factory.mktemp("commands")
        for name, script in scripts.items():
            (folder / name).write_text(f"#!/bin/bash\n{script}\n")
            (folder / name).chmod(0o755)
        return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}

    return environment
