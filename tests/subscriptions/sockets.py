"""A closed server on a real socket with subscriptions by websocket, and a client of it."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from fhir_server.app import House
from fhir_server.http.connection_limits import Door
from fhir_server.http.socket_connection import LONGEST_MESSAGE, SocketConnection
from tests.server.closed import Space
from tests.server.listening import listening
from tests.subscriptions.test_topics import to_topic
from tests.subscriptions.world import Tree, a_subscription

KEY = base64.b64encode(bytes(16)).decode()
HANDSHAKE = f"Host: server.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: {KEY}\r\n"
#: As `cli.serve.configured` has it; pings are not waited for.
SERVED: dict[str, Any] = {
    "ws": SocketConnection,
    "ws_max_size": LONGEST_MESSAGE,
    "ws_per_message_deflate": False,
    "ws_ping_interval": 20.0,
    "ws_ping_timeout": 20.0,
}


@asynccontextmanager
async def on_wire(house: House, at: Door | None = None, **served: Any) -> AsyncIterator[int]:
    """The port of a server."""
    async with listening(house.served, house.settings, at, SERVED | served) as port:
        yield port


@asynccontextmanager
async def opened(port: int, token: str = "", **headers: str) -> AsyncIterator[ClientConnection]:
    """A websocket whose handshake was taken."""
    given = {**({"Authorization": f"Bearer {token}"} if token else {}), **headers}
    address = f"ws://127.0.0.1:{port}/websocket"
    async with connect(address, additional_headers=given, proxy=None, ping_interval=None, close_timeout=2) as made:
        yield made


async def heard(socket: ClientConnection, seconds: float = 20) -> str:
    """The next message."""
    async with asyncio.timeout(seconds):
        return str(await socket.recv())


async def bundle(socket: ClientConnection) -> Any:
    return json.loads(await heard(socket))


async def closed(socket: ClientConnection, seconds: float = 20) -> tuple[int, str]:
    """How the server closes it; what it says before is left out."""
    async with asyncio.timeout(seconds):
        with suppress(ConnectionClosed):
            async for _ in socket:
                pass
        await socket.wait_closed()
    return socket.close_code or 0, socket.close_reason or ""


def by_socket(criteria: str = "Observation?code=x") -> Tree:
    return a_subscription("", criteria) | {"channel": {"type": "websocket"}}


def topic_by_socket(content: str, *filters: str, payload: str = "application/fhir+json", **numbers: int) -> Tree:
    tree = to_topic("", content, *filters, **numbers)
    del tree["channel"]["endpoint"]
    tree["channel"] |= {"type": "websocket", "payload": payload}
    return tree


async def binding_token(space: Space, token: str, path: str) -> Any:
    """What `$get-ws-binding-token` gives, by name."""
    answer = await space.fhir("POST", f"{path}/$get-ws-binding-token", token)
    assert answer.status_code == 200, answer.text
    return {row["name"]: next(v for k, v in row.items() if k != "name") for row in answer.json()["parameter"]}


@contextmanager
def heard_errors(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What is logged inside is in `caplog`, of loggers that tell no others too."""
    loggers = [logging.getLogger(name) for name in ("uvicorn", "uvicorn.error", "asyncio")]
    for logger in loggers:
        logger.addHandler(caplog.handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(caplog.handler)
