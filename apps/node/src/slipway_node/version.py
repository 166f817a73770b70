"""This node's version, as it is told to the gateway and to people."""

from importlib.metadata import version

VERSION = version("slipway-node")
