"""Whether others are answered while one request is as long as it can be: how long `/health/live` is silent meanwhile."""

from __future__ import annotations

import http.client
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.calls import Call
from tests.benchmarks.heavy import ALL, Heavy
from tests.benchmarks.servers import ROOT, free_port, running, serving
from tests.benchmarks.transactions import transactions

#: What the README shows, by the beginning of its name.
SHOWN = (
    "transaction whose", "batch of FHIRPath", "`$validate` of", "Patient with", "array of 15,000,000 s", "CodeSystem of",
    "claim of a profile with 1",
)  # fmt: skip
#: How long a request of an earlier build is waited for, in seconds.
LONGEST = 60.0
#: How long it is listened after the answer, in seconds: what was written may still be indexed.
AFTER = 4.0


def live(size: float, beside: Path | None) -> Iterator[str]:
    """The table: this build, and another one where its folder is given, in one run."""
    builds = [("now", ROOT), *([("before", beside)] if beside is not None else [])]
    yield transactions(builds)
    head = "".join(f" | {name}: answered in | {name}: longest silence" for name, _ in builds)
    lines = [f"| One request{head} |", "|---|" + "---|---|" * len(builds)]
    for heavy in (one for one in ALL if one.name.startswith(SHOWN)):
        cells = [_measured(heavy, folder, size) for _, folder in builds]
        lines.append(f"| {heavy.name} | " + " | ".join(cells) + " |")
        print(lines[-1], file=sys.stderr, flush=True)
    yield "\n".join(lines)


def _measured(heavy: Heavy, build: Path, size: float) -> str:
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="fhir-live-") as folder:
        command = serving(Path(folder), port, "--open")
        with running(*command, port=port, build=build, PYTHONPATH=str(build), FHIR_REQUEST_SECONDS=str(LONGEST)):
            *before, meant = heavy.calls(size)
            for call in before:
                _send(port, call)
            pulse = _Pulse(port)
            started = time.perf_counter()
            status = _send(port, meant)
            took = time.perf_counter() - started
            time.sleep(AFTER)
            silence = pulse.ended()
    return f"{_seconds(took)} ({status}) | {_seconds(silence)}"


class _Pulse:
    def __init__(self, port: int) -> None:
        self._port = port
        self._over = threading.Event()
        self._longest = 0.0
        self._asked = time.perf_counter()
        threading.Thread(target=self._beat, daemon=True).start()
        time.sleep(0.2)

    def _beat(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=4 * LONGEST)
        while not self._over.is_set():
            self._asked = time.perf_counter()
            connection.request("GET", "/health/live")
            connection.getresponse().read()
            self._longest = max(self._longest, time.perf_counter() - self._asked)
            time.sleep(0.005)

    def ended(self) -> float:
        """The longest silence, in seconds; one that lasts is counted until now."""
        self._over.set()
        return max(self._longest, time.perf_counter() - self._asked)


def _send(port: int, call: Call) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LONGEST)
    headers = dict(call.headers) | ({"Content-Type": call.content_type} if call.body else {})
    try:
        connection.request(call.method, f"/fhir/{call.path}".rstrip("/"), call.body or None, headers)
        answer = connection.getresponse()
        answer.read()
        return str(answer.status)
    except OSError:
        return "none"
    finally:
        connection.close()


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms" if seconds < 1 else f"{seconds:,.1f} s"
