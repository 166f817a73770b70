"""The job document: parsed, each error with its line; fetched under the policy's prefixes; laid out for the engine."""

from slipway_node.payloads.document import JobDocument, PwDocument, ShellDocument, parse
from slipway_node.payloads.fetching import fetch
from slipway_node.payloads.job import FetchedJob, load
from slipway_node.payloads.limits import Limits

__all__ = ["FetchedJob", "JobDocument", "Limits", "PwDocument", "ShellDocument", "fetch", "load", "parse"]
