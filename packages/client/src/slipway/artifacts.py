"""Results where they lie: listing and copying a `file:` output that this machine can read."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from slipway.errors import InputRefusedError
from slipway_contracts.execution_event import ResultRef


@dataclass(frozen=True, slots=True)
class OutputFile:
    """One file below a job's output_uri; ``size_bytes`` as it is now."""

    name: str
    uri: str
    size_bytes: int


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
    files = listed(folder)
    for file in files:
        if (target / file.name).exists():
            raise InputRefusedError(
                "file_exists", "--to", f"{target / file.name} is there already", "choose another folder"
            )
    for file in files:
        path = target / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / file.name, path)
