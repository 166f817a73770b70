"""What may help, by the code of what went wrong."""

from collections.abc import Mapping

from slipway_contracts.errors import Code

REFUSALS: Mapping[str, str] = {
    Code.UNAUTHORIZED: "get a new token, then `slipway login`",
    Code.FORBIDDEN: "the token is of another tenant, workspace or role; see --workspace, or `slipway login`",
    Code.RATE_LIMITED: "the gateway is busy; try again in a moment",
    Code.PRODUCT_STORE_UNAVAILABLE: "the gateway's store is out of reach; try again in a moment",
    Code.NOT_FOUND: "is --url a Slipway gateway of this version?",
    Code.METHOD_NOT_ALLOWED: "is --url a Slipway gateway of this version?",
    Code.INVALID_REQUEST: "correct the field, then try again",
    Code.PAYLOAD_TOO_LARGE: "put the input where the node may fetch it, and submit with --input-uri URI",
    Code.MANAGEMENT_NODE_NOT_FOUND: "`slipway nodes` lists the tenant's nodes",
    Code.IDEMPOTENCY_CONFLICT: "leave --idempotency-key out for a new submission",
    Code.JOB_ACTIVE: "watch it with `slipway watch`, or choose another --job-id",
    Code.POLICY_REJECTED: "choose what the node's policy allows; `slipway nodes --json` has all of it",
    Code.QUOTA_EXCEEDED: "wait until other jobs of the workspace have ended",
    Code.EXECUTION_UNAVAILABLE: "the node is silent or draining; see `slipway nodes`, or choose another --node",
    Code.JOB_NOT_FOUND: "`slipway jobs` lists the workspace's jobs",
    Code.SUBMISSION_SUPERSEDED: "`slipway show` tells the current submission",
    Code.JOB_TERMINAL: "`slipway show` tells how it ended",
    Code.STREAM_NOT_SUPPORTED: "the gateway is on Convex: follow a job with `slipway watch`",
}
"""The codes that a product's request can meet."""

FAILURES: Mapping[str, str] = {
    "invalid_payload": "correct the job document where the message says, then submit again",
    "policy_rejected": "the node's admin decides what it runs; `slipway nodes --json` has the policy",
    "payload_unavailable": "the node could not fetch an input; is it there, and may the node read it?",
    "node_storage": "the node had no room for the job; tell its admin, and submit again",
    "walltime_exceeded": "ask for more --walltime-seconds",
    "out_of_memory": "ask for more --memory-mib",
    "node_failure": "a machine failed, not the job; submit again",
    "scheduler_lost_job": "the scheduler lost the job, which may have done part of its work; submit again",
    "preempted": "a job of higher priority took its place; submit again",
    "deadline_missed": "the scheduler's deadline passed; submit again with less --walltime-seconds",
    "job_failed": "stdout and stderr tell more: `slipway outputs`",
    "process_excepted": "AiiDA failed, not the program; the node's admin finds the process by its UUID",
    "node_revoked": "the node was taken away and the job's outcome is unknown; submit to another --node",
}
"""Why a job failed → what may help."""


def of_refusal(code: str, *, retryable: bool, trace_id: str) -> str:
    """Return the hint for an error answer."""
    if code == Code.INTERNAL_ERROR:
        return f"a fault of the gateway; its log has it under trace {trace_id}"
    return REFUSALS.get(code, "try again in a moment" if retryable else f"the gateway's log has trace {trace_id}")


def of_failure(code: str, *, retryable: bool) -> str:
    """Return the hint for a job that failed."""
    if code.startswith("exit_"):
        return "the program ended with an error; stdout and stderr tell more: `slipway outputs`"
    return FAILURES.get(code, "submit again" if retryable else "stdout and stderr may tell more: `slipway outputs`")
