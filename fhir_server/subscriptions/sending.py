"""Sends one notification to an address that a caller wrote down, without becoming their way into our network.

OWASP ASVS 12.6: https only, no private address, the address that was checked is the one connected to, no redirect.
What is answered is its status alone: the body is not read.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from urllib.parse import SplitResult, quote, urlsplit

import httptools

from fhir_server.smart.fetch import Refused, pinned

#: How long a receiver may take for one notification, in seconds, where its Subscription does not say.
SECONDS = 10.0
#: The longest head of an answer, in bytes.
_LONGEST = 65_536
#: Characters of a URL that stay: delimiters, and what is escaped already (RFC 3986 §2.2).
_SAFE = "%/:?#[]@!$&'()*+,;=~"
#: Headers that are not the subscriber's to say.
_OWN = frozenset({"host", "content-type", "content-length", "connection", "user-agent"})


@dataclass(frozen=True, slots=True)
class Sent:
    """What is sent.

    Attributes:
        method, url: "POST" or "PUT", and where to.
        body, media_type: b"" and "" for none.
        headers: (name, value) of the subscriber's own.
        seconds: how long it may take.
    """

    method: str
    url: str
    body: bytes = b""
    media_type: str = ""
    headers: Sequence[tuple[str, str]] = ()
    seconds: float = SECONDS


class Failed(Exception):
    """It was not taken; says why in words without anything of what was answered."""


async def send(sent: Sent, loopback: bool = False) -> None:
    """Send, and return when it was taken (2xx).

    Args:
        sent: what is sent.
        loopback: for development: this machine's own address is let through, and http on it.

    Raises:
        Failed: the address may not be connected to, it was not there or too slow, or it answered otherwise.
    """
    try:
        async with asyncio.timeout(sent.seconds):
            status = await _answered(sent, loopback)
    except (Refused, httptools.HttpParserError, httptools.HttpParserUpgrade, ValueError, OSError) as error:
        # In the same words whatever its name leads to: what there is of the network here is not told.
        refused = "It has no address that notifications are sent to." if isinstance(error, Refused) else ""
        raise Failed(refused or f"It could not be reached: {type(error).__name__}.") from None
    if not 200 <= status < 300:
        raise Failed(f"It answered {status}.")


async def _answered(sent: Sent, loopback: bool) -> int:
    """The status: over a connection of its own, since another's would be to where another name led."""
    parts, target = urlsplit(sent.url), urlsplit(await pinned(sent.url, loopback))
    trusted = _trusted() if parts.scheme == "https" else None
    reader, writer = await asyncio.open_connection(
        target.hostname,
        target.port or (443 if trusted else 80),
        ssl=trusted,
        server_hostname=parts.hostname if trusted else None,
    )
    try:
        writer.write(_request(sent, parts))
        await writer.drain()
        return await _status(reader)
    finally:
        # Not waited for: what else is answered is of no interest.
        writer.close()


def _request(sent: Sent, parts: SplitResult) -> bytes:
    """RFC 9112 §3: what the URL has that is no ASCII is escaped, as RFC 3987 §3.1 has it."""
    host = (parts.hostname or "").encode("idna").decode()
    place = (f"[{host}]" if ":" in host else host) + (f":{parts.port}" if parts.port else "")
    target = quote(parts.path or "/", safe=_SAFE) + (f"?{quote(parts.query, safe=_SAFE)}" if parts.query else "")
    rows = [("Host", place), ("User-Agent", "fhir-server"), ("Connection", "close")]
    rows += [("Content-Length", str(len(sent.body)))]
    rows += [("Content-Type", sent.media_type)] if sent.media_type else []
    rows += [(name, value) for name, value in sent.headers if name.lower() not in _OWN]
    lines = [f"{sent.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in rows), "", ""]
    return "\r\n".join(lines).encode("latin-1") + sent.body


async def _status(reader: asyncio.StreamReader) -> int:
    """The status of the answer, behind others that come before it (1xx, RFC 9110 §15.2); the rest is not read."""
    head = _Head()
    parser, size = httptools.HttpResponseParser(head), 0
    head.code = parser.get_status_code
    while not head.status:
        data = await reader.read(_LONGEST)
        size += len(data)
        if not data or size > _LONGEST:
            raise ConnectionResetError
        try:
            parser.feed_data(data)
        except httptools.HttpParserError:
            # What follows the head may be anything.
            if not head.status:
                raise
    return head.status


class _Head:
    """What is kept of an answer while it is read."""

    def __init__(self) -> None:
        self.status = 0
        self.code: Callable[[], int] = int

    def on_headers_complete(self) -> None:
        if self.code() >= 200:
            self.status = self.code()


@cache
def _trusted() -> ssl.SSLContext:
    """Certificates that are trusted: read once, since that takes longer than sending."""
    import httpx

    return httpx.create_ssl_context()
