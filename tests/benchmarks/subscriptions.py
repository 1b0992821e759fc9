"""A thousand Subscriptions by rest-hook: how soon each is told of what concerns it, and what they cost who writes.

https://hl7.org/fhir/R4/subscription.html. Each asks for one code; a write has one. What is told is the resource, sent to
this process: from the instant that the commit has (`meta.lastUpdated`) until the request is here.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import httpx

from tests.benchmarks.calls import Tree
from tests.benchmarks.servers import Figure, free_port, measure, post, running, serving, worked
from tests.benchmarks.timing import table, told

MANY, RATE, WRITERS = 1_000, 200, 8
_TOGETHER, _CONNECTIONS = 100, 32
_OPTIONS = {"FHIR_SUBSCRIPTION_LOOPBACK": "true", "FHIR_SUBSCRIPTIONS_PER_CALLER": str(MANY)}


@dataclass
class _Receiver:
    """Who is told: when each resource came, by its id, in seconds since 1970."""

    came: dict[str, float] = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.CancelledError, asyncio.IncompleteReadError):
            # The run is over.
            writer.close()
            return
        now, path = time.time(), head.split(b" ", 2)[1].decode()
        self.came.setdefault(path.rpartition("/")[2], now)
        at = head.lower().find(b"content-length:")
        await reader.readexactly(int(head[at + 15 : head.find(b"\r\n", at)]) if at > 0 else 0)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


def subscriptions(base: Path, seconds: float) -> Iterator[str]:
    """The tables."""
    port, folder = free_port(), base / "subscriptions"
    url = f"http://127.0.0.1:{port}/fhir"
    with running(*serving(folder, port, "--open"), port=port, FHIR_BASE_URL=url, **_OPTIONS) as server:
        alone = measure(port, [_sent(f"nobody{n}") for n in range(100)], WRITERS, seconds, server)
        rows, row = asyncio.run(_told(port, server, seconds))
        yield table(("1,000 subscriptions", "writes/s", "told/s", "p50 ms", "p99 ms", "CPU a write"), [row])
        rows = [("none", alone), *rows]
        yield table(
            ("Subscriptions", "writes/s", "p50 ms", "p99 ms", "CPU a write"),
            [_figures(name, one) for name, one in rows],
        )


async def _told(port: int, server: int, seconds: float) -> tuple[list[tuple[str, Figure]], tuple[str, ...]]:
    receiver = _Receiver()
    hook = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, backlog=1_024)
    address = f"http://127.0.0.1:{hook.sockets[0].getsockname()[1]}/hook"
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/fhir/", timeout=60) as http:
        await _subscribe(http, address)
        row = await _paced(port, receiver, server, seconds)
        rows = []
        for name, code in {
            "1,000, of which a write concerns none": "nobody",
            "1,000, of which it concerns one": "c",
        }.items():
            sent = [_sent(f"{code}{n}") for n in range(MANY)]
            rows.append((name, await asyncio.to_thread(measure, port, sent, WRITERS, seconds, server)))
    hook.close()
    return rows, row


async def _subscribe(http: httpx.AsyncClient, address: str) -> None:
    channel = {"type": "rest-hook", "endpoint": address, "payload": "application/fhir+json"}
    for at in range(0, MANY, _TOGETHER):
        some = [
            {
                "resourceType": "Subscription",
                "status": "requested",
                "reason": "Measured",
                "criteria": f"Observation?code=c{n}",
                "channel": channel,
            }
            for n in range(at, at + _TOGETHER)
        ]
        entry = [{"resource": one, "request": {"method": "POST", "url": "Subscription"}} for one in some]
        made = await http.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": entry})
        assert made.status_code == 200, made.text[:300]
    for _ in range(300):
        if not (await http.get("Subscription?status=requested&_summary=count")).json()["total"]:
            return
        await asyncio.sleep(0.2)
    raise AssertionError("Not all were activated within a minute.")


async def _paced(port: int, receiver: _Receiver, server: int, seconds: float) -> tuple[str, ...]:
    """So many writes a second, whether or not earlier ones are answered, and how late each was told of."""
    committed: dict[str, float] = {}
    codes, free = itertools.cycle(range(MANY)), asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]()
    for _ in range(_CONNECTIONS):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", port))

    async def write(request: bytes) -> None:
        reader, writer = await free.get()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        at = head.lower().index(b"content-length:")
        tree = json.loads(await reader.readexactly(int(head[at + 15 : head.index(b"\r\n", at)])))
        committed[tree["id"]] = datetime.fromisoformat(tree["meta"]["lastUpdated"]).timestamp()
        free.put_nowait((reader, writer))

    async with asyncio.TaskGroup() as group:
        before, began = worked(server), time.perf_counter()
        for n in range(int(RATE * seconds)):
            group.create_task(write(_sent(f"c{next(codes)}")))
            await asyncio.sleep(max(0.0, began + (n + 1) / RATE - time.perf_counter()))
    wrote = len(committed) / (time.perf_counter() - began)
    for _ in range(600):
        if committed.keys() <= receiver.came.keys():
            break
        await asyncio.sleep(0.1)
    took = time.perf_counter() - began
    cpu = (worked(server) - before) / len(committed)
    while not free.empty():
        free.get_nowait()[1].close()
    late = [receiver.came[id] - at for id, at in committed.items() if id in receiver.came]
    cuts = statistics.quantiles(late, n=100)
    missing = len(committed) - len(late)
    name = "each write concerns one" + (f"; {missing} not told within a minute" if missing else "")
    return (
        name,
        f"{wrote:.0f}",
        f"{len(late) / took:.0f}",
        f"{cuts[49] * 1000:.0f}",
        f"{cuts[98] * 1000:.0f}",
        told(cpu),
    )


def _sent(code: str) -> bytes:
    return post("/fhir/Observation", json.dumps(_observation(code)).encode())


def _observation(code: str) -> Tree:
    return {"resourceType": "Observation", "status": "final", "code": {"coding": [{"code": code}]}}


def _figures(name: str, one: Figure) -> tuple[str, ...]:
    return name, f"{one.rate:,.0f}", f"{one.p50:.1f}", f"{one.p99:.1f}", told(one.cpu)
