"""The one table of error codes: code → status, retryable, meaning.

No route picks a status; it raises a code. ``answered_by`` says who says it: the gateway over HTTP, or the Product
SoR to the gateway (surface 3), which the gateway renders as surface 2's word for the same thing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Code(StrEnum):
    """Every code an error answer of Slipway can carry."""

    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    RATE_LIMITED = "rate_limited"
    PRODUCT_STORE_UNAVAILABLE = "product_store_unavailable"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    INTERNAL_ERROR = "internal_error"
    INVALID_REQUEST = "invalid_request"
    PAYLOAD_TOO_LARGE = "payload_too_large"
    MANAGEMENT_NODE_NOT_FOUND = "management_node_not_found"
    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    JOB_ACTIVE = "job_active"
    POLICY_REJECTED = "policy_rejected"
    QUOTA_EXCEEDED = "quota_exceeded"
    EXECUTION_UNAVAILABLE = "execution_unavailable"
    INVALID_EVENT = "invalid_event"
    SUBMISSION_NOT_FOUND = "submission_not_found"
    EVENT_ID_CONFLICT = "event_id_conflict"
    EVENT_GAP = "event_gap"
    INVALID_TRANSITION = "invalid_transition"
    INVALID_PROJECTION_UPDATE = "invalid_projection_update"
    PROJECTION_TARGET_NOT_FOUND = "projection_target_not_found"
    PROJECTION_EVENT_ID_CONFLICT = "projection_event_id_conflict"
    INVALID_PROJECTION_TRANSITION = "invalid_projection_transition"
    JOIN_TOKEN_SPENT = "join_token_spent"  # noqa: S105 - a code, no secret
    LEASE_LOST = "lease_lost"
    JOB_NOT_FOUND = "job_not_found"
    SUBMISSION_SUPERSEDED = "submission_superseded"
    JOB_TERMINAL = "job_terminal"
    STREAM_NOT_SUPPORTED = "stream_not_supported"


@dataclass(frozen=True, slots=True)
class ErrorSpec:
    """One row of the table."""

    status: int
    retryable: bool
    meaning: str
    answered_by: Literal["gateway", "product_store"] = "gateway"


ERRORS: Mapping[Code, ErrorSpec] = {
    Code.UNAUTHORIZED: ErrorSpec(
        401, retryable=False, meaning="The credential is missing, malformed, expired or unknown"
    ),
    Code.FORBIDDEN: ErrorSpec(
        403, retryable=False, meaning="The credential does not cover this tenant, workspace, node or role"
    ),
    Code.RATE_LIMITED: ErrorSpec(
        429, retryable=True, meaning="This process has more requests in flight than it takes on"
    ),
    Code.PRODUCT_STORE_UNAVAILABLE: ErrorSpec(503, retryable=True, meaning="The Product SoR did not answer in time"),
    Code.NOT_FOUND: ErrorSpec(404, retryable=False, meaning="There is no such path"),
    Code.METHOD_NOT_ALLOWED: ErrorSpec(405, retryable=False, meaning="The path does not take this method"),
    Code.INTERNAL_ERROR: ErrorSpec(
        500, retryable=True, meaning="A fault of the gateway; the trace id finds it in the log"
    ),
    Code.INVALID_REQUEST: ErrorSpec(400, retryable=False, meaning="A field is missing, unknown or malformed"),
    Code.PAYLOAD_TOO_LARGE: ErrorSpec(413, retryable=False, meaning="The body or an inline input is over its limit"),
    Code.MANAGEMENT_NODE_NOT_FOUND: ErrorSpec(404, retryable=False, meaning="The tenant has no such node"),
    Code.IDEMPOTENCY_CONFLICT: ErrorSpec(409, retryable=False, meaning="The key was used for another intent"),
    Code.JOB_ACTIVE: ErrorSpec(409, retryable=False, meaning="The job has an open submission under another key"),
    Code.POLICY_REJECTED: ErrorSpec(
        422, retryable=False, meaning="The node's policy does not allow it; names rule and allowed values"
    ),
    Code.QUOTA_EXCEEDED: ErrorSpec(429, retryable=True, meaning="The workspace has as many open submissions as it may"),
    Code.EXECUTION_UNAVAILABLE: ErrorSpec(503, retryable=True, meaning="The node is overdue or draining"),
    Code.INVALID_EVENT: ErrorSpec(
        400, retryable=False, meaning="The event is malformed or its id is not the derived one"
    ),
    Code.SUBMISSION_NOT_FOUND: ErrorSpec(404, retryable=False, meaning="No such submission, or another node's"),
    Code.EVENT_ID_CONFLICT: ErrorSpec(
        409, retryable=False, meaning="The event id was used with another state or reference"
    ),
    Code.EVENT_GAP: ErrorSpec(409, retryable=True, meaning="A predecessor is missing and may be on its way"),
    Code.INVALID_TRANSITION: ErrorSpec(
        409, retryable=False, meaning="The event would move the execution backwards or rename it"
    ),
    Code.INVALID_PROJECTION_UPDATE: ErrorSpec(
        400, retryable=False, meaning="The update contradicts itself or its submission", answered_by="product_store"
    ),
    Code.PROJECTION_TARGET_NOT_FOUND: ErrorSpec(
        404, retryable=False, meaning="No such submission in that tenant and workspace", answered_by="product_store"
    ),
    Code.PROJECTION_EVENT_ID_CONFLICT: ErrorSpec(
        409, retryable=False, meaning="The timeline has this id with another payload", answered_by="product_store"
    ),
    Code.INVALID_PROJECTION_TRANSITION: ErrorSpec(
        409, retryable=False, meaning="The projection would not move forward", answered_by="product_store"
    ),
    Code.JOIN_TOKEN_SPENT: ErrorSpec(
        410, retryable=False, meaning="The join token was used with another key or has expired"
    ),
    Code.LEASE_LOST: ErrorSpec(
        409, retryable=False, meaning="A newer agent holds this node, or the command was withdrawn"
    ),
    Code.JOB_NOT_FOUND: ErrorSpec(404, retryable=False, meaning="The workspace has no such job"),
    Code.SUBMISSION_SUPERSEDED: ErrorSpec(
        409, retryable=False, meaning="The job has a newer submission than the one meant"
    ),
    Code.JOB_TERMINAL: ErrorSpec(409, retryable=False, meaning="The job has ended otherwise and cannot be cancelled"),
    Code.STREAM_NOT_SUPPORTED: ErrorSpec(501, retryable=False, meaning="The Product SoR has live reads of its own"),
}
