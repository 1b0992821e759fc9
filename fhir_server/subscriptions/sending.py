"""Sends one notification to an address that a caller wrote down, without becoming their way into our network.

OWASP ASVS 12.6: https only, no private address, the address that was checked is the one connected to, no redirect.
What is answered is its status alone: the body is not read.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit

from fhir_server.smart.fetch import Refused, pinned

#: How long a receiver may take for one notification, in seconds, where its Subscription does not say.
SECONDS = 10.0


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
    import httpx

    try:
        async with asyncio.timeout(sent.seconds):
            status = await _answered(sent, loopback)
    except (Refused, httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
        # In the same words whatever its name leads to: what there is of the network here is not told.
        refused = "It has no address that notifications are sent to." if isinstance(error, Refused) else ""
        raise Failed(refused or f"It could not be reached: {type(error).__name__}.") from None
    if not 200 <= status < 300:
        raise Failed(f"It answered {status}.")


async def _answered(sent: Sent, loopback: bool) -> int:
    import httpx

    parts = urlsplit(sent.url)
    target = await pinned(sent.url, loopback)
    given = [(name, value) for name, value in sent.headers if name.lower() not in ("host", "content-type")]
    given += [("Host", parts.netloc), ("User-Agent", "fhir-server")]
    given += [("Content-Type", sent.media_type)] if sent.media_type else []
    async with (
        # One connection a notification: a pool would take one checked for another host of the same address.
        httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=sent.seconds, verify=_trusted()) as client,
        client.stream(
            sent.method,
            target,
            content=sent.body,
            headers=[(name.encode(), value.encode("latin-1")) for name, value in given],
            extensions={"sni_hostname": parts.hostname or ""},
        ) as answer,
    ):
        return answer.status_code


@cache
def _trusted() -> ssl.SSLContext:
    """Certificates that are trusted: read once, since that takes longer than sending."""
    import httpx

    return httpx.create_ssl_context()
