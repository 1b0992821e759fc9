"""Starting the processes that are measured and the one that measures, and ending them whatever happens."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
QUIET = {"FHIR_LOG_LEVEL": "error", "FHIR_AUDIT": "off"}


@dataclass(frozen=True, slots=True)
class Figure:
    """What one run measured: requests/s, and latencies in milliseconds."""

    rate: float
    p50: float
    p99: float
    errors: int


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def command(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `fhir-server` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "fhir_server.cli.main", *arguments],
        cwd=ROOT,
        env=os.environ | QUIET | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@contextmanager
def running(*arguments: str, port: int, ready: str = "/") -> Iterator[int]:
    """A server process for as long as the block lasts, once it answers on `port`; gives its process id."""
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, env=os.environ | QUIET, stdout=subprocess.DEVNULL
    )
    try:
        _wait(port, process)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        if process.poll() is None:
            process.kill()
            process.wait()


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise SystemExit("A server ended before it answered.")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as probe:
            probe.sendall(b"GET /nothing/nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            if probe.recv(64):
                return
        time.sleep(0.05)
    raise SystemExit("A server did not answer within 30 s.")


def measure(port: int, requests: list[bytes], connections: int, seconds: float) -> Figure:
    """Send `requests` round and round over so many connections, from a process of its own."""
    order: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": port,
        "connections": connections,
        "seconds": seconds,
        "warmup": min(1.0, seconds / 3),
        "requests": [base64.b64encode(request).decode() for request in requests],
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.client"],
        cwd=ROOT,
        input=json.dumps(order),
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    if found["errors"]:
        print(f"{found['errors']} refused, such as: {found['sample']}", file=sys.stderr)
    cuts = statistics.quantiles(found["latencies"] or [0.0, 0.0], n=100)
    return Figure(found["count"] / found["seconds"], cuts[49] * 1000, cuts[98] * 1000, found["errors"])


def get(path: str) -> bytes:
    """A GET request as it goes over the wire."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/fhir+json\r\n\r\n".encode()


def post(path: str, body: bytes) -> bytes:
    """A POST request as it goes over the wire."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/fhir+json\r\nPrefer: return=representation\r\n"
        f"Content-Type: application/fhir+json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
