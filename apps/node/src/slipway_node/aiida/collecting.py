"""A sealed process's files, parsed outputs and provenance, written into a folder."""

import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import JsonValue

from slipway_node.ports import Collected
from slipway_node.results.summary import Told, summarise

RESULTS_NAME = "results.json"
ARCHIVE_NAME = "provenance.aiida"
SCHEDULER_STDERR = "_scheduler-stderr.txt"
OUTPUT_NAMES = ("stdout", "aiida.out", "stderr", SCHEDULER_STDERR)
TAIL_BYTES = 16 * 1024  # read of an output's end; the summary keeps less


def collect(node: Any, folder: Path) -> Collected:
    """Write everything of ``node`` into ``folder`` (emptied first) and return it with its summary.

    Where that fails nothing is left there: half of what filled the disk would keep it full.
    """
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    try:
        return _collect(node, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _collect(node: Any, folder: Path) -> Collected:
    outputs = {entry.link_label: entry.node for entry in node.base.links.get_outgoing().all()}
    parsed: dict[str, JsonValue] = {}
    for label, output in sorted(outputs.items()):
        parsed[label] = _as_json(output)
    _write_files([file for _, output in sorted(outputs.items()) for file in _files(output)], folder)
    _write_results(node, parsed, folder)
    archive = _export(node, folder)
    told = Told(process_type(node), node.exit_message, parsed, _json_files(folder), _tail(folder))
    return Collected(folder, archive, summarise(told))


def process_type(node: Any) -> str:
    """Return the entry point's name, as in ``core.shell``."""
    return str(node.process_type or "").rpartition(":")[2]


def stderr_tail(node: Any, characters: int) -> str:
    """Return the end of what the job said on stderr, or the scheduler on its behalf; empty when it said nothing."""
    for name in ("stderr", SCHEDULER_STDERR):
        content = _content_of(node, name).decode(errors="replace").strip()
        if content:
            return content[-characters:]
    return ""


def scheduler_stderr(node: Any) -> str:
    """Return what the scheduler wrote to the job's stderr."""
    return _content_of(node, SCHEDULER_STDERR).decode(errors="replace")


def _content_of(node: Any, name: str) -> bytes:
    for entry in node.base.links.get_outgoing().all():
        repository = entry.node.base.repository
        if entry.link_label in (name, "retrieved") and name in repository.list_object_names():
            return bytes(repository.get_object_content(name, mode="rb"))
    return b""


def _files(output: Any) -> Iterator[tuple[str, str]]:
    """Yield the path that each file had in the job's folder, and its key in the repository."""
    from aiida.orm import FolderData, SinglefileData

    repository = output.base.repository
    if isinstance(output, SinglefileData):
        name = output.filename
        yield output.base.attributes.get("path", name), repository.get_object(name).key
    elif isinstance(output, FolderData):
        for root, _, names in repository.walk():
            for name in names:
                yield (root / name).as_posix(), repository.get_object(root / name).key


def _write_files(files: Iterable[tuple[str, str]], folder: Path) -> None:
    """Write each file under its path. The repository is read once for all: to open it takes longer than most files."""
    from aiida.manage.manager import get_manager

    paths: dict[str, list[Path]] = {}
    for path, key in files:
        relative = PurePosixPath(path)
        # AiiDA's repository has no other paths; a folder of results must not depend on that.
        if not relative.is_absolute() and ".." not in relative.parts:
            paths.setdefault(key, []).append(folder / relative)
    repository = get_manager().get_profile_storage().get_repository()
    for key, stream in repository.iter_object_streams(list(paths)):
        first, *others = dict.fromkeys(paths[key])
        first.parent.mkdir(parents=True, exist_ok=True)
        with first.open("wb") as file:
            shutil.copyfileobj(stream, file)
        for other in others:
            other.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(first, other)


def _write_results(node: Any, parsed: dict[str, JsonValue], folder: Path) -> None:
    content = {
        "execution_id": node.uuid,
        "process_type": process_type(node),
        "exit_status": node.exit_status,
        "exit_message": node.exit_message,
        "outputs": parsed,
    }
    text = json.dumps(content, indent=2, sort_keys=True, default=str, allow_nan=False)
    (folder / RESULTS_NAME).write_text(text + "\n", encoding="utf-8")


def _as_json(output: Any) -> JsonValue:
    """Return a node's value where it is one of JSON's, else what it is and where the archive has it."""
    from aiida.orm import Bool, Dict, Float, Int, List, Str

    if isinstance(output, Dict):
        return _finite(output.get_dict())
    if isinstance(output, List):
        return _finite(output.get_list())
    if isinstance(output, Int | Float | Str | Bool):
        return _finite(output.value)
    return {"uuid": output.uuid, "node_type": output.node_type}


def _finite(value: Any) -> JsonValue:
    """JSON has no NaN and no infinity; such a number is said as text."""
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):  # noqa: PLR0124 - NaN
        return str(value)
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def _export(node: Any, folder: Path) -> Path:
    """Write the provenance beside the folder's files: the process, its inputs, outputs, and all they came from."""
    from aiida.tools.archive import create_archive

    archive = folder / ARCHIVE_NAME
    create_archive([node], filename=archive, overwrite=True)
    return archive


def _json_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*.json")):
        if path.name != RESULTS_NAME and path.stat().st_size < TAIL_BYTES * 16:
            yield path.relative_to(folder).as_posix(), path.read_bytes()


def _tail(folder: Path) -> str:
    for name in OUTPUT_NAMES:
        path = folder / name
        if path.is_file() and path.stat().st_size:
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - TAIL_BYTES))
                return file.read().decode(errors="replace")
    return ""
