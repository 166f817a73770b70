"""Publishing a folder of results to the artifact store, so that a second publish gives the same."""

import shutil
import uuid
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, unquote, urlsplit

ARCHIVE_NAME = "provenance.aiida"


class StoreUnavailableError(Exception):
    """The artifact store did not take the results: nothing is lost, try again."""


def publish(
    folder: Path, artifact_prefix: str, *, tenant_id: str, workspace_id: str, job_id: str, submission_id: str
) -> tuple[str, str | None]:
    """Copy ``folder`` below ``artifact_prefix`` and return output_uri and metadata_uri.

    A folder store sees the results appear whole, by one rename; an object store file by file, the archive last. What
    was published before stays. Raises StoreUnavailableError.
    """
    parts = [quote(part, safe="") for part in (tenant_id, workspace_id, job_id, submission_id)]
    output_uri = f"{artifact_prefix.rstrip('/')}/{'/'.join(parts)}/"
    metadata_uri = output_uri + ARCHIVE_NAME if (folder / ARCHIVE_NAME).is_file() else None
    try:
        if urlsplit(artifact_prefix).scheme == "file":
            _publish_folder(folder, Path(unquote(urlsplit(output_uri).path)))
        else:
            _publish_objects(folder, output_uri)
    except OSError as error:
        raise StoreUnavailableError(f"{artifact_prefix}: {error}") from error
    return output_uri, metadata_uri


def _publish_folder(folder: Path, target: Path) -> None:
    if target.is_dir():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}.partial")
    try:
        shutil.copytree(folder, partial)
        try:
            partial.rename(target)
        except OSError:
            if not target.is_dir():  # another publish of the same results came first
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _publish_objects(folder: Path, output_uri: str) -> None:
    import fsspec

    try:
        filesystem, root = fsspec.core.url_to_fs(output_uri)
    except (ImportError, ValueError) as error:
        raise StoreUnavailableError(f"this node cannot write {output_uri.partition(':')[0]}: {error}") from error
    files = sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.name == ARCHIVE_NAME)
    for path in files:
        _put(filesystem, path, str(PurePosixPath(root) / path.relative_to(folder).as_posix()))


def _put(filesystem: Any, path: Path, target: str) -> None:
    filesystem.makedirs(str(PurePosixPath(target).parent), exist_ok=True)
    filesystem.put_file(str(path), target)
