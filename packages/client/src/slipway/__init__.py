"""Slipway's Python client."""

from slipway.artifacts import Outputs
from slipway.async_client import AsyncSlipway
from slipway.client import Slipway
from slipway.errors import (
    ConfigurationError,
    InputRefusedError,
    RefusedError,
    SlipwayError,
    UnexpectedAnswerError,
    UnreachableError,
    WaitTimeoutError,
    refusal,
)
from slipway.transport import NO_RETRIES, Retries
from slipway.views import JobTable, JobView, ProjectionView, Submission

__all__ = [
    "NO_RETRIES",
    "AsyncSlipway",
    "ConfigurationError",
    "InputRefusedError",
    "JobTable",
    "JobView",
    "Outputs",
    "ProjectionView",
    "RefusedError",
    "Retries",
    "Slipway",
    "SlipwayError",
    "Submission",
    "UnexpectedAnswerError",
    "UnreachableError",
    "WaitTimeoutError",
    "refusal",
]
