"""Every address that takes a body, however it comes: RFC 9112 §6, §9.6; RFC 9110 §15.5.9, §15.5.14; RFC 1952 §2.2

The addresses are those of the application itself, so that a new one is tried without being named here.
"""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from fhir_server.app import opened
from fhir_server.settings import Settings
from tests.server.listening import listening

TYPES = ("application/fhir+json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b")
EMPTY = gzip.compress(b"", mtime=0)


def addresses(application: FastAPI) -> Iterator[tuple[str, str]]:
    """(method, path) of what takes a body: FHIR's interactions, and every route outside FHIR."""
    for path in (
        "",
        "/Patient",
        "/Patient/_search",
        "/_search",
        "/$validate",
        "/Binary",
        "/Patient/1/_tags",
        "/Nothing",
    ):
        yield "POST", f"/fhir{path}"
    for method in ("PUT", "PATCH", "DELETE", "GET"):
        yield method, "/fhir/Patient/1"
    for path, methods in routes(application.routes):
        some = "psc" if path.startswith("/simulators") else "x"
        filled = "/".join(some if part.startswith("{") else part for part in path.split("/"))
        yield from ((method, filled) for method in sorted(methods & {"POST", "PUT", "PATCH", "DELETE"}))


def routes(listed: Any) -> Iterator[tuple[str, set[str]]]:
    """(path, methods) of every route, those of included routers too."""
    for route in listed:
        if methods := getattr(route, "methods", None):
            yield route.path, set(methods)
        # Some versions of the framework keep the routes of an included router together.
        yield from routes(getattr(getattr(route, "original_router", None), "routes", ()))


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[tuple[int, list[tuple[str, str]]]]:
    """The port of a closed server with every door it has, and its addresses."""
    settings = Settings(data=tmp_path, base_url="http://127.0.0.1/fhir", simulators=True, body_seconds=1)
    async with opened(settings) as house, listening(house.asgi, settings) as port:
        yield port, list(addresses(house.asgi.fastapi))


def head(method: str, path: str, type: str, *lines: str) -> bytes:
    """A request line and headers."""
    return "\r\n".join(
        [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Type: {type}", *lines, "", ""]
    ).encode()


async def answer(port: int, first: bytes, more: bytes, pause: float) -> bytes:
    """All that is answered to `first` followed by `more` again and again, until the server ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(first)
    reading = asyncio.create_task(reader.read())
    end = time.monotonic() + 60
    with suppress(ConnectionError):
        while not reading.done():
            assert time.monotonic() < end, "the connection does not end"
            writer.write(more)
            await writer.drain()
            await asyncio.sleep(pause)
    got = b""
    with suppress(ConnectionError):
        got = await reading
    writer.close()
    return got


async def alive(port: int) -> bool:
    """Whether the server answers a probe."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    got = await asyncio.wait_for(reader.read(), 120)
    writer.close()
    return b" 200 " in got[:20]


CHUNKED = "Transfer-Encoding: chunked"
LARGE = b"%x\r\n%s\r\n" % (60_000, b"a" * 60_000)


@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize(
    ("framing", "more", "pause"),
    [(CHUNKED, b"1\r\na\r\n", 0.05), ("Content-Length: 60000", b"a", 0.05), (CHUNKED, LARGE, 0.005)],
    ids=["dribbled", "dribbled with its length", "without end"],
)
async def test_no_body_holds_a_connection_for_long(
    server: tuple[int, list[tuple[str, str]]], type: str, framing: str, more: bytes, pause: float
) -> None:
    port, where = server
    assert len(where) > 40
    for n in range(0, len(where), 24):
        some = where[n : n + 24]
        got = await asyncio.gather(
            *(answer(port, head(method, path, type, framing), more, pause) for method, path in some)
        )
        for (method, path), said in zip(some, got, strict=True):
            # Whoever was reset while sending may have lost the answer; whoever reads one reads a refusal.
            assert not said or b"303" in said[:20] or 400 <= int(said.split()[1]) < 500, (method, path, said[:200])
    assert await alive(port)


PACKED = {
    "a bomb": gzip.compress(b"0" * 60_000_000),
    "members without number": EMPTY * 50_000,
    "many members": gzip.compress(b"{}") * 5_000,
    "something behind it": gzip.compress(b'{"resourceType":"Patient"}') + b"rest",
    "zeros behind it": gzip.compress(b'{"resourceType":"Patient"}') + bytes(100),
    "its first half": gzip.compress(b'{"resourceType":"Patient"}')[:-12],
    "no gzip": b"nonsense",
    "packed twice": gzip.compress(gzip.compress(b'{"resourceType":"Patient"}')),
}


@pytest.mark.parametrize("packed", PACKED.values(), ids=PACKED.keys())
async def test_nothing_packed_costs_much_or_fails(server: tuple[int, list[tuple[str, str]]], packed: bytes) -> None:
    port, where = server
    lines = ("Content-Encoding: gzip", f"Content-Length: {len(packed)}", "Connection: close")
    for type in TYPES[:2]:
        for n in range(0, len(where), 24):
            some = where[n : n + 24]
            got = await asyncio.gather(
                *(answer(port, head(method, path, type, *lines) + packed, b"", 0.01) for method, path in some)
            )
            for (method, path), said in zip(some, got, strict=True):
                assert not said or b"303" in said[:20] or 400 <= int(said.split()[1]) < 500, (method, path, said[:200])
    assert await alive(port)
