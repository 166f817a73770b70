"""Slipway's Python client: `Slipway` for programs, `slipway` for the command line."""

from slipway.client import Slipway
from slipway.errors import RefusedError, SlipwayError, UnreachableError
from slipway.packing import pack

__all__ = ["RefusedError", "Slipway", "SlipwayError", "UnreachableError", "pack"]
