"""Other terminology servers for tests: this project's own on loopback, and ones that answer as none should."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

#: What `answering` says; `hang` says nothing at all.
HANG = b""


def http(status: int, body: bytes, *headers: str) -> bytes:
    """An HTTP answer."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Wrong:
    """A server that answers everything with the same bytes and counts its questions."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.asked: list[bytes] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            self.asked.append(head + await reader.readexactly(length))
            if self.answer == HANG:
                await asyncio.sleep(60)
            writer.write(self.answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[Wrong]:
    """Such a server, while the block runs."""
    wrong = Wrong(answer)
    server = await asyncio.start_server(wrong.serve, "127.0.0.1", 0)
    wrong.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/fhir"
    try:
        yield wrong
    finally:
        server.close()


async def said(client: httpx.AsyncClient, url: str, body: Any = None) -> tuple[int, dict[str, Any]]:
    """Status of an answer, and its parameters by name (of an OperationOutcome, its issues)."""
    answer = await (client.get(url) if body is None else client.post(url, json=body))
    tree = answer.json()
    if tree["resourceType"] == "OperationOutcome":
        return answer.status_code, {"issue": tree["issue"]}
    found: dict[str, Any] = {}
    for row in tree.get("parameter", ()):
        found[row["name"]] = next((v for k, v in row.items() if k.startswith("value")), row.get("part"))
    return answer.status_code, found
