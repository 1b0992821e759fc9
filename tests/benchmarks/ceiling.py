"""The ceiling: bare Starlette routes on the same uvicorn, moving the same bytes from or to the same engine. No FHIR.

`python -m tests.benchmarks.ceiling STORE_URL PORT FILE`; FILE holds a msgpack list of (type, body, stamp, index) that each
POST writes, so that the engine is given what the server gives it.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fhir_server.store.engine import Engine
from fhir_server.store.filters import Index, Refers
from fhir_server.store.opening import open_engine
from fhir_server.store.protocol import Put

JSON = "application/fhir+json"


def application(store: str, writes: list[tuple[str, bytes, int, bytes]]) -> Starlette:
    """The routes over the engine at `store`."""
    decode = msgspec.msgpack.Decoder(Index).decode
    prepared = [(type, body, stamp, decode(index)) for type, body, stamp, index in writes]
    held: dict[str, Engine] = {}

    async def read(request: Request) -> Response:
        version = await held["engine"].store.read(request.path_params["type"], request.path_params["id"])
        return Response(version.body if version else b"", media_type=JSON)

    async def search(request: Request) -> Response:
        where = Refers("patient", request.query_params["patient"])
        page = await held["engine"].store.find({"DocumentReference": where}, count=20)
        return Response(b"[%s]" % b",".join(version.body for version in page.versions), media_type=JSON)

    async def write(request: Request) -> Response:
        await request.body()
        puts = [
            Put(type, secrets.token_hex(12), 0, body, stamp, index, "POST") for type, body, stamp, index in prepared
        ]
        await held["engine"].store.transact(puts)
        return Response(puts[0].body, 201, media_type=JSON)

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        held["engine"] = open_engine(store, max_pending=2_000, deadline_seconds=30)
        yield
        await held["engine"].close()

    return Starlette(
        routes=[Route("/{type}/{id}", read), Route("/search", search), Route("/", write, methods=["POST"])],
        lifespan=lifespan,
    )


if __name__ == "__main__":
    store, port, file = sys.argv[1:]
    uvicorn.run(
        application(store, msgspec.msgpack.decode(Path(file).read_bytes(), type=list[tuple[str, bytes, int, bytes]])),
        port=int(port),
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,
        log_level="error",
        server_header=False,
    )
