"""One notification on the wire: RFC 9112 §3, RFC 9110 §15.2, RFC 6125 (whose certificate), RFC 3987 §3.1."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fhir_server.subscriptions import sending
from fhir_server.subscriptions.sending import Failed, Sent, send


@asynccontextmanager
async def answering(answer: bytes, secure: ssl.SSLContext | None = None) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A port that answers so, and the requests that came."""
    got: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or b"0")
        got.append(head + await reader.readexactly(length))
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=secure)
    try:
        yield server.sockets[0].getsockname()[1], got
    finally:
        server.close()


#: What is answered → what is said of it; "" where it was taken.
ANSWERS = {
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n": "",
    b"HTTP/1.0 204 No Content\r\n\r\n": "",
    b"HTTP/1.1 202 \r\n\r\n": "",
    b"HTTP/1.1 299 Whatever\r\nTransfer-Encoding: chunked\r\n\r\nnonsense": "",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n\r\n": "",
    b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 500 No\r\n\r\n": "It answered 500.",
    b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n": "It answered 302.",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n": "It could not be reached: ",
    b"HTTP/1.1 100 Continue\r\n\r\n": "It could not be reached: ",
    b"HTTP/1.1 200": "It could not be reached: ",
    b"": "It could not be reached: ",
    b"220 mail ESMTP\r\n": "It could not be reached: ",
    b"HTTP/1.1 2000 OK\r\n\r\n": "It could not be reached: ",
    b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000: "It could not be reached: ",
}


@pytest.mark.parametrize("answer", ANSWERS)
async def test_what_an_answer_is_taken_for(answer: bytes) -> None:
    said = ""
    async with answering(answer) as (port, _):
        try:
            await send(Sent("POST", f"http://127.0.0.1:{port}/"), loopback=True)
        except Failed as failed:
            said = str(failed)
    assert said.startswith(ANSWERS[answer]) and bool(said) == bool(ANSWERS[answer])


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("", "/"),
        ("?key=1", "/?key=1"),
        ("/a/b?c=d&e=%2F", "/a/b?c=d&e=%2F"),
        ("/dossier/été?clé=é", "/dossier/%C3%A9t%C3%A9?cl%C3%A9=%C3%A9"),
        ("/a\x01b", "/a%01b"),
        ('/a"<b>', "/a%22%3Cb%3E"),
    ],
)
async def test_what_is_sent_as_it_stands_on_the_wire(path: str, target: str) -> None:
    given = [("X-Key", "été\twords"), ("hOsT", "evil.test"), ("Content-Length", "3"), ("Content-Type", "a/b")]
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n") as (port, got):
        await send(Sent("PUT", f"http://localhost:{port}{path}", b"body", "a/json", given), loopback=True)
    head, _, body = got[0].partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    assert lines[0] == f"PUT {target} HTTP/1.1"
    assert body == b"body"
    assert sorted(lines[1:]) == sorted(
        [
            f"Host: localhost:{port}",
            "User-Agent: fhir-server",
            "Connection: close",
            "Content-Length: 4",
            "Content-Type: a/json",
            "X-Key: été\twords",
        ]
    )


async def test_who_is_slow_is_not_waited_for() -> None:
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while await reader.read(1_000):
            pass
        writer.close()
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    with pytest.raises(Failed, match="TimeoutError"):
        await send(Sent("POST", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", seconds=0.2), loopback=True)
    # The connection is closed all the same.
    await asyncio.wait_for(ended.wait(), 10)
    server.close()


def _certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / f"{name}.pem", folder / f"{name}.key"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private.write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    return public, private


@pytest.fixture
def trusting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder; certificates in `trusted.pem` are trusted, as those of the system are elsewhere."""
    (tmp_path / "trusted.pem").write_bytes(b"".join(_certificate(tmp_path, one)[0].read_bytes() for one in NAMES[:2]))
    _certificate(tmp_path, NAMES[2])
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "trusted.pem"))
    sending._trusted.cache_clear()
    yield tmp_path
    sending._trusted.cache_clear()


NAMES = ("localhost", "other.test", "stranger")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("localhost", ""),
        # Trusted, but another's; and the right name, of somebody nobody trusts.
        ("other.test", "It could not be reached: SSLCertVerificationError."),
        ("stranger", "It could not be reached: SSLCertVerificationError."),
    ],
)
async def test_to_whom_it_is_sent_is_proven_by_a_certificate(trusting: Path, name: str, said: str) -> None:
    secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secure.load_cert_chain(trusting / f"{name}.pem", trusting / f"{name}.key")
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n", secure) as (port, got):
        try:
            await send(Sent("POST", f"https://localhost:{port}/", b"secret"), loopback=True)
            found = ""
        except Failed as failed:
            found = str(failed)
    assert found == said
    assert bool(got) == (not said)
