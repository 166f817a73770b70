"""The client for programs that await: as :class:`slipway.client.Slipway`, call for call."""

import asyncio
import math
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

import httpx

from slipway import calls
from slipway.artifacts import Outputs, outputs_of
from slipway.batches import batches, whole
from slipway.claims import Claims, read_claims
from slipway.client import TIMEOUT_SECONDS, JobFilters, filtering, read_input, scope_of, submission_of
from slipway.completing import SubmitOptions, complete
from slipway.credentials import DEFAULT_URL, resolve
from slipway.errors import SlipwayError, submitting
from slipway.following import SYSTEM_CLOCK, Clock, Followed, Patience, Position, changes_async, is_end, stream_async
from slipway.transport import AsyncTransport, Retries
from slipway.views import JobView, ProjectionView, Submission
from slipway_contracts.cancel_job_command import CancelAccepted
from slipway_contracts.reads import JobChange, NodeView, Projection, StreamReset, Timeline, TimelineEntry
from slipway_contracts.submit_job_command import SubmitJobCommand, SubmitOutcome


class AsyncSlipway:
    """A gateway, spoken to with one user's token, in one workspace; belongs to one event loop.

    Methods do and raise what those of ``Slipway`` do. Files are read in a thread, so that the loop never waits for one.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        token: str = "",
        *,
        workspace_id: str | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        retries: Retries | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock = SYSTEM_CLOCK,
        draw: Callable[[], uuid.UUID] = uuid.uuid4,
    ) -> None:
        self._token = token
        self._workspace_id = workspace_id
        self._clock = clock
        self._draw = draw
        self._gateway = AsyncTransport(
            url, token, retries=retries or Retries(), timeout_seconds=timeout_seconds, transport=transport
        )

    @classmethod
    def configured(cls, *, workspace_id: str | None = None, retries: Retries | None = None) -> Self:
        """Return a client with URL and token of the environment, or of `slipway login`; raises ConfigurationError."""
        found = resolve(workspace_id=workspace_id)
        return cls(found.url, found.token, workspace_id=found.workspace_id, retries=retries)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give the connections back."""
        await self._gateway.close()

    @property
    def claims(self) -> Claims:
        """What the token says of its bearer, unverified; raises ConfigurationError."""
        return read_claims(self._token)

    async def prepare(
        self,
        file: str | PathLike[str] | None = None,
        *,
        input_uri: str | None = None,
        **options: Unpack[SubmitOptions],
    ) -> SubmitJobCommand:
        """Return the command that `submit` would send, with everything filled in."""
        loop = asyncio.get_running_loop()

        def nodes() -> list[NodeView]:
            return asyncio.run_coroutine_threadsafe(self.nodes(), loop).result()

        def completed() -> SubmitJobCommand:
            read = read_input(file, input_uri)
            return complete(read.draft, read.name, options, scope=self._scope, nodes=nodes, draw=self._draw)

        return await asyncio.to_thread(completed)

    async def submit(
        self,
        file: str | PathLike[str] | None = None,
        *,
        input_uri: str | None = None,
        **options: Unpack[SubmitOptions],
    ) -> Submission:
        """Submit a job document, a folder, a bundle, a pw.x input, a command's file; or what lies at ``input_uri``."""
        return await self.submit_command(await self.prepare(file, input_uri=input_uri, **options))

    async def submit_command(self, command: SubmitJobCommand, *, traceparent: str | None = None) -> Submission:
        """Submit ``command`` (surface 1); a repeated one is answered as the first."""
        with submitting(command):
            return submission_of(command, await self._gateway.send(calls.submit(command, traceparent)))

    async def submit_many(
        self, commands: Iterable[SubmitJobCommand], *, traceparent: str | None = None
    ) -> list[SubmitOutcome]:
        """Submit all, batch after batch, and return an outcome a command, in order."""
        every = whole(commands)
        outcomes: list[SubmitOutcome] = []
        with submitting(*every):
            for content in batches(every):
                outcomes += (await self._gateway.send(calls.submit_batch(content, traceparent))).body.outcomes
        return outcomes

    async def job(self, job_id: str) -> JobView:
        """Return a job's projection and its current submission's command; raises JobNotFoundError."""
        return (await self._gateway.send(calls.job(job_id, self._workspace_id))).body

    async def projection(self, job_id: str) -> ProjectionView:
        """Return a job's state as a person sees it; raises JobNotFoundError."""
        return (await self._gateway.send(calls.projection(job_id, self._workspace_id))).body

    async def timeline(self, job_id: str) -> list[TimelineEntry]:
        """Return a job's changes, oldest first, over all its attempts; raises JobNotFoundError."""
        return (await self._timeline(job_id)).entries

    async def jobs(self, **filters: Unpack[JobFilters]) -> AsyncIterator[Projection]:
        """Yield the workspace's jobs, newest submission first, reading page after page as they are asked for."""
        query = filtering(filters, self._workspace_id)
        while True:
            page = (await self._gateway.send(calls.jobs(query))).body
            for job in page.jobs:
                yield job
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
    ) -> AsyncIterator[TimelineEntry]:
        """Yield each change of a job's current (or the named) submission as it comes, up to its terminal one."""
        path, query = calls.stream_path(job_id), {"workspace_id": self._workspace_id}
        return changes_async(
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
    ) -> AsyncIterator[JobChange | StreamReset]:
        """Yield what happens in the workspace, or to one job, for as long as the token holds, each change once."""
        path, query = calls.stream_path(job_id), {"workspace_id": self._workspace_id}
        return stream_async(
            lambda after, silence: self._gateway.listen(path, query, after, silence),
            Position(after),
            Patience(self._clock, on_outage=on_outage),
        )

    async def wait(
        self, job_id: str, *, submission_id: str | None = None, timeout_seconds: float | None = None
    ) -> ProjectionView:
        """Return the job's projection once it is terminal; raises as ``Slipway.wait`` does."""
        patience = Patience(self._clock, timeout_seconds)
        while True:
            async for _ in self.watch(job_id, submission_id=submission_id, timeout_seconds=patience.rest()):
                pass
            if is_end(seen := await self.projection(job_id), submission_id):
                return seen

    async def cancel(
        self, job_id: str, *, submission_id: str | None = None, traceparent: str | None = None
    ) -> CancelAccepted:
        """Ask that a job be stopped (surface 5); its projection tells whether it was."""
        return (await self._gateway.send(calls.cancel(job_id, submission_id, self._workspace_id, traceparent))).body

    async def outputs(self, job_id: str, *, to: str | PathLike[str] | None = None) -> Outputs:
        """Return a job's results, copied into the folder ``to`` where this machine can read them."""
        return await asyncio.to_thread(outputs_of, await self.projection(job_id), None if to is None else Path(to))

    async def nodes(self) -> list[NodeView]:
        """Return the tenant's nodes, by name."""
        return (await self._gateway.send(calls.nodes())).body.nodes

    async def _timeline(self, job_id: str, within_seconds: float = math.inf) -> Timeline:
        call = calls.timeline(job_id, self._workspace_id)
        return (await self._gateway.send(call, within_seconds=within_seconds)).body

    def _scope(self) -> tuple[str, str, str]:
        return scope_of(self.claims, self._workspace_id)
