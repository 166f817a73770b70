"""The client of a Slipway gateway, for product backends, scripts and notebooks (docs/how-to/python.md)."""

import math
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self, TypedDict, Unpack

import httpx

from slipway import calls
from slipway.artifacts import Outputs, outputs_of
from slipway.batches import batches, whole
from slipway.calls import Query
from slipway.claims import Claims, read_claims
from slipway.completing import SubmitOptions, complete
from slipway.credentials import DEFAULT_URL, resolve
from slipway.errors import InputRefusedError, SlipwayError, submitting
from slipway.following import SYSTEM_CLOCK, Clock, Followed, Patience, Position, changes, is_end, stream
from slipway.job_file import JobFile, by_reference, read_job_file
from slipway.transport import Answer, Retries, Transport
from slipway.views import JobView, ProjectionView, Submission
from slipway_contracts import IDEMPOTENT_REPLAYED_HEADER
from slipway_contracts.cancel_job_command import CancelAccepted
from slipway_contracts.errors import Code
from slipway_contracts.fields import rfc3339
from slipway_contracts.projection_update import ProjectionState
from slipway_contracts.reads import PAGE_MAX, JobChange, NodeView, Projection, StreamReset, Timeline, TimelineEntry
from slipway_contracts.submit_job_command import SubmitJobAccepted, SubmitJobCommand, SubmitOutcome

TIMEOUT_SECONDS = 30.0  # of one try: a durable accept takes milliseconds, a slow network its time


class JobFilters(TypedDict, total=False):
    """Which jobs to list; what is left out is any. States may be words, as "failed". ``page_size`` is at most 200."""

    states: Iterable[ProjectionState | str]
    management_node_id: str | None
    submitted_after: datetime | None
    submitted_before: datetime | None
    page_size: int


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
        read = read_input(file, input_uri)
        return complete(read.draft, read.name, options, scope=self._scope, nodes=self.nodes, draw=self._draw)

    def submit(
        self,
        file: str | PathLike[str] | None = None,
        *,
        input_uri: str | None = None,
        **options: Unpack[SubmitOptions],
    ) -> Submission:
        """Submit a job document, a folder, a bundle, a pw.x input, a command's file; or what lies at ``input_uri``.

        Where it cannot be told whether the job was taken, the error's ``commands`` has what to submit again.
        """
        return self.submit_command(self.prepare(file, input_uri=input_uri, **options))

    def submit_command(self, command: SubmitJobCommand, *, traceparent: str | None = None) -> Submission:
        """Submit ``command`` (surface 1); a repeated one is answered as the first.

        ``traceparent`` (W3C) makes it part of a trace; left out, the span that OpenTelemetry has as current.
        """
        with submitting(command):
            return submission_of(command, self._gateway.send(calls.submit(command, traceparent)))

    def submit_many(
        self, commands: Iterable[SubmitJobCommand], *, traceparent: str | None = None
    ) -> list[SubmitOutcome]:
        """Submit all and return an outcome a command, in order; each is accepted or refused on its own.

        They are sent in batches as large as the contract allows. `slipway.refusal(outcome.problem)` is a refusal's
        exception. Where one batch cannot be sent this raises, and the error's ``commands``, which are all, may be
        submitted again: keys replay. Raises TypeError for what is no command, before any is sent.
        """
        every = whole(commands)
        with submitting(*every):
            answers = [self._gateway.send(calls.submit_batch(content, traceparent)) for content in batches(every)]
        return [outcome for answer in answers for outcome in answer.body.outcomes]

    def job(self, job_id: str) -> JobView:
        """Return a job's projection and its current submission's command; raises JobNotFoundError."""
        return self._gateway.send(calls.job(job_id, self._workspace_id)).body

    def projection(self, job_id: str) -> ProjectionView:
        """Return a job's state as a person sees it; raises JobNotFoundError."""
        return self._gateway.send(calls.projection(job_id, self._workspace_id)).body

    def timeline(self, job_id: str) -> list[TimelineEntry]:
        """Return a job's changes, oldest first, over all its attempts; raises JobNotFoundError."""
        return self._timeline(job_id).entries

    def jobs(self, **filters: Unpack[JobFilters]) -> Iterator[Projection]:
        """Yield the workspace's jobs, newest submission first, reading page after page as they are asked for.

        `JobTable(slipway.jobs(...))` is a list that a notebook shows as a table. Raises InputRefusedError for a state
        that is none.
        """
        query = filtering(filters, self._workspace_id)
        while True:
            page = self._gateway.send(calls.jobs(query)).body
            yield from page.jobs
            if page.next_cursor is None:
                return
            query["cursor"] = page.next_cursor

    def watch(
        self,
        job_id: str,
        *,
        submission_id: str | None = None,
        timeout_seconds: float | None = None,
        on_outage: Callable[[SlipwayError], None] | None = None,
        on_answer: Callable[[], None] | None = None,
    ) -> Iterator[TimelineEntry]:
        """Yield each change of a job's current (or the named) submission as it comes, up to its terminal one.

        A gateway that is away for less than two minutes is waited for, ``on_outage`` told of it, and ``on_answer`` once
        it answers (at the beginning too); a stream that broke is taken up again, and nothing is told twice. Raises
        WaitTimeoutError after ``timeout_seconds``, and InputRefusedError where the job has no such submission.
        """
        path, query = calls.stream_path(job_id), self._query()
        return changes(
            lambda within_seconds: self._timeline(job_id, within_seconds),
            lambda after, silence: self._gateway.listen(path, query, after, silence),
            Followed(submission_id),
            Patience(self._clock, timeout_seconds, on_outage, on_answer),
        )

    def stream(
        self,
        job_id: str | None = None,
        *,
        after: int | None = None,
        on_outage: Callable[[SlipwayError], None] | None = None,
    ) -> Iterator[JobChange | StreamReset]:
        """Yield what happens in the workspace, or to one job, for as long as the token holds, each change once.

        Begins with a StreamReset, the state now; or right after the change ``after`` (0 is before all), with a reset
        only where that is too long ago. Raises UnauthorizedError when the token has expired.
        """
        path, query = calls.stream_path(job_id), self._query()
        return stream(
            lambda after, silence: self._gateway.listen(path, query, after, silence),
            Position(after),
            Patience(self._clock, on_outage=on_outage),
        )

    def wait(
        self, job_id: str, *, submission_id: str | None = None, timeout_seconds: float | None = None
    ) -> ProjectionView:
        """Return the job's projection once it is terminal; raises as `watch` does.

        A projection is of the job's current submission: where the named one has ended and the job was submitted again,
        this raises InputRefusedError.
        """
        patience = Patience(self._clock, timeout_seconds)
        while True:
            for _ in self.watch(job_id, submission_id=submission_id, timeout_seconds=patience.rest()):
                pass
            if is_end(seen := self.projection(job_id), submission_id):
                return seen

    def cancel(
        self, job_id: str, *, submission_id: str | None = None, traceparent: str | None = None
    ) -> CancelAccepted:
        """Ask that a job be stopped (surface 5); its projection tells whether it was.

        ``submission_id`` names the attempt that is meant. Raises JobTerminalError, SubmissionSupersededError.
        """
        return self._gateway.send(calls.cancel(job_id, submission_id, self._workspace_id, traceparent)).body

    def outputs(self, job_id: str, *, to: str | PathLike[str] | None = None) -> Outputs:
        """Return a job's results, copied into the folder ``to`` where this machine can read them.

        Raises InputRefusedError for a job without results, and rather than overwrite a file.
        """
        return outputs_of(self.projection(job_id), None if to is None else Path(to))

    def nodes(self) -> list[NodeView]:
        """Return the tenant's nodes, by name."""
        return self._gateway.send(calls.nodes()).body.nodes

    def _timeline(self, job_id: str, within_seconds: float = math.inf) -> Timeline:
        return self._gateway.send(calls.timeline(job_id, self._workspace_id), within_seconds=within_seconds).body

    def _query(self) -> Query:
        return {"workspace_id": self._workspace_id}

    def _scope(self) -> tuple[str, str, str]:
        return scope_of(self.claims, self._workspace_id)


def filtering(filters: JobFilters, workspace_id: str | None) -> dict[str, str | int | list[str] | None]:
    """Return ``filters`` as the query of the first page; raises InputRefusedError for a state that is none."""
    after, before = filters.get("submitted_after"), filters.get("submitted_before")
    return {
        "state": _words(filters.get("states", ())),
        "management_node_id": filters.get("management_node_id"),
        "submitted_after": None if after is None else rfc3339(after),
        "submitted_before": None if before is None else rfc3339(before),
        "limit": filters.get("page_size", PAGE_MAX),
        "workspace_id": workspace_id,
    }


def _words(states: Iterable[ProjectionState | str]) -> list[str]:
    """Return the wire's words of ``states``; a single word is one state and not its letters."""
    words = [states] if isinstance(states, str) else list(states)
    known = [state.value for state in ProjectionState]
    for word in words:
        if word not in known:
            reason = f"{str(word)!r} is none of {', '.join(known)}"
            raise InputRefusedError(Code.INVALID_REQUEST, "states", reason, "choose among these")
    return [str(word) for word in words]


def submission_of(command: SubmitJobCommand, answer: Answer[SubmitJobAccepted]) -> Submission:
    """Return what a submitter holds: the answer, with the key that makes a repetition safe."""
    return Submission(
        **answer.body.model_dump(),
        idempotency_key=command.idempotency_key,
        idempotent_replayed=answer.headers.get(IDEMPOTENT_REPLAYED_HEADER, "").lower() == "true",
    )


def scope_of(claims: Claims, workspace_id: str | None) -> tuple[str, str, str]:
    """Return tenant, workspace and user that a command is completed with."""
    return claims.tenant_id, claims.workspace(workspace_id), claims.user_id


def read_input(file: str | PathLike[str] | None, input_uri: str | None) -> JobFile:
    """Return the job that a file or a URI names; raises InputRefusedError, FileNotFoundError."""
    if (file is None) == (input_uri is None):
        raise InputRefusedError(
            Code.INVALID_REQUEST, "file", "give a file or an input URI, and not both", "one of the two"
        )
    return by_reference(input_uri) if input_uri is not None else read_job_file(Path(file or ""))
