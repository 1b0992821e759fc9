"""Counts and latencies for Prometheus, kept in plain dictionaries so that a request pays about a microsecond for them.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from time import monotonic
from typing import TYPE_CHECKING

from fhir_server.fhir.version import VERSION
from fhir_server.http.metrics_shared import Counts, Folder

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

#: Upper bounds of the latency buckets, in seconds.
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
#: How often a worker leaves its counts for the others, in seconds.
LEFT_EVERY = 1.0
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


#: Gives a value at each scrape, or several by name.
Gauge = Callable[[], float | Mapping[str, float]]


class Metrics:
    """What this server has answered since it started.

    Attributes:
        in_progress: requests this worker is answering now.
    """

    def __init__(self, gauges: Mapping[str, Gauge] | None = None, shared: Folder | None = None) -> None:
        """`gauges`: further values read at each scrape, by metric name; `shared`: where other workers leave theirs."""
        self.in_progress = 0
        self._gauges = dict(gauges or {})
        self._counts = Counts({}, {}, {})
        self._shared = shared
        self._due = 0.0

    def answered(self, interaction: str, type: str, status: int, seconds: float) -> None:
        """Count one answer; `interaction` and `type` come from closed sets, so that series stay few."""
        own = self._counts
        key = (interaction, type, status)
        own.answers[key] = own.answers.get(key, 0) + 1
        buckets = own.buckets.get(interaction)
        if buckets is None:
            buckets = own.buckets[interaction] = [0] * (len(BUCKETS) + 1)
            own.seconds[interaction] = 0.0
        buckets[bisect_left(BUCKETS, seconds)] += 1
        own.seconds[interaction] += seconds
        if self._shared is not None and monotonic() >= self._due:
            self._due = monotonic() + LEFT_EVERY
            self._shared.leave(own)

    def _total(self) -> Counts:
        total = Counts({}, {}, {})
        total.add(self._counts)
        for other in self._shared.others() if self._shared else ():
            total.add(other)
        return total

    def text(self) -> bytes:
        """The exposition a scrape reads."""
        from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        ProcessCollector(registry=registry)
        return generate_latest(registry)

    def collect(self) -> Iterable[Metric]:
        """The metrics, as prometheus-client asks a collector for them."""
        from prometheus_client.metrics_core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
            InfoMetricFamily,
        )

        yield InfoMetricFamily("fhir_server", "Which version answers.", value={"version": VERSION})
        total = self._total()
        requests = CounterMetricFamily(
            "fhir_requests",
            "Answers by interaction, resource type and status.",
            labels=["interaction", "type", "status"],
        )
        for (interaction, type, status), count in sorted(total.answers.items()):
            requests.add_metric([interaction, type, str(status)], count)
        yield requests
        latency = HistogramMetricFamily(
            "fhir_request_seconds", "Seconds from the request to its answer.", labels=["interaction"]
        )
        for interaction, buckets in sorted(total.buckets.items()):
            latency.add_metric([interaction], _cumulative(buckets), total.seconds[interaction])
        yield latency
        yield GaugeMetricFamily("fhir_requests_in_progress", "Requests being answered.", value=self.in_progress)
        for name, value in self._gauges.items():
            now = value()
            if isinstance(now, Mapping):
                several = GaugeMetricFamily(name, name.replace("_", " "), labels=["name"])
                for one, number in now.items():
                    several.add_metric([one], number)
                yield several
            else:
                yield GaugeMetricFamily(name, name.replace("_", " "), value=now)


def _cumulative(buckets: list[int]) -> list[tuple[str, float]]:
    total = 0
    found: list[tuple[str, float]] = []
    for bound, count in zip((*BUCKETS, float("inf")), buckets, strict=True):
        total += count
        found.append((str(bound) if bound != float("inf") else "+Inf", total))
    return found
