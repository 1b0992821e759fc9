"""Software on this machine that is notified: it answers as a test says, and keeps what came."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Received:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """What came to an address.

    Attributes:
        address: where notifications are sent.
        answer: what is answered: a status, or "close", "wait", "redirect" or "huge".
        got: what came, in order.
    """

    address: str = ""
    answer: int | str = 200
    got: list[Received] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            method, path, _ = head[0].split(" ")
            headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.got.append(Received(method, path, headers, body))
            await self._answer(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        if self.answer == "close":
            return
        if self.answer == "wait":
            await asyncio.sleep(30)
        said = {"redirect": f"307 R\r\nLocation: {self.address}/elsewhere", "huge": "200 OK"}
        line = said.get(str(self.answer), f"{self.answer} S")
        length = 10**12 if self.answer == "huge" else 0
        writer.write(f"HTTP/1.1 {line}\r\nContent-Length: {length}\r\n\r\n".encode())
        await writer.drain()
        while self.answer == "huge":
            writer.write(b"x" * 65536)
            await writer.drain()

    async def until(self, count: int, seconds: float = 20) -> list[Received]:
        """What came, once there is so much of it."""
        async with asyncio.timeout(seconds):
            for _ in range(int(seconds * 50)):
                if len(self.got) >= count:
                    break
                await asyncio.sleep(0.02)
        assert len(self.got) >= count
        return self.got


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver on a free port."""
    made = Receiver()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield made
    finally:
        server.close()
