"""The gateway's version, as its package says."""

from importlib.metadata import version

VERSION = version("slipway-gateway")
