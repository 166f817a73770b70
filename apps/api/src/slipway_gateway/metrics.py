"""What the process counts, in the text format of Prometheus. No label is an id: nothing tells of any tenant.

Counters are of this process and are lost with it, as Prometheus expects.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from slipway_gateway.problems import ContractError

CONTENT_TYPE = CONTENT_TYPE_LATEST
NO_ROUTE = "none"
# From a cached read to a batch on a busy disk; a long poll's time would tell nothing, and is not observed.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """The counters of one process; a registry of its own, so that two applications share none."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # a second series for each, of when it was first counted
        self._registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector):
            collector(registry=self._registry)
        labels = ("route", "status")
        self._requests = Counter(
            "slipway_requests", "Requests answered, by route and status", labels, registry=self._registry
        )
        self._seconds = Histogram(
            "slipway_request_seconds",
            "Seconds from a request's head to its answer's end, long polls and streams left out",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._refusals = Counter(
            "slipway_refusals", "Refusals of the contract, by code", ("code",), registry=self._registry
        )
        self._known: dict[tuple[str, int], Counter] = {}
        self._timed: dict[str, Histogram] = {}

    def gauge(self, name: str, what: str, value: Callable[[], float]) -> None:
        """Tell what ``value`` returns whenever it is asked for."""
        Gauge(name, what, registry=self._registry).set_function(value)

    def answered(self, scope: Mapping[str, Any], status: int, seconds: float | None) -> None:
        """Count a request by its route's template; ``seconds`` None where its time tells nothing."""
        found = scope.get("route")
        route = NO_ROUTE if found is None else f"{scope['method']} {found.path}"
        counter = self._known.get((route, status))
        if counter is None:
            counter = self._known[route, status] = self._requests.labels(route, status)
        counter.inc()
        if seconds is not None:
            timer = self._timed.get(route)
            if timer is None:
                timer = self._timed[route] = self._seconds.labels(route)
            timer.observe(seconds)

    def refused(self, code: str) -> None:
        """Count a refusal."""
        self._refusals.labels(code).inc()

    def refused_among(self, outcomes: Iterable[object]) -> None:
        """Count the refusals among the outcomes of a batch, which itself is answered with 200."""
        for outcome in outcomes:
            if isinstance(outcome, ContractError):
                self.refused(outcome.code)

    def text(self) -> bytes:
        """Return all of it."""
        return generate_latest(self._registry)
