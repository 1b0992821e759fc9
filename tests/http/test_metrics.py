"""Counts for Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/."""

from __future__ import annotations

import os
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from fhir_server.http.metrics import Metrics
from fhir_server.http.metrics_shared import Folder

ENDED = "999999999"


def value(metrics: Metrics, name: str, **labels: str) -> float:
    families = text_string_to_metric_families(metrics.text().decode())
    [found] = [s.value for f in families for s in f.samples if s.name == name and s.labels == labels]
    return found


def test_a_latency_falls_in_every_bucket_that_holds_it() -> None:
    metrics = Metrics()
    for seconds in (0.0005, 0.003, 100.0):
        metrics.answered("read", "Patient", 200, seconds)
    counts = [
        value(metrics, "fhir_request_seconds_bucket", interaction="read", le=le)
        for le in ("0.0005", "0.005", "60.0", "+Inf")
    ]
    assert counts == [1, 2, 2, 3]
    assert value(metrics, "fhir_request_seconds_sum", interaction="read") == 100.0035


def test_gauges_are_read_at_the_scrape() -> None:
    waiting = [3.0]
    metrics = Metrics({"fhir_store_pending_writes": lambda: waiting[0]})
    waiting[0] = 5.0
    assert value(metrics, "fhir_store_pending_writes") == 5


def test_whichever_worker_is_scraped_all_are_counted(tmp_path: Path) -> None:
    one, two = (Metrics(shared=Folder(tmp_path, os.getpid(), worker)) for worker in (1, 2))
    one.answered("read", "Patient", 200, 0.1)
    two.answered("read", "Patient", 200, 0.1)
    two.answered("create", "Patient", 201, 0.1)
    labels = {"interaction": "read", "type": "Patient", "status": "200"}
    assert value(one, "fhir_requests_total", **labels) == value(two, "fhir_requests_total", **labels) == 2


def test_what_an_ended_worker_counted_stays_and_what_an_ended_server_left_goes(tmp_path: Path) -> None:
    (tmp_path / ENDED).mkdir()
    (tmp_path / ENDED / "1").write_bytes(b"")
    Metrics(shared=Folder(tmp_path, os.getpid(), 1)).answered("read", "Patient", 200, 0.1)
    (tmp_path / str(os.getpid()) / "3").write_bytes(b"not counts")
    restarted = Metrics(shared=Folder(tmp_path, os.getpid(), 2))
    assert value(restarted, "fhir_requests_total", interaction="read", type="Patient", status="200") == 1
    assert not (tmp_path / ENDED).exists()
