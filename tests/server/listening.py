"""A canned server on a real socket, spoken to in bytes: what stands between a client and the application."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from fhir_server.http.connection_limits import STATE, Door, door
from fhir_server.http.protocol import Connection
from fhir_server.settings import Settings

#: Without websockets.
NONE: dict[str, Any] = {"ws": "none"}


@asynccontextmanager
async def listening(
    app: Any, settings: Settings, at: Door | None = None, sockets: dict[str, Any] | None = None
) -> AsyncIterator[int]:
    """The port on which `app` is served with the limits of `settings`; `sockets` says how uvicorn serves websockets."""
    opened = at or door(settings)

    async def served(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        await receive()
        scope["state"][STATE] = opened
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    idle: Any = settings.idle_seconds
    config = uvicorn.Config(
        served, port=0, http=Connection, lifespan="on", log_config=None, timeout_keep_alive=idle, **(sockets or NONE)
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        server.force_exit = True
        await running


async def answered(port: int, *parts: bytes) -> tuple[int, str]:
    """Status and issue code of the answer to `parts`, sent one after another; 0 when the connection just ended."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in parts:
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(0.02)
    got = await asyncio.wait_for(reader.read(), 120)
    writer.close()
    return said(got)


def said(answer: bytes) -> tuple[int, str]:
    """Status and issue code of an answer that ends its connection; 0 for none at all."""
    if not answer:
        return 0, ""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    if b"json" not in head:
        return int(head.split()[1]), ""
    told = json.loads(body)
    return int(head.split()[1]), told["issue"][0]["code"] if "issue" in told else told.get("error", "")
