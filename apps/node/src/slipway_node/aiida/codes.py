"""Programs of the policy as AiiDA codes on the node's computer."""

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slipway_contracts.node_policy import NodePolicy
from slipway_node.ports import RefusedJobError

POLICY_REJECTED = "policy_rejected"


def program_path(program: str, policy: NodePolicy, paths: Mapping[str, str]) -> Path:
    """Return where ``program`` lies: the admin's path for it, else the PATH. Raises RefusedJobError."""
    if program not in policy.programs:
        allowed = ", ".join(sorted(policy.programs)) or "none"
        raise RefusedJobError(POLICY_REJECTED, f"program: {program} is not on this node's list; allowed: {allowed}")
    found = paths.get(program) or shutil.which(program)
    if found is None or not os.access(found, os.X_OK):
        raise RefusedJobError(POLICY_REJECTED, f"program: {program} is on this node's list and not installed on it")
    return Path(found).absolute()  # not resolved: a virtual environment's python is a link and must stay one


def code_for(path: Path, plugin: str) -> Any:
    """Return the stored AiiDA code for ``path``, run by the calculation plugin ``plugin``; made at its first use."""
    from aiida.orm import InstalledCode, QueryBuilder

    from slipway_node.aiida.profile import computer

    tag = hashlib.sha256(f"{plugin}:{path}".encode()).hexdigest()[:12]
    label = f"{path.name}-{tag}"
    found = QueryBuilder().append(InstalledCode, filters={"label": label}).first(flat=True)
    if found is not None:
        return found
    return InstalledCode(
        label=label, computer=computer(), filepath_executable=str(path), default_calc_job_plugin=plugin
    ).store()
