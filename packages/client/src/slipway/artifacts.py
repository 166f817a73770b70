"""Results where they lie: listing and copying a `file:` output that this machine can read."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from slipway.errors import InputRefusedError
from slipway_contracts.execution_event import ResultRef
from slipway_contracts.reads import Projection


@dataclass(frozen=True, slots=True)
class OutputFile:
    """One file below a job's output_uri; ``size_bytes`` as it is now."""

    name: str
    uri: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Outputs:
    """A job's results; ``folder`` and ``files`` where this machine can read them."""

    result: ResultRef
    folder: Path | None
    files: list[OutputFile]


def outputs_of(projection: Projection, to: Path | None) -> Outputs:
    """Return a job's results, copied into ``to`` where that is given and this machine can read them.

    Raises InputRefusedError for a job that has none, and rather than overwrite a file.
    """
    if projection.result_ref is None:
        state = projection.projection_state.value
        raise InputRefusedError(
            "no_outputs", projection.job_id, f"the job is {state} and has none", f"`slipway watch {projection.job_id}`"
        )
    folder = local_folder(projection.result_ref)
    if folder is not None and to is not None:
        copy(folder, to)
    return Outputs(projection.result_ref, folder, [] if folder is None else listed(folder))


def local_folder(result: ResultRef) -> Path | None:
    """Return the folder of results where this machine can read it, else None."""
    parts = urlsplit(result.output_uri)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        return None
    folder = Path(unquote(parts.path))
    try:
        return folder if folder.is_dir() else None
    except OSError:
        return None


def listed(folder: Path) -> list[OutputFile]:
    """Return the files below ``folder``, by name."""
    return [
        OutputFile(path.relative_to(folder).as_posix(), path.as_uri(), path.stat().st_size)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]


def copy(folder: Path, target: Path) -> None:
    """Copy all files below ``folder`` into ``target``; raises InputRefusedError rather than overwrite one."""
    if target.exists() and not target.is_dir():
        raise _exists(f"{target} is a file and no folder")
    files = listed(folder)
    for file in files:
        if (target / file.name).exists():
            raise _exists(f"{target / file.name} is there already")
    for file in files:
        path = target / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / file.name, path)


def _exists(reason: str) -> InputRefusedError:
    return InputRefusedError("file_exists", "--to", reason, "choose another folder")
