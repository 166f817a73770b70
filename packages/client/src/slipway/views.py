"""What users hold, as a notebook shows it: the contract's models with an HTML form. What others wrote is escaped."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import BaseModel

from slipway_contracts.fields import Id
from slipway_contracts.reads import Job, Projection
from slipway_contracts.submit_job_command import SubmitJobAccepted

WIDTH_CHARS = 110


class Submission(SubmitJobAccepted):
    """An accepted command: submitting it again with the same key gives the same, as a replay."""

    idempotency_key: Id
    idempotent_replayed: bool

    def _repr_html_(self) -> str:
        return html(self)


class ProjectionView(Projection):
    """A job's state as a person sees it."""

    def _repr_html_(self) -> str:
        return html(self)


class JobView(Job):
    """A job's projection and the command of its current submission."""

    def _repr_html_(self) -> str:
        return html(self)


class JobTable(list[Projection]):
    """Jobs in the order they came, which a notebook shows as a table."""

    def _repr_html_(self) -> str:
        return html(self)


def html(shown: BaseModel | Sequence[Projection]) -> str:
    """Return what a notebook shows: the command line's form, in HTML."""
    from rich.console import Console
    from rich.text import Text

    from slipway.rendering import job_parts, jobs_table

    with io.StringIO() as nowhere:
        console = Console(record=True, width=WIDTH_CHARS, file=nowhere, force_jupyter=False)
        match shown:
            case Job():
                console.print(*job_parts(shown, ()), sep="\n")
            case Projection():
                console.print(jobs_table([shown], datetime.now(UTC)))
            case Submission():
                done = "replayed" if shown.idempotent_replayed else "submitted"
                console.print(Text(f"{done} {shown.job_id} to node {shown.execution_owner}"))
                console.print(Text(f"submission {shown.submission_id}, idempotency key {shown.idempotency_key}"))
            case _:
                console.print(jobs_table(list(shown), datetime.now(UTC)))  # type: ignore[arg-type] # what is left
        return console.export_html(inline_styles=True, code_format="<pre>{code}</pre>")
