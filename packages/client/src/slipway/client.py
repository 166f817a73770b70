"""The synchronous SDK: one method a call of the API, typed, with safe retries."""

import random
import secrets
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from slipway.credentials import Credentials, Identity, find
from slipway.errors import SlipwayError, UnreachableError, refusal
from slipway_contracts import IDEMPOTENT_REPLAYED_HEADER
from slipway_contracts.cancel_job_command import CancelAccepted
from slipway_contracts.lifecycle import is_terminal
from slipway_contracts.problem import Problem
from slipway_contracts.projection_update import ProjectionState
from slipway_contracts.reads import Job, JobPage, NodeList, NodeView, Projection, Timeline
from slipway_contracts.submit_job_command import (
    BATCH_MAX_COMMANDS,
    BatchSubmitResponse,
    ExecutionProfile,
    PayloadRef,
    RequestedBy,
    ResourceShape,
    SubmitJobAccepted,
    SubmitJobCommand,
    SubmitOutcome,
)

M = TypeVar("M", bound=BaseModel)

TIMEOUT_SECONDS = 30.0
TRIES = 5
BACKOFF_SECONDS, BACKOFF_MAX_SECONDS = 0.2, 5.0
POLL_SECONDS, POLL_MAX_SECONDS = 0.25, 2.0  # streams will replace the poll; it slows down while nothing changes


class Slipway:
    """A gateway, seen by one user.

    ``url`` and ``token`` default to SLIPWAY_URL and SLIPWAY_TOKEN, then to what `slipway login` kept. Calls are
    retried, with back-off, where the contract says that may help; a submit is retried under its own idempotency key,
    so that it happens once. Raises the exceptions of :mod:`slipway.errors`.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        workspace: str | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.credentials: Credentials = find(url, token)
        self.identity: Identity = self.credentials.identity()
        self._workspace = workspace
        self._sleep = sleep
        self._http = httpx.Client(
            base_url=f"{self.credentials.url}/api/runtime",
            headers={"Authorization": f"Bearer {self.credentials.token}"},
            timeout=TIMEOUT_SECONDS,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    @property
    def workspace_id(self) -> str:
        """Return the workspace that calls act in; raises CredentialError where one has to be named."""
        return self.identity.workspace(self._workspace)

    def command(  # noqa: PLR0913 - the command's fields
        self,
        input_uri: str,
        *,
        node: str,
        queue: str = "default",
        cpu: int = 1,
        memory_mib: int = 1024,
        walltime_seconds: int = 3600,
        job_id: str | None = None,
        idempotency_key: str | None = None,
        qos: str | None = None,
        account: str | None = None,
        artifact_bucket: str | None = None,
        user_id: str | None = None,
    ) -> SubmitJobCommand:
        """Return a command for the job document at ``input_uri``; ids that are left out are drawn.

        Units: vCPU, MiB, seconds.
        """
        return SubmitJobCommand(
            tenant_id=self.identity.tenant_id,
            workspace_id=self.workspace_id,
            job_id=job_id or f"job-{secrets.token_hex(6)}",
            idempotency_key=idempotency_key or str(uuid.uuid4()),
            management_node_id=node,
            execution_profile=ExecutionProfile(queue_name=queue, qos=qos, account=account),
            resource_shape=ResourceShape(cpu=cpu, memory_mib=memory_mib, walltime_seconds=walltime_seconds),
            payload_ref=PayloadRef(input_uri=input_uri, artifact_bucket=artifact_bucket),
            requested_by=RequestedBy(user_id=user_id or self.identity.user_id),
        )

    def submit(self, command: SubmitJobCommand) -> SubmitJobAccepted:
        """Submit ``command``; submitting it again answers the same."""
        return self.submit_with_replay(command)[0]

    def submit_with_replay(self, command: SubmitJobCommand) -> tuple[SubmitJobAccepted, bool]:
        """Submit ``command``; the second value tells whether an earlier submit had been accepted."""
        answer = self._call("POST", "/jobs:submit", body=command)
        return _parsed(answer, SubmitJobAccepted), IDEMPOTENT_REPLAYED_HEADER in answer.headers

    def submit_many(self, commands: Sequence[SubmitJobCommand]) -> list[SubmitOutcome]:
        """Submit several, 500 a request; an outcome each, in order. A refused one raises nothing."""
        outcomes: list[SubmitOutcome] = []
        for start in range(0, len(commands), BATCH_MAX_COMMANDS):
            batch = [command.model_dump(mode="json") for command in commands[start : start + BATCH_MAX_COMMANDS]]
            answer = self._call("POST", "/jobs:batchSubmit", body={"commands": batch})
            outcomes += _parsed(answer, BatchSubmitResponse).outcomes
        return outcomes

    def cancel(self, job_id: str, *, submission_id: str | None = None) -> CancelAccepted:
        """Cancel a job; ``submission_id`` is a precondition. Cancelling again is no error."""
        body = {"submission_id": submission_id} if submission_id else None
        answer = self._call("POST", f"/jobs/{job_id}:cancel", body=body, params=self._named())
        return _parsed(answer, CancelAccepted)

    def job(self, job_id: str) -> Job:
        """Return a job: projection and command."""
        return _parsed(self._call("GET", f"/jobs/{job_id}", params=self._named()), Job)

    def projection(self, job_id: str) -> Projection:
        """Return a job's projection."""
        return _parsed(self._call("GET", f"/jobs/{job_id}/projection", params=self._named()), Projection)

    def timeline(self, job_id: str) -> Timeline:
        """Return a job's changes, oldest first."""
        return _parsed(self._call("GET", f"/jobs/{job_id}/timeline", params=self._named()), Timeline)

    def jobs(
        self, *, states: Iterable[ProjectionState] = (), node: str | None = None, page_size: int = 50
    ) -> Iterator[Projection]:
        """Iterate over the workspace's jobs, newest submission first, a page at a time."""
        params: dict[str, Any] = {**self._named(), "limit": page_size}
        params |= {"state": [state.value for state in states]} | ({"management_node_id": node} if node else {})
        while True:
            page = _parsed(self._call("GET", "/jobs", params=params), JobPage)
            yield from page.jobs
            if page.next_cursor is None:
                return
            params["cursor"] = page.next_cursor

    def nodes(self) -> list[NodeView]:
        """Return the tenant's nodes."""
        return _parsed(self._call("GET", "/nodes"), NodeList).nodes

    def watch(self, job_id: str, *, timeout_seconds: float | None = None) -> Iterator[Projection]:
        """Yield the job's projection as it stands and at each change, until it is terminal.

        A gateway that is away for a while is asked again. Raises TimeoutError after ``timeout_seconds``.
        """
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        seen, pause = -1, POLL_SECONDS
        while True:
            projection = self.projection(job_id)
            if projection.change != seen:
                seen, pause = projection.change, POLL_SECONDS
                yield projection
            if is_terminal(projection.projection_state):
                return
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"{job_id} is {projection.projection_state} after {timeout_seconds} s")
            self._sleep(pause)
            pause = min(pause * 1.2, POLL_MAX_SECONDS)

    def wait(self, job_id: str, *, timeout_seconds: float | None = None) -> Projection:
        """Return the job's terminal projection; raises TimeoutError after ``timeout_seconds``."""
        *_, last = self.watch(job_id, timeout_seconds=timeout_seconds)
        return last

    def _named(self) -> dict[str, str]:
        return {"workspace_id": self.workspace_id}

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: BaseModel | dict[str, Any] | None = None,
        params: dict[str, Any] | None = None,
    ) -> httpx.Response:
        """Call the gateway, again where that may help; raises RefusedError or UnreachableError."""
        content = body.model_dump(mode="json") if isinstance(body, BaseModel) else body
        for attempt in range(1, TRIES + 1):
            failure, wait_seconds = self._try(method, path, content, params)
            if isinstance(failure, httpx.Response):
                return failure
            if wait_seconds is None or attempt == TRIES:
                raise failure
            backoff = min(BACKOFF_SECONDS * 2**attempt, BACKOFF_MAX_SECONDS)
            self._sleep(max(wait_seconds, backoff * random.uniform(0.5, 1.0)))  # noqa: S311 - jitter, no secret
        raise AssertionError("unreachable: the last try returned or raised")

    def _try(
        self, method: str, path: str, content: Any, params: dict[str, Any] | None
    ) -> tuple[httpx.Response | SlipwayError, float | None]:
        """Return an answer, or a failure with the least seconds to wait before another try (None: no other try)."""
        try:
            answer = self._http.request(method, path, json=content, params=params)
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            return UnreachableError(f"{self.credentials.url} does not answer: {reason}"), 0.0
        if answer.is_success:
            return answer, None
        try:
            problem = Problem.model_validate_json(answer.content)
        except ValidationError:
            stranger = UnreachableError(f"{self.credentials.url} answered {answer.status_code}, and not as a gateway")
            return stranger, 0.0 if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR else None
        retry_after = answer.headers.get("Retry-After", "0")
        pause = float(retry_after) if retry_after.isdigit() else 0.0
        return refusal(problem), pause if problem.retryable else None


def _parsed(answer: httpx.Response, model: type[M]) -> M:
    try:
        return model.model_validate_json(answer.content)
    except ValidationError as error:
        raise UnreachableError(f"the gateway's answer is not contract 1: {error.error_count()} fields") from None
