"""What is no websocket, byte by byte: heads that are no handshake, and what follows one that is.

RFC 6455 §4.1, §4.2, §5, §7.4.1, §8.1.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.subscriptions.sockets import conversation
from tests.server.closed import Space
from tests.subscriptions.sockets import HANDSHAKE, heard_errors, on_wire
from tests.subscriptions.world import attended, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def space(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Space]:
    async with attended(tmp_path_factory.mktemp("socket-bytes")) as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def port(space: Space) -> AsyncIterator[int]:
    async with on_wire(space.house) as found:
        yield found


#: Raw heads → status: what is no handshake of a websocket here.
HEADS: dict[str, tuple[str, int]] = {
    "no handshake": ("GET /websocket HTTP/1.1\r\nHost: server.test\r\nConnection: close\r\n\r\n", 426),
    "another version": (f"GET /websocket HTTP/1.1\r\n{HANDSHAKE}Sec-WebSocket-Version: 8\r\n\r\n", 426),
    "no key": (
        "GET /websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n",
        400,
    ),
    "two hosts": (f"GET /websocket HTTP/1.1\r\nHost: b\r\n{HANDSHAKE}Sec-WebSocket-Version: 13\r\n\r\n", 400),
    "a post": (
        f"POST /websocket HTTP/1.1\r\n{HANDSHAKE}Content-Length: 0\r\nSec-WebSocket-Version: 13\r\n"
        "Connection: close\r\n\r\n",
        426,
    ),
    "what follows at once": (f"GET /websocket HTTP/1.1\r\n{HANDSHAKE}Sec-WebSocket-Version: 13\r\n\r\n\x81", 400),
}


@pytest.mark.parametrize("what", HEADS)
async def test_what_is_no_handshake(port: int, what: str) -> None:
    head, status = HEADS[what]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head.encode("latin-1"))
    first = await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    assert int(first.split()[1]) == status


async def test_elsewhere_a_wish_for_one_is_not_heard(port: int) -> None:
    head = f"GET /fhir/metadata HTTP/1.1\r\n{HANDSHAKE}Sec-WebSocket-Version: 13\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head.encode())
    assert (await asyncio.wait_for(reader.readline(), 10)).split()[1] == b"200"
    writer.close()


#: Bytes after the handshake that are no websocket's, or no text: masked with zeros.
BROKEN: dict[str, bytes] = {
    "no UTF-8": b"\x81\x82\0\0\0\0\xff\xfe",
    "no UTF-8 in fragments": b"\x01\x81\0\0\0\0\xc3\x80\x81\0\0\0\0x",
    "no frame": b"\xff\xff\xff\xff",
    "an answer": b"HTTP/1.1 200 OK\r\n\r\n",
    "a mask that is missing": b"\x81\x01x",
    "a close that is too short": b"\x88\x81\0\0\0\0x",
    "a close of no code": b"\x88\x82\0\0\0\0\0\x01",
    "a close of no UTF-8": b"\x88\x83\0\0\0\0\x03\xe8\xff",
    "a continuation of nothing": b"\x80\x80\0\0\0\0",
    "text and close": b"\x81\x84\0\0\0\0bind\x88\x80\0\0\0\0",
    "a ping, and a close": b"\x89\x80\0\0\0\0\x88\x80\0\0\0\0",
}


@pytest.mark.parametrize("early", [False, True], ids=["after the answer", "before the answer"])
@pytest.mark.parametrize("what", BROKEN)
async def test_what_is_broken_ends_it_without_a_word_in_the_log(
    space: Space, port: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, what: str, early: bool
) -> None:
    """Anybody may send it, without a token and all day: what is logged as an error is the server's own."""
    monkeypatch.setattr(conversation, "UNBOUND_SECONDS", 0.2)
    sockets: Any = space.house.asgi._sockets
    answering = asyncio.Event()
    admits = sockets._admits

    async def waiting(*asked: Any) -> Any:
        await answering.wait()
        return await admits(*asked)

    monkeypatch.setattr(sockets, "_admits", waiting)
    with heard_errors(caplog):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /websocket HTTP/1.1\r\n{HANDSHAKE}Sec-WebSocket-Version: 13\r\n\r\n".encode())
        if early:
            await asyncio.sleep(0.05)
            writer.write(BROKEN[what])
            await asyncio.sleep(0.05)
            answering.set()
        else:
            answering.set()
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            writer.write(BROKEN[what])
        async with asyncio.timeout(10):
            while await reader.read(1_000):
                pass
        writer.close()
        await until(lambda: _is_empty(space))
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR] == []


async def _is_empty(space: Space) -> bool:
    return bool(space.house.services.service("subscriptions").places.count == 0)
