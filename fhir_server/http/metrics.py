"""Counts and latencies for Prometheus, kept in plain dictionaries so that a request pays about a microsecond for them.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

#: Upper bounds of the latency buckets, in seconds.
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """What this worker has answered since it started.

    Attributes:
        in_progress: requests being answered now.
    """

    def __init__(self, gauges: Mapping[str, Callable[[], float]] | None = None) -> None:
        """`gauges`: further values read at each scrape, by metric name (`fhir_store_pending_writes`)."""
        self.in_progress = 0
        self._gauges = dict(gauges or {})
        self._counts: dict[tuple[str, str, int], int] = {}
        self._seconds: dict[str, float] = {}
        self._buckets: dict[str, list[int]] = {}

    def answered(self, interaction: str, type: str, status: int, seconds: float) -> None:
        """Count one answer; `interaction` and `type` come from closed sets, so that series stay few."""
        key = (interaction, type, status)
        self._counts[key] = self._counts.get(key, 0) + 1
        buckets = self._buckets.get(interaction)
        if buckets is None:
            buckets = self._buckets[interaction] = [0] * (len(BUCKETS) + 1)
            self._seconds[interaction] = 0.0
        buckets[bisect_left(BUCKETS, seconds)] += 1
        self._seconds[interaction] += seconds

    def text(self) -> bytes:
        """The exposition a scrape reads."""
        from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        ProcessCollector(registry=registry)
        return generate_latest(registry)

    def collect(self) -> Iterable[Metric]:
        """The metrics, as prometheus-client asks a collector for them."""
        from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        requests = CounterMetricFamily(
            "fhir_requests",
            "Answers by interaction, resource type and status.",
            labels=["interaction", "type", "status"],
        )
        for (interaction, type, status), count in sorted(self._counts.items()):
            requests.add_metric([interaction, type, str(status)], count)
        yield requests
        latency = HistogramMetricFamily(
            "fhir_request_seconds", "Seconds from the request to its answer.", labels=["interaction"]
        )
        for interaction, buckets in sorted(self._buckets.items()):
            latency.add_metric([interaction], _cumulative(buckets), self._seconds[interaction])
        yield latency
        yield GaugeMetricFamily("fhir_requests_in_progress", "Requests being answered.", value=self.in_progress)
        for name, value in self._gauges.items():
            yield GaugeMetricFamily(name, name.replace("_", " "), value=value())


def _cumulative(buckets: list[int]) -> list[tuple[str, float]]:
    total = 0
    found: list[tuple[str, float]] = []
    for bound, count in zip((*BUCKETS, float("inf")), buckets, strict=True):
        total += count
        found.append((str(bound) if bound != float("inf") else "+Inf", total))
    return found
