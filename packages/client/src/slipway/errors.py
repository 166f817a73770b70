"""One exception a code of the contract.

SlipwayError
├── UnreachableError            no answer, or none of Slipway's
├── CredentialError             no URL or token, or one that cannot be read
├── PackingError                a job document or its files cannot be sent
└── RefusedError                an answer with a code; ``problem`` is the whole of it
    ├── InvalidRequestError     invalid_request
    ├── PolicyRejectedError     policy_rejected
    └── …                       see BY_CODE
"""

from collections.abc import Mapping

from slipway_contracts.errors import Code
from slipway_contracts.problem import Problem


class SlipwayError(Exception):
    """Everything this package raises."""


class UnreachableError(SlipwayError):
    """The gateway did not answer, or something that is no gateway did."""


class CredentialError(SlipwayError):
    """There is no URL or token, or the token cannot be read."""


class PackingError(SlipwayError):
    """A job document, or a file it names, cannot be sent."""


class RefusedError(SlipwayError):
    """The gateway refused; ``problem`` says why, by code and field."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class UnauthorizedError(RefusedError):
    """The credential is missing, malformed, expired or unknown."""


class ForbiddenError(RefusedError):
    """The credential does not cover this."""


class RateLimitedError(RefusedError):
    """The gateway has more requests in flight than it takes on."""


class ProductStoreUnavailableError(RefusedError):
    """The gateway's store did not answer in time."""


class NotFoundError(RefusedError):
    """There is no such path, job or node."""


class JobNotFoundError(NotFoundError):
    """The workspace has no such job."""


class ManagementNodeNotFoundError(NotFoundError):
    """The tenant has no such node."""


class InvalidRequestError(RefusedError):
    """A field is missing, unknown or malformed."""


class PayloadTooLargeError(RefusedError):
    """The body or an inline input is over its limit."""


class IdempotencyConflictError(RefusedError):
    """The key was used for another intent."""


class JobActiveError(RefusedError):
    """The job has an open submission under another key."""


class PolicyRejectedError(RefusedError):
    """The node's policy does not allow it."""


class QuotaExceededError(RefusedError):
    """The workspace has as many open submissions as it may."""


class ExecutionUnavailableError(RefusedError):
    """The node is overdue or draining."""


class SubmissionSupersededError(RefusedError):
    """The job has a newer submission than the one meant."""


class JobTerminalError(RefusedError):
    """The job has ended otherwise and cannot be cancelled."""


BY_CODE: Mapping[str, type[RefusedError]] = {
    Code.UNAUTHORIZED: UnauthorizedError,
    Code.FORBIDDEN: ForbiddenError,
    Code.RATE_LIMITED: RateLimitedError,
    Code.PRODUCT_STORE_UNAVAILABLE: ProductStoreUnavailableError,
    Code.NOT_FOUND: NotFoundError,
    Code.JOB_NOT_FOUND: JobNotFoundError,
    Code.MANAGEMENT_NODE_NOT_FOUND: ManagementNodeNotFoundError,
    Code.INVALID_REQUEST: InvalidRequestError,
    Code.PAYLOAD_TOO_LARGE: PayloadTooLargeError,
    Code.IDEMPOTENCY_CONFLICT: IdempotencyConflictError,
    Code.JOB_ACTIVE: JobActiveError,
    Code.POLICY_REJECTED: PolicyRejectedError,
    Code.QUOTA_EXCEEDED: QuotaExceededError,
    Code.EXECUTION_UNAVAILABLE: ExecutionUnavailableError,
    Code.SUBMISSION_SUPERSEDED: SubmissionSupersededError,
    Code.JOB_TERMINAL: JobTerminalError,
}
"""Code → exception; a code that a product never meets, or a newer one, is a plain RefusedError."""


def refusal(problem: Problem) -> RefusedError:
    """Return the exception for ``problem``."""
    return BY_CODE.get(problem.code, RefusedError)(problem)
