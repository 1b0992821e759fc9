"""Whatever one caller sends, the server goes on answering others: one worker, one request of each kind that is long.

How long a request takes depends on the machine. What does not: that it was done in the process beside the worker, or
ended by a bound, and that the longest silence is a part of the time it took.
"""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.benchmarks.calls import Call
from tests.benchmarks.heavy import ALL, Heavy
from tests.server.command import until
from tests.server.process import open_serving

#: Of the size in which each is as large as it may be.
SIZE = 0.05
#: A silence that no processor's other work explains, in seconds; or half of what the request takes, if that is more.
SILENCE = 2.0


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The FHIR base of a server with one worker."""
    folder: Path = tmp_path_factory.mktemp("live")
    with open_serving(folder / "data") as served:
        yield served.base


class Pulse:
    """Asks whether the server is alive, again and again, on one connection."""

    def __init__(self, base: str) -> None:
        self._url = httpx.URL(base).copy_with(path="/health/live")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat)
        self._begun = threading.Event()
        self.longest = 0.0

    def _beat(self) -> None:
        with httpx.Client(timeout=120) as client:
            while not self._over.is_set():
                asked = time.monotonic()
                assert client.get(self._url).status_code == 200
                self.longest = max(self.longest, time.monotonic() - asked)
                self._begun.set()
                time.sleep(0.01)

    def __enter__(self) -> Pulse:
        self._thread.start()
        self._begun.wait()
        self.longest = 0.0
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def done_apart(base: str) -> float:
    """How many calls the process beside the worker has done."""
    text = httpx.get(httpx.URL(base).copy_with(path="/metrics"), timeout=60).text
    found = re.search(r"^fhir_beside_calls (\S+)$", text, re.MULTILINE)
    assert found, text[:2000]
    return float(found[1])


@pytest.mark.parametrize("heavy", ALL, ids=lambda heavy: heavy.name)
def test_a_long_request_silences_nobody(base: str, heavy: Heavy) -> None:
    *before, meant = heavy.calls(SIZE)
    with httpx.Client(timeout=120) as client:

        def send(call: Call) -> httpx.Response:
            headers = dict(call.headers) | ({"content-type": call.content_type} if call.body else {})
            return client.request(call.method, f"{base}/{call.path}".rstrip("/"), content=call.body, headers=headers)

        for call in before:
            answer = send(call)
            assert answer.status_code < 300, answer.text[:500]
        apart, started = done_apart(base), time.monotonic()
        with Pulse(base) as pulse:
            answer = send(meant)
            took = time.monotonic() - started
            if heavy.apart:
                until(lambda: done_apart(base) > apart)
        assert answer.status_code < 500, answer.text[:500]
        assert pulse.longest < max(SILENCE, took / 2)


def test_long_requests_of_many_callers_leave_room_for_short_ones(base: str) -> None:
    """More long requests at once than may wait: each is answered or told to come back; short ones are answered."""
    body = next(one for one in ALL if "creates" in one.name).calls(SIZE)[-1].body
    found: list[httpx.Response] = []

    def send() -> None:
        headers = {"content-type": "application/fhir+json"}
        found.append(httpx.post(base, content=body, headers=headers, timeout=120))

    threads = [threading.Thread(target=send) for _ in range(24)]
    for thread in threads:
        thread.start()
    with httpx.Client(timeout=120) as client:
        while any(thread.is_alive() for thread in threads):
            assert client.get(f"{base}/Patient?_count=1").status_code == 200
    assert {answer.status_code for answer in found} <= {200, 503}
    assert 200 in {answer.status_code for answer in found}
    assert all("retry-after" in answer.headers for answer in found if answer.status_code == 503)


def beside_of(pid: int) -> list[int]:
    """The processes that this one has started."""
    return [int(one) for task in Path(f"/proc/{pid}/task").glob("*/children") for one in task.read_text().split()]


def test_a_process_that_is_killed_at_its_work_leaves_nothing_by_half_and_is_told_of(tmp_path: Path) -> None:
    """It is the server that failed, so 503; and whoever asked has left a trace (R4 security.html#audit)."""
    entry = {"request": {"method": "POST", "url": "Patient"}, "resource": {"resourceType": "Patient", "active": True}}
    body = {"resourceType": "Bundle", "type": "transaction", "entry": [entry] * 1_000}
    audited = open_serving(tmp_path / "data", FHIR_AUDIT="on")
    with audited as served, httpx.Client(timeout=120) as client:

        def count(query: str) -> int:
            return int(client.get(f"{served.base}/{query}&_summary=count&_total=accurate").json()["total"])

        answers: list[httpx.Response] = []

        def send() -> None:
            headers = {"content-type": "application/fhir+json"}
            answers.append(httpx.post(served.base, json=body, headers=headers, timeout=120))

        send()
        for _ in range(30):
            held, before = beside_of(served.process.pid), count("Patient?active=true")
            traces = count("AuditEvent?outcome=8")
            for pid in held:
                os.kill(pid, signal.SIGSTOP)
            thread = threading.Thread(target=send)
            thread.start()
            time.sleep(0.1)
            for pid in held:
                os.kill(pid, signal.SIGKILL)
            thread.join()
            written = count("Patient?active=true") - before
            assert (answers[-1].status_code, written) in ((200, 1_000), (503, 0)), answers[-1].text
            if answers[-1].status_code == 503:
                break
        assert answers[-1].json()["issue"][0]["code"] == "transient"
        assert answers[-1].headers["retry-after"]
        assert count("AuditEvent?outcome=8") == traces + 1
        send()
        assert answers[-1].status_code == 200


@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_that_is_killed_leaves_no_process_behind(tmp_path: Path, workers: int) -> None:
    with open_serving(tmp_path / "data", FHIR_WORKERS=str(workers)) as served:
        headers = {"content-type": "application/fhir+json"}
        assert (
            httpx.post(served.base, content=ALL[0].calls(SIZE)[-1].body, headers=headers, timeout=120).status_code
            == 200
        )
        started = beside_of(served.process.pid)
        started += [one for pid in started for one in beside_of(pid)]
        assert len(started) >= workers
        served.process.kill()
        served.process.wait()
    until(lambda: not any(is_running(pid) for pid in started))


def is_running(pid: int) -> bool:
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def test_what_a_stop_does_not_wait_for_is_told_so(tmp_path: Path) -> None:
    """RFC 9110 §15.6.4: it is the server that ends, whatever was asked."""
    entry = {"request": {"method": "POST", "url": "Patient"}, "resource": {"resourceType": "Patient", "active": True}}
    body = {"resourceType": "Bundle", "type": "transaction", "entry": [entry] * 1_000}
    answers: list[httpx.Response] = []
    with open_serving(tmp_path / "data", FHIR_SHUTDOWN_SECONDS="1") as served:

        def send() -> None:
            headers = {"content-type": "application/fhir+json"}
            answers.append(httpx.post(served.base, json=body, headers=headers, timeout=120))

        send()
        for pid in beside_of(served.process.pid):
            os.kill(pid, signal.SIGSTOP)
        thread = threading.Thread(target=send)
        thread.start()
        metrics = httpx.URL(served.base).copy_with(path="/metrics")
        until(lambda: "fhir_requests_in_progress 1.0" in httpx.get(metrics, timeout=120).text)
        served.process.send_signal(signal.SIGTERM)
        thread.join()
        assert served.process.wait(60) == 0
    assert (answers[1].status_code, answers[1].json()["issue"][0]["code"]) == (503, "transient")
    assert "Traceback" not in served.said
