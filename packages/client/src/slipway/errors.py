"""What can go wrong, one class a code of the contract (docs/contracts/README.md, "Errors").

::

    SlipwayError
    ├── ConfigurationError         URL, token or workspace are missing or malformed; nothing was sent
    ├── InputRefusedError          what was to be sent does not hold; nothing was sent
    ├── RefusedError               the gateway answered with a code; a class below for each one that it has
    ├── UnreachableError           no answer came, so the outcome of a write is unknown and its retry is safe
    │   ├── SilentError            the gateway was silent for longer than it may be
    │   └── UnexpectedAnswerError  something answered that is no Slipway gateway
    └── WaitTimeoutError           the job is not at its end yet; it goes on
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import ClassVar

from slipway_contracts.errors import Code
from slipway_contracts.problem import Problem
from slipway_contracts.submit_job_command import SubmitJobCommand


class SlipwayError(Exception):
    """The base of all. ``retryable``: the same call may be made again and may then succeed.

    ``commands`` is what was being submitted, each with its key: submitted again as they are, nothing runs twice.
    """

    retryable: bool = False
    retry_after_seconds: float | None = None
    commands: Sequence[SubmitJobCommand] = ()


class ConfigurationError(SlipwayError):
    """URL, token or workspace are missing or malformed."""


class InputRefusedError(SlipwayError):
    """What was to be sent does not hold, by the contract's ``code``; ``hint`` says what to do about it."""

    def __init__(self, code: str, field: str, reason: str, hint: str) -> None:
        super().__init__(f"{code}: {field}: {reason}")
        self.code = code
        self.field = field
        self.reason = reason
        self.hint = hint


class UnreachableError(SlipwayError):
    """No answer came."""

    retryable = True


class SilentError(UnreachableError):
    """The gateway was silent for longer than it may be."""


class UnexpectedAnswerError(UnreachableError):
    """An answer came that no Slipway gateway gives, as from a proxy; 408, 429 and 5xx are retryable."""

    def __init__(self, message: str, *, status: int, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retryable = status in _RETRYABLE_STATUSES or status >= _FIRST_SERVER_ERROR
        self.retry_after_seconds = retry_after_seconds


class WaitTimeoutError(SlipwayError):
    """The job did not end within the time that the caller gave; it goes on."""

    retryable = True


class RefusedError(SlipwayError):
    """The gateway refused, and ``problem`` says why. Raised as it is for a code newer than this client."""

    CODE: ClassVar[Code | None] = None

    def __init__(self, problem: Problem, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(_told(problem))
        self.problem = problem
        self.retryable = problem.retryable
        self.retry_after_seconds = retry_after_seconds

    @property
    def code(self) -> str:
        """The contract's code."""
        return self.problem.code


def _told(problem: Problem) -> str:
    """Return code, detail and the first fields that did not hold; a reason in the detail gets its field there."""
    detail, others = problem.detail, []
    for fault in problem.errors[:_TOLD_FAULTS]:
        named = f"{fault.field}: {fault.message}"
        if fault.message in problem.detail and fault.field in problem.detail:
            continue
        if fault.message in problem.detail and detail == problem.detail:
            detail = detail.replace(fault.message, named, 1)
        else:
            others.append(named)
    if len(problem.errors) > _TOLD_FAULTS:
        others.append(f"and {len(problem.errors) - _TOLD_FAULTS} more")
    return "; ".join([f"{problem.code}: {detail}", *others])


_RETRYABLE_STATUSES = frozenset({408, 429})
_FIRST_SERVER_ERROR = 500
_TOLD_FAULTS = 3  # a message is a line; `problem.errors` has them all


class UnauthorizedError(RefusedError):
    """401 ``unauthorized``."""

    CODE = Code.UNAUTHORIZED


class ForbiddenError(RefusedError):
    """403 ``forbidden``."""

    CODE = Code.FORBIDDEN


class RateLimitedError(RefusedError):
    """429 ``rate_limited``, retryable."""

    CODE = Code.RATE_LIMITED


class ProductStoreUnavailableError(RefusedError):
    """503 ``product_store_unavailable``, retryable."""

    CODE = Code.PRODUCT_STORE_UNAVAILABLE


class NotFoundError(RefusedError):
    """404 ``not_found``: there is no such path."""

    CODE = Code.NOT_FOUND


class MethodNotAllowedError(RefusedError):
    """405 ``method_not_allowed``."""

    CODE = Code.METHOD_NOT_ALLOWED


class InternalError(RefusedError):
    """500 ``internal_error``, retryable: a fault of the gateway."""

    CODE = Code.INTERNAL_ERROR


class InvalidRequestError(RefusedError):
    """400 ``invalid_request``; ``problem.errors`` names the fields."""

    CODE = Code.INVALID_REQUEST


class PayloadTooLargeError(RefusedError):
    """413 ``payload_too_large``."""

    CODE = Code.PAYLOAD_TOO_LARGE


class ManagementNodeNotFoundError(RefusedError):
    """404 ``management_node_not_found``."""

    CODE = Code.MANAGEMENT_NODE_NOT_FOUND


class IdempotencyConflictError(RefusedError):
    """409 ``idempotency_conflict``: the key was used for another intent."""

    CODE = Code.IDEMPOTENCY_CONFLICT


class JobActiveError(RefusedError):
    """409 ``job_active``: the job has an open submission under another key."""

    CODE = Code.JOB_ACTIVE


class PolicyRejectedError(RefusedError):
    """422 ``policy_rejected``; ``problem.errors`` names rules and allowed values."""

    CODE = Code.POLICY_REJECTED


class QuotaExceededError(RefusedError):
    """429 ``quota_exceeded``, retryable as submissions end."""

    CODE = Code.QUOTA_EXCEEDED


class ExecutionUnavailableError(RefusedError):
    """503 ``execution_unavailable``, retryable: the node is overdue or draining."""

    CODE = Code.EXECUTION_UNAVAILABLE


class InvalidEventError(RefusedError):
    """400 ``invalid_event``."""

    CODE = Code.INVALID_EVENT


class SubmissionNotFoundError(RefusedError):
    """404 ``submission_not_found``."""

    CODE = Code.SUBMISSION_NOT_FOUND


class EventIdConflictError(RefusedError):
    """409 ``event_id_conflict``."""

    CODE = Code.EVENT_ID_CONFLICT


class EventGapError(RefusedError):
    """409 ``event_gap``, retryable."""

    CODE = Code.EVENT_GAP


class InvalidTransitionError(RefusedError):
    """409 ``invalid_transition``."""

    CODE = Code.INVALID_TRANSITION


class InvalidProjectionUpdateError(RefusedError):
    """400 ``invalid_projection_update``."""

    CODE = Code.INVALID_PROJECTION_UPDATE


class ProjectionTargetNotFoundError(RefusedError):
    """404 ``projection_target_not_found``."""

    CODE = Code.PROJECTION_TARGET_NOT_FOUND


class ProjectionEventIdConflictError(RefusedError):
    """409 ``projection_event_id_conflict``."""

    CODE = Code.PROJECTION_EVENT_ID_CONFLICT


class InvalidProjectionTransitionError(RefusedError):
    """409 ``invalid_projection_transition``."""

    CODE = Code.INVALID_PROJECTION_TRANSITION


class JoinTokenSpentError(RefusedError):
    """410 ``join_token_spent``."""

    CODE = Code.JOIN_TOKEN_SPENT


class LeaseLostError(RefusedError):
    """409 ``lease_lost``."""

    CODE = Code.LEASE_LOST


class JobNotFoundError(RefusedError):
    """404 ``job_not_found``: the workspace has no such job."""

    CODE = Code.JOB_NOT_FOUND


class SubmissionSupersededError(RefusedError):
    """409 ``submission_superseded``: the job has a newer submission than the one meant."""

    CODE = Code.SUBMISSION_SUPERSEDED


class JobTerminalError(RefusedError):
    """409 ``job_terminal``: the job has ended otherwise and cannot be cancelled."""

    CODE = Code.JOB_TERMINAL


class StreamNotSupportedError(RefusedError):
    """501 ``stream_not_supported``: the Product SoR has live reads of its own."""

    CODE = Code.STREAM_NOT_SUPPORTED


CLASS_OF: Mapping[str, type[RefusedError]] = {
    str(kind.CODE): kind for kind in RefusedError.__subclasses__() if kind.CODE is not None
}
"""Code → class, one each."""


def refusal(problem: Problem, *, retry_after_seconds: float | None = None) -> RefusedError:
    """Return the exception of ``problem``'s code, to be raised; also for one outcome of a batch."""
    return CLASS_OF.get(problem.code, RefusedError)(problem, retry_after_seconds=retry_after_seconds)


@contextmanager
def submitting(*commands: SubmitJobCommand) -> Iterator[None]:
    """Have whatever is raised within tell what was being submitted."""
    try:
        yield
    except SlipwayError as error:
        error.commands = commands
        raise
