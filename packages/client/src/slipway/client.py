"""The client of a Slipway gateway, for product backends, scripts and notebooks (docs/how-to/python.md)."""

import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

import httpx

from slipway.batches import batches
from slipway.claims import Claims, read_claims
from slipway.completing import SubmitOptions, complete
from slipway.credentials import DEFAULT_URL, resolve
from slipway.errors import InputRefusedError, SlipwayError
from slipway.following import SYSTEM_CLOCK, Clock, Followed
from slipway.job_file import by_reference, read_job_file
from slipway.transport import Query, Retries, Transport
from slipway_contracts import IDEMPOTENT_REPLAYED_HEADER
from slipway_contracts.cancel_job_command import CancelAccepted, CancelJobCommand
from slipway_contracts.errors import Code
from slipway_contracts.fields import ID_PATTERN, Id, rfc3339
from slipway_contracts.projection_update import ProjectionState
from slipway_contracts.reads import PAGE_MAX, Job, JobPage, NodeList, NodeView, Projection, Timeline, TimelineEntry
from slipway_contracts.submit_job_command import (
    BatchSubmitResponse,
    SubmitJobAccepted,
    SubmitJobCommand,
    SubmitOutcome,
)

TIMEOUT_SECONDS = 30.0  # of one try: a durable accept takes milliseconds, a slow network its time
_RUNTIME = "/api/runtime"


class Submission(SubmitJobAccepted):
    """An accepted command: submitting it again with the same key gives the same, as a replay."""

    idempotency_key: Id
    idempotent_replayed: bool


class Slipway:
    """A gateway, spoken to with one user's token, in one workspace.

    ``workspace_id`` may be left out where the token lists one only. Methods raise the classes of ``slipway.errors``;
    what may be retried is retried within ``retries`` first. One instance may serve several threads.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        token: str = "",
        *,
        workspace_id: str | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        retries: Retries | None = None,
        transport: httpx.BaseTransport | None = None,
        clock: Clock = SYSTEM_CLOCK,
        draw: Callable[[], uuid.UUID] = uuid.uuid4,
    ) -> None:
        self._token = token
        self._workspace_id = workspace_id
        self._clock = clock
        self._draw = draw
        self._gateway = Transport(
            url, token, retries=retries or Retries(), timeout_seconds=timeout_seconds, transport=transport
        )

    @classmethod
    def configured(cls, *, workspace_id: str | None = None, retries: Retries | None = None) -> Self:
        """Return a client with URL and token of the environment, or of `slipway login`; raises ConfigurationError."""
        found = resolve(workspace_id=workspace_id)
        return cls(found.url, found.token, workspace_id=found.workspace_id, retries=retries)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._gateway.close()

    @property
    def claims(self) -> Claims:
        """What the token says of its bearer, unverified; raises ConfigurationError."""
        return read_claims(self._token)

    def prepare(
        self,
        file: str | PathLike[str] | None = None,
        *,
        input_uri: str | None = None,
        **options: Unpack[SubmitOptions],
    ) -> SubmitJobCommand:
        """Return the command that `submit` would send, with everything filled in.

        Keep it and pass it to `submit_command`: then a retry, from whatever process, is the same submission. Raises
        InputRefusedError, FileNotFoundError, ConfigurationError.
        """
        if (file is None) == (input_uri is None):
            raise InputRefusedError(
                Code.INVALID_REQUEST, "file", "give a file or an input URI, and not both", "one of the two"
            )
        read = by_reference(input_uri) if input_uri is not None else read_job_file(Path(file or ""))
        return complete(read.draft, read.name, options, scope=self._scope, nodes=self.nodes, draw=self._draw)

    def submit(
        self,
        file: str | PathLike[str] | None = None,
        *,
        input_uri: str | None = None,
        **options: Unpack[SubmitOptions],
    ) -> Submission:
        """Submit a job document, a folder, a bundle, a pw.x input, a command's file; or what lies at ``input_uri``."""
        return self.submit_command(self.prepare(file, input_uri=input_uri, **options))

    def submit_command(self, command: SubmitJobCommand) -> Submission:
        """Submit ``command`` (surface 1); a repeated one is answered as the first."""
        content = command.model_dump_json(exclude_none=True)
        answer = self._gateway.post(f"{_RUNTIME}/jobs:submit", content, SubmitJobAccepted)
        return Submission(
            **answer.body.model_dump(),
            idempotency_key=command.idempotency_key,
            idempotent_replayed=answer.headers.get(IDEMPOTENT_REPLAYED_HEADER, "").lower() == "true",
        )

    def submit_many(self, commands: Iterable[SubmitJobCommand]) -> list[SubmitOutcome]:
        """Submit all and return an outcome a command, in order; each is accepted or refused on its own.

        They are sent in batches as large as the contract allows. `slipway.refusal(outcome.problem)` is a refusal's
        exception. Where one batch cannot be sent this raises, and the call may be repeated whole: keys replay.
        """
        path = f"{_RUNTIME}/jobs:batchSubmit"
        answers = [self._gateway.post(path, content, BatchSubmitResponse) for content in batches(commands)]
        return [outcome for answer in answers for outcome in answer.body.outcomes]

    def job(self, job_id: str) -> Job:
        """Return a job's projection and its current submission's command; raises JobNotFoundError."""
        return self._gateway.get(_job_path(job_id), Job, self._query())

    def projection(self, job_id: str) -> Projection:
        """Return a job's state as a person sees it; raises JobNotFoundError."""
        return self._gateway.get(_job_path(job_id, "/projection"), Projection, self._query())

    def timeline(self, job_id: str) -> list[TimelineEntry]:
        """Return a job's changes, oldest first, over all its attempts; raises JobNotFoundError."""
        return self._timeline(job_id).entries

    def jobs(
        self,
        *,
        states: Iterable[ProjectionState] = (),
        management_node_id: str | None = None,
        submitted_after: datetime | None = None,
        submitted_before: datetime | None = None,
        page_size: int = PAGE_MAX,
    ) -> Iterator[Projection]:
        """Yield the workspace's jobs, newest submission first, reading page after page as they are asked for."""
        query: dict[str, str | int | list[str] | None] = {
            "state": [state.value for state in states],
            "management_node_id": management_node_id,
            "submitted_after": None if submitted_after is None else rfc3339(submitted_after),
            "submitted_before": None if submitted_before is None else rfc3339(submitted_before),
            "limit": page_size,
        }
        while True:
            page = self._gateway.get(f"{_RUNTIME}/jobs", JobPage, {**query, **self._query()})
            yield from page.jobs
            if page.next_cursor is None:
                return
            query["cursor"] = page.next_cursor

    def follow(
        self,
        job_id: str,
        *,
        submission_id: str | None = None,
        timeout_seconds: float | None = None,
        on_outage: Callable[[SlipwayError], None] | None = None,
    ) -> Iterator[TimelineEntry]:
        """Yield each change of a job's current (or the named) submission as it comes, up to its terminal one.

        A gateway that is away for less than two minutes is waited for, and ``on_outage`` told of it. Raises
        WaitTimeoutError after ``timeout_seconds``.
        """
        followed = Followed(lambda: self._timeline(job_id), submission_id, self._clock, on_outage)
        return followed.changes(timeout_seconds)

    def wait(
        self, job_id: str, *, submission_id: str | None = None, timeout_seconds: float | None = None
    ) -> Projection:
        """Return the job's projection once it is terminal; raises as `follow` does."""
        for _ in self.follow(job_id, submission_id=submission_id, timeout_seconds=timeout_seconds):
            pass
        return self.projection(job_id)

    def cancel(self, job_id: str, *, submission_id: str | None = None) -> CancelAccepted:
        """Ask that a job be stopped (surface 5); its projection tells whether it was.

        ``submission_id`` names the attempt that is meant. Raises JobTerminalError, SubmissionSupersededError.
        """
        content = "" if submission_id is None else CancelJobCommand(submission_id=submission_id).model_dump_json()
        return self._gateway.post(_job_path(job_id, ":cancel"), content, CancelAccepted, self._query()).body

    def nodes(self) -> list[NodeView]:
        """Return the tenant's nodes, by name."""
        return self._gateway.get(f"{_RUNTIME}/nodes", NodeList, self._query()).nodes

    def _timeline(self, job_id: str) -> Timeline:
        return self._gateway.get(_job_path(job_id, "/timeline"), Timeline, self._query())

    def _query(self) -> Query:
        return {"workspace_id": self._workspace_id}

    def _scope(self) -> tuple[str, str, str]:
        claims = self.claims
        return claims.tenant_id, claims.workspace(self._workspace_id), claims.user_id


def _job_path(job_id: str, rest: str = "") -> str:
    return f"{_RUNTIME}/jobs/{_checked_id(job_id)}{rest}"


def _checked_id(job_id: str) -> str:
    """Refuse what is no id before it becomes part of a path."""
    if not re.fullmatch(ID_PATTERN, job_id) or job_id in {".", ".."}:
        raise InputRefusedError(
            Code.INVALID_REQUEST, "job_id", f"{job_id!r} is not an id", "letters, digits and . _ ~ -, at most 128"
        )
    return job_id
