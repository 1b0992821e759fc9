"""The load generator, a process of its own: keep-alive connections that each send the next request when one is answered.

Reads from standard input a JSON object {host, port, connections, seconds, warmup, requests: [base64]}, writes to standard
output {count, seconds, errors, all, latencies: [seconds], sample}; `all` counts the warm-up too.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
from itertools import cycle
from typing import Any

import uvloop

#: How a body in chunks ends (RFC 9112 §7.1); JSON has no such line ends inside.
_LAST_CHUNK = b"\r\n0\r\n\r\n"


class Connection(asyncio.Protocol):
    """One connection: one request at a time."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._buffer = bytearray()
        self._needed = 0
        self._in_chunks = False
        self._began = 0.0
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._send()

    def _send(self) -> None:
        self._began = time.perf_counter()
        self.transport.write(next(self._run.requests))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._needed:
            head = self._buffer.find(b"\r\n\r\n")
            if head < 0:
                return
            header = bytes(self._buffer[:head]).lower()
            at = header.find(b"content-length:")
            end = header.find(b"\r\n", at)
            self._needed = head + 4 + (int(header[at + 15 : end if end > 0 else None]) if at >= 0 else 0)
            self._in_chunks = b"transfer-encoding: chunked" in header
        if len(self._buffer) < self._needed or (self._in_chunks and not self._buffer.endswith(_LAST_CHUNK)):
            return
        ended = time.perf_counter()
        ok = self._buffer[9:10] == b"2"
        if not ok:
            self._run.sample = bytes(self._buffer[:600])
        self._buffer.clear()
        self._needed = 0
        self._run.answered(ended - self._began, ok)
        if not self._run.over:
            self._send()
        else:
            self.transport.close()


class Run:
    """One measurement."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.order = order
        self.requests = cycle([base64.b64decode(request) for request in order["requests"]])
        self.latencies: list[float] = []
        self.errors = self.all = 0
        self.counting = self.over = False
        self.sample = b""

    def answered(self, latency: float, ok: bool) -> None:
        self.all += 1
        if self.counting:
            self.latencies.append(latency)
            self.errors += not ok

    async def measure(self) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        for _ in range(self.order["connections"]):
            await loop.create_connection(lambda: Connection(self), self.order["host"], self.order["port"])
        await asyncio.sleep(self.order["warmup"])
        began, self.counting = time.perf_counter(), True
        await asyncio.sleep(self.order["seconds"])
        self.counting, self.over = False, True
        elapsed = time.perf_counter() - began
        return {
            "count": len(self.latencies),
            "seconds": elapsed,
            "errors": self.errors,
            "all": self.all,
            "latencies": self.latencies,
            "sample": self.sample.decode("latin-1"),
        }


if __name__ == "__main__":
    json.dump(uvloop.run(Run(json.load(sys.stdin)).measure()), sys.stdout)
