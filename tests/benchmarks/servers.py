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
    """What one run measured.

    Attributes:
        rate: requests/s.
        p50: latency in milliseconds; p99 likewise.
        errors: answers that were no success.
        cpu: processor time of the server for one request, in seconds; 0 where it was not looked at.
    """

    rate: float
    p50: float
    p99: float
    errors: int
    cpu: float = 0.0


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def command(*arguments: str, build: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `fhir-server` of a build to its end."""
    return subprocess.run(
        [sys.executable, "-m", "fhir_server.cli.main", *arguments],
        cwd=build,
        env=os.environ | QUIET | {"PYTHONPATH": str(build)} | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@contextmanager
def running(*arguments: str, port: int, build: Path = ROOT, **variables: str) -> Iterator[int]:
    """A server process for as long as the block lasts, once it answers on `port`; gives its process id."""
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=build, env=os.environ | QUIET | variables, stdout=subprocess.DEVNULL
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
            probe.sendall(b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            if probe.recv(64):
                return
        time.sleep(0.05)
    raise SystemExit("A server did not answer within 30 s.")


def serving(folder: Path, port: int, *options: str) -> tuple[str, ...]:
    """The command that serves a store."""
    return ("-m", "fhir_server.cli.main", "serve", "--port", str(port), "--data", str(folder), *options)


def measure(port: int, requests: list[bytes], connections: int, seconds: float, server: int = 0) -> Figure:
    """Send `requests` round and round over so many connections, from a process of its own."""
    sent = [base64.b64encode(request).decode() for request in requests]
    return measured("client", port, connections, seconds, server, requests=sent)


def measured(generator: str, port: int, connections: int, seconds: float, server: int = 0, **more: Any) -> Figure:
    """What a generator of load, a module of this package, finds in a process of its own.

    Args:
        generator: the module's name.
        port: of the server.
        connections: at once.
        seconds: of measuring.
        server: the server's process id, to have its processor time as well; 0 not to.
        more: what the generator asks for besides.
    """
    order = {
        "host": "127.0.0.1",
        "port": port,
        "connections": connections,
        "seconds": seconds,
        "warmup": min(1.0, seconds / 3),
        **more,
    }
    before = worked(server)
    done = subprocess.run(
        [sys.executable, "-m", f"tests.benchmarks.{generator}"],
        cwd=ROOT,
        input=json.dumps(order),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    found = json.loads(done.stdout)
    if found["errors"]:
        print(f"{found['errors']} refused, such as: {found['sample']}", file=sys.stderr)
    latencies = found["latencies"]
    cuts = statistics.quantiles(latencies if len(latencies) > 1 else [*latencies, 0.0, 0.0], n=100)
    cpu = (worked(server) - before) / max(1, found["all"])
    return Figure(found["count"] / found["seconds"], cuts[49] * 1000, cuts[98] * 1000, found["errors"], cpu)


def resident(process: int) -> float:
    """Memory that a process holds, in MB; 0 where the system does not say."""
    try:
        rows = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(row.split()[1]) / 1024 for row in rows if row.startswith("VmRSS:")), 0.0)


def of_its_own(process: int) -> float:
    """Memory of a process that no file stands for, in MB; 0 where the system does not say."""
    try:
        rows = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(row.split()[1]) / 1024 for row in rows if row.startswith("RssAnon:")), 0.0)


def worked(process: int) -> float:
    """Processor time of a process so far, in seconds; 0 where the system does not say."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def get(path: str, token: str = "") -> bytes:
    """A GET request as it goes over the wire."""
    bearer = f"Authorization: Bearer {token}\r\n" if token else ""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/fhir+json\r\n{bearer}\r\n".encode()


def post(path: str, body: bytes, token: str = "") -> bytes:
    """A POST request as it goes over the wire."""
    bearer = f"Authorization: Bearer {token}\r\n" if token else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/fhir+json\r\nPrefer: return=representation\r\n"
        f"{bearer}"
        f"Content-Type: application/fhir+json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
