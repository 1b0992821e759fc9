"""What reaches the server before there is a request: RFC 9112 §3.2, RFC 6585 §5, RFC 9110 §15.5.9"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, cast

import pytest
import uvloop

from fhir_server.http.connection_end import Outlet
from fhir_server.http.connection_limits import Door, Limits, door, place
from fhir_server.interactions.exchange import Request, Response
from tests.server.listening import answered, listening, said
from tests.server.stub import Stub

HEAD = b"GET /fhir/Patient/1 HTTP/1.1\r\nHost: fhir.test\r\n"
POST = b"POST %s HTTP/1.1\r\nHost: fhir.test\r\nContent-Type: application/fhir+json\r\n"


@pytest.fixture
async def port() -> AsyncIterator[int]:
    stub = Stub(head_seconds=1, body_seconds=0.3, idle_seconds=0.5, max_body_bytes=100_000)
    async with listening(stub.app, stub.settings) as port:
        yield port


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


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"POST", b"DELETE"])
@pytest.mark.parametrize("where", [b"/fhir/Patient?name=%s", b"/fhir/Patient/%s", b"/%s"])
async def test_a_target_longer_than_the_parser_can_tell_is_refused(port: int, method: bytes, where: bytes) -> None:
    sent = b"%s %s HTTP/1.1\r\nHost: a\r\n\r\n" % (method, where % (b"a" * 66_000))
    assert await answered(port, sent) == (414, "too-long")


@pytest.mark.parametrize("target", [b"http://[::1", b"http://:80/x", b"http://fhir.test", b"?x", b"fhir"])
async def test_a_target_that_is_no_url_is_refused(port: int, target: bytes) -> None:
    """RFC 9112 §3.2."""
    assert await answered(port, b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % target) == (400, "structure")


BODY = b'{"resourceType":"Patient"}'
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n1a\r\n" + BODY + b"\r\n0\r\n"


def heard(head: bytes, rest: bytes = b"Content-Length: 26\r\n\r\n" + BODY) -> bytes:
    """A POST with that in its head."""
    return POST % b"/fhir/Patient" + head + rest


@pytest.mark.parametrize(
    "wish",
    [
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAA\r\n",
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
        b"Connection: keep-alive, upgrade\r\nUpgrade: foo/2, bar\r\n",
    ],
)
@pytest.mark.parametrize("rest", [b"Content-Length: 26\r\n\r\n" + BODY, CHUNKED + b"\r\n"])
@pytest.mark.parametrize("cut", [0, 40, -10, -30])
async def test_a_wish_for_another_protocol_is_not_heard(wish: bytes, rest: bytes, cut: int) -> None:
    """RFC 9110 §7.8: what asks for it is a request like others, and so is what follows it on the connection."""
    stub = Stub()
    sent = heard(wish, rest)
    async with listening(stub.app, stub.settings) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for part in ([sent[:cut], sent[cut:]] if cut else [sent]) + [sent, heard(b"Connection: close\r\n")]:
            writer.write(part)
            await asyncio.sleep(0.02)
        answers = await reader.read()
        writer.close()
    assert answers.count(b"HTTP/1.1 201") == 3
    assert [request.body for request in stub.requests] == [BODY] * 3


@pytest.mark.parametrize(
    "trailer", [b"Host: evil.test", b"Authorization: Bearer x", b'If-Match: W/"1"', b"Content-Encoding: gzip"]
)
async def test_what_follows_a_body_is_no_header(trailer: bytes) -> None:
    """RFC 9110 §6.5.1, https://datatracker.ietf.org/doc/html/rfc9112#section-7.1.2."""
    seen: list[list[tuple[bytes, bytes]]] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        seen.append(list(scope["headers"]))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with listening(app, Stub().settings) as port:
        await answered(port, heard(b"Connection: close\r\n", CHUNKED) + trailer + b"\r\n\r\n")
    assert trailer.partition(b":")[0].lower() not in [name for name, _ in seen[0] if name != b"host"]
    assert (b"host", b"evil.test") not in seen[0]


@pytest.mark.parametrize("rest", [CHUNKED + b"X: %s", CHUNKED + b"X: y\r\n%s", CHUNKED[:-3] + b"1;%s"])
async def test_what_is_no_body_between_chunks_and_after_is_bounded(port: int, rest: bytes) -> None:
    sent = heard(b"", rest % b"")
    assert await answered(port, sent, *[b"a" * 50_000] * 4) == (431, "too-long")


@pytest.mark.parametrize(
    ("coding", "status"),
    [(b"chunked", 201), (b"Chunked", 201), (b"gzip, chunked", 501), (b"gzip\r\nTransfer-Encoding: chunked", 501)],
)
async def test_a_transfer_coding_that_is_not_understood_is_refused(port: int, coding: bytes, status: int) -> None:
    """RFC 9112 §6.1."""
    rest = CHUNKED.replace(b"chunked", coding, 1) + b"\r\n"
    assert (await answered(port, heard(b"Connection: close\r\n", rest)))[0] == status


async def test_the_host_that_a_target_names_counts(port: int) -> None:
    """RFC 9112 §3.2.2."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET http://other.test/fhir/Patient/1 HTTP/1.0\r\nHost: fhir.test\r\n\r\n")
    assert b"content-location: http://other.test/fhir/Patient/1" in await reader.read()
    writer.close()


async def test_a_head_without_end_is_refused_before_it_fills_the_memory(port: int) -> None:
    line = b"X-Long: " + b"a" * 60_000 + b"\r\n"
    assert await answered(port, HEAD, line, line, line) == (431, "too-long")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /fhir/Patient/1 HTTP/1.0\r\n\r\n", 200),
        (b"GET / HTTP/1.0\r\n\r\n", 200),
        (b"GET /fhir/Patient/1 HTTP/1.0\r\nHost: fhir.test\r\n\r\n", 200),
        (b"GET /fhir/Patient/1 HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ],
)
async def test_one_host_is_named_but_in_http_1_0(port: int, head: bytes, status: int) -> None:
    assert (await answered(port, head))[0] == status


async def test_without_a_host_links_lead_where_the_connection_was_made(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /fhir/Patient/1 HTTP/1.0\r\n\r\n")
    assert b"content-location: http://127.0.0.1:%d/fhir/Patient/1" % port in await reader.read()
    writer.close()


async def test_a_head_in_pieces_is_a_request(port: int) -> None:
    assert (await answered(port, HEAD[:20], HEAD[20:], b"Connection: close\r\n", b"\r\n"))[0] == 200


async def test_a_head_of_too_many_lines_is_refused(port: int) -> None:
    assert await answered(port, HEAD + b"A: b\r\n" * 300 + b"\r\n") == (431, "too-long")


async def test_a_head_that_takes_too_long_ends_the_connection(port: int) -> None:
    assert await answered(port, HEAD) == (408, "timeout")
    assert await answered(port) == (0, "")


@pytest.mark.parametrize("path", [b"/fhir/Patient", b"/", b"/nothing/here", b"/fhir/Nothing", b"/health/live"])
@pytest.mark.parametrize("framing", [b"Content-Length: 2600\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"])
async def test_a_body_that_takes_too_long_ends_the_connection_wherever_it_is_sent(
    port: int, path: bytes, framing: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(POST % path + framing)
    reading = asyncio.create_task(reader.read())
    for _ in range(500):
        if reading.done():
            break
        # It never stops for long: only the time of the whole is limited.
        writer.write(b"1\r\na\r\n" if b"chunked" in framing else b"a")
        await asyncio.sleep(0.02)
    got = await reading
    writer.close()
    status = int(got.split()[1])
    assert status == 408 if path == b"/fhir/Patient" else 400 <= status < 500


async def test_between_requests_a_connection_ends_after_a_while(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD + b"\r\n")
    assert b"200 OK" in await asyncio.wait_for(reader.read(), 120)
    writer.close()


async def test_line_ends_between_requests_keep_no_connection(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD + b"\r\n")
    reading = asyncio.create_task(reader.read())
    for _ in range(500):
        if reading.done():
            break
        writer.write(b"\r\n")
        await asyncio.sleep(0.02)
    assert b"200 OK" in await asyncio.wait_for(reading, 120)
    writer.close()


async def test_who_sends_too_much_reads_why(port: int) -> None:
    """RFC 9112 §9.6: the answer is not lost to a reset while the client is still sending."""
    for framing in (b"Content-Length: 20000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(POST % b"/fhir/Patient" + framing)
        part = b"a" * 1_000_000
        for _ in range(20):
            writer.write(b"%x\r\n%s\r\n" % (len(part), part) if b"chunked" in framing else part)
            await writer.drain()
        assert said(await asyncio.wait_for(reader.read(), 120)) == (413, "too-long")
        writer.close()


async def test_who_never_stops_sending_is_cut_off() -> None:
    stub = Stub(max_body_bytes=100_000)
    async with listening(stub.app, stub.settings, Door(Limits(linger_seconds=0.2))) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(POST % b"/fhir/Patient" + b"Transfer-Encoding: chunked\r\n\r\n")
        part = b"%x\r\n%s\r\n" % (50_000, b"a" * 50_000)
        with pytest.raises(ConnectionError):
            while True:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.02)


async def test_who_asks_before_sending_too_much_is_told_at_once(port: int) -> None:
    """RFC 9110 §10.1.1"""
    expect = b"Expect: 100-continue\r\nContent-Length: 20000000\r\n\r\n"
    assert await answered(port, POST % b"/fhir/Patient" + expect) == (413, "too-long")


async def test_who_does_not_take_an_answer_is_cut_off() -> None:
    async def large(_: Request) -> Response:
        return Response(200, b"a" * 30_000_000, "text/plain")

    stub = Stub(large, write_seconds=0.4)
    at = door(stub.settings)
    async with listening(stub.app, stub.settings, at) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(HEAD + b"\r\n")
        await writer.drain()
        await until(lambda: bool(stub.requests) and not at.count)
        got = 0
        with suppress(ConnectionError):
            while part := await reader.read(1_000_000):
                got += len(part)
        writer.close()
        assert got < 30_000_000


async def test_what_all_clients_owe_has_a_limit_at_every_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two looks of the clock a worker can write more than it has memory for."""
    large_body = b"a" * 30_000_000
    size, most, owed = len(large_body), 90_000_000, []
    monkeypatch.setattr("fhir_server.http.connection_limits.MOST_OWED", most)
    monkeypatch.setattr("fhir_server.http.connection_limits._OFTEN_BYTES", 1)

    async def large(_: Request) -> Response:
        owed.append(at.owed)
        return Response(200, large_body, "text/plain")

    stub = Stub(large, head_seconds=600, body_seconds=600, write_seconds=600)
    at = door(stub.settings)
    async with listening(stub.app, stub.settings, at) as port:
        writers = []
        for n in range(8):
            _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
            writer.write(HEAD + b"\r\n")
            writers.append(writer)
            await until(lambda asked=n + 1: len(stub.requests) == asked)
        for writer in writers:
            writer.close()
    assert max(owed) > size
    assert max(owed) <= most


def test_an_answer_that_nobody_is_left_to_read_is_no_fault() -> None:
    """Answers to a pipeline come when their connection is gone; the event loop that serves raises on writing there."""

    async def answer() -> None:
        made: asyncio.Future[asyncio.Transport] = asyncio.get_running_loop().create_future()

        class Accepted(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                made.set_result(cast(asyncio.Transport, transport))

        server = await asyncio.get_running_loop().create_server(Accepted, "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        outlet = Outlet(await made, lambda: False)
        outlet.abort()
        await asyncio.sleep(0.01)
        try:
            outlet.write(b"late")
            outlet.close()
            assert outlet.owed == 0
        finally:
            writer.close()
            server.close()

    uvloop.run(answer())


async def test_an_address_has_so_many_connections() -> None:
    stub = Stub(held, max_connections_per_address=3)
    async with listening(stub.app, stub.settings) as port:
        busy = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        for _, writer in busy:
            writer.write(HEAD + b"\r\n")
        await until(lambda: len(stub.requests) == 3)
        assert (await answered(port))[0] == 429
        for _, writer in busy:
            writer.close()


async def test_a_trusted_proxy_has_any_number_of_connections() -> None:
    stub = Stub(held, max_connections_per_address=2, trusted_proxies=("127.0.0.1",))
    async with listening(stub.app, stub.settings) as port:
        busy = [await asyncio.open_connection("127.0.0.1", port) for _ in range(6)]
        for _, writer in busy:
            writer.write(HEAD + b"\r\n")
        await until(lambda: len(stub.requests) == 6)
        for _, writer in busy:
            writer.close()


async def test_a_connection_that_asks_nothing_makes_room_for_one_that_does() -> None:
    stub = Stub(max_connections_per_address=3)
    async with listening(stub.app, stub.settings) as port:
        quiet = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        for _ in range(5):
            assert (await answered(port, HEAD + b"Connection: close\r\n\r\n"))[0] == 200
        assert await asyncio.wait_for(quiet[0][0].read(), 120) == b""
        for _, writer in quiet:
            writer.close()


@pytest.mark.parametrize(
    ("address", "same"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::ffff:1"),
        ("fe80::1%eth0", "fe80::2"),
    ],
)
def test_one_client_is_one_place(address: str, same: str) -> None:
    assert place(address) == place(same)


async def held(_: Request) -> Response:
    await asyncio.sleep(60)
    return Response(200)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds; fail when it does not."""
    for _ in range(1_000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to hold")
