"""What reaches the server before there is a request: RFC 9112 §3.2, RFC 6585 §5, RFC 9110 §15.5.9"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import uvicorn

from fhir_server.http import protocol
from tests.http.stub import Stub

HEAD = b"GET /fhir/Patient/1 HTTP/1.1\r\nHost: fhir.test\r\n"


@pytest.fixture
async def port() -> AsyncIterator[int]:
    stub = Stub(request_seconds=0.3)
    config = uvicorn.Config(stub.app, port=0, http=protocol.Connection, ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await running


async def answered(port: int, *parts: bytes) -> tuple[int, str]:
    """Status and issue code of the answer to `parts`, sent one after another; 0 when the connection just ended."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in parts:
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(0.02)
    got = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    if not got:
        return 0, ""
    head, _, body = got.partition(b"\r\n\r\n")
    assert b"application/fhir+json" in head and b"connection: close" in head.lower()
    said = json.loads(body)
    return int(head.split()[1]), said["issue"][0]["code"] if "issue" in said else ""


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET /fhir/Patient?name=\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
        HEAD + b"Content-Length: -5\r\n\r\n",
        HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        HEAD + b"If-Match: \x00\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_refused_with_an_outcome(port: int, sent: bytes) -> None:
    assert await answered(port, sent) == (400, "structure")


async def test_a_head_without_end_is_refused_before_it_fills_the_memory(port: int) -> None:
    line = b"X-Long: " + b"a" * 60_000 + b"\r\n"
    assert await answered(port, HEAD, line, line, line) == (431, "too-long")


async def test_a_head_in_pieces_is_a_request(port: int) -> None:
    assert (await answered(port, HEAD[:20], HEAD[20:], b"Connection: close\r\n", b"\r\n"))[0] == 200


async def test_a_head_that_takes_too_long_ends_the_connection(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.1)
    assert await answered(port, HEAD) == (408, "timeout")
    assert await answered(port) == (0, "")


async def test_a_body_that_takes_too_long_is_the_client_s_fault(port: int) -> None:
    head = (
        b"POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nContent-Type: application/fhir+json\r\nContent-Length: 26\r\n\r\n"
    )
    assert await answered(port, head, b'{"resour') == (408, "timeout")
