"""A fetched job: its document, and where its files lie below the submission's workspace."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from slipway_node.payloads.document import INVALID, JobDocument
from slipway_node.ports import RefusedJobError

MANIFEST = "job.json"


class FetchedFile(BaseModel):
    """One file: where it lies below the workspace, and what it is called in the job's folder."""

    model_config = ConfigDict(frozen=True)

    path: str
    name: str


class FetchedJob(BaseModel):
    """The document and its files; keys are ``files``' names for shell, ``input`` and ``pseudos.Si`` for pw."""

    model_config = ConfigDict(frozen=True)

    document: JobDocument
    files: dict[str, FetchedFile]

    def save(self, workspace: Path) -> None:
        """Write the manifest last of all: where it is, the payload is complete."""
        partial = workspace / f"{MANIFEST}.partial"
        partial.write_text(self.model_dump_json(), encoding="utf-8")
        partial.replace(workspace / MANIFEST)


def load(workspace: Path) -> FetchedJob:
    """Return the job that ``fetch`` laid out in ``workspace``; raises RefusedJobError when there is none."""
    try:
        return FetchedJob.model_validate_json((workspace / MANIFEST).read_bytes())
    except (FileNotFoundError, ValidationError) as error:
        raise RefusedJobError(INVALID, f"no complete payload in {workspace.name}") from error
