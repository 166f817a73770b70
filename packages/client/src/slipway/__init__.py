"""Slipway's Python client."""

from slipway.client import Slipway, Submission
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

__all__ = [
    "NO_RETRIES",
    "ConfigurationError",
    "InputRefusedError",
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
