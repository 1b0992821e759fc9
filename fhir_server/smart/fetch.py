"""Fetches a document from an address that somebody else wrote down, without becoming their way into our network.

OWASP ASVS 12.6 (server-side request forgery), RFC 7591 §5: https only, no private address, the address that was
checked is the one connected to, no redirect, limits on size and time.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import httpx

LARGEST = 64 * 1024
SECONDS = 5.0


#: Names that are never on the public network: RFC 6761 §6, RFC 6762 §3, RFC 8375.
_INTERNAL = (".localhost", ".local", ".internal", ".home.arpa", ".invalid", ".test", ".onion", ".lan", ".corp")


#: IPv6 of the public network (RFC 4291 §2.4), what of it leads on to an IPv4 address of anybody's choice (6to4, RFC
#: 3056), and addresses by which a network translates to IPv4 (NAT64, RFC 6052 §2.1): judged as what they lead to.
_UNICAST = ipaddress.IPv6Network("2000::/3")
_SIX_TO_FOUR = (ipaddress.IPv6Network("2002::/16"), ipaddress.IPv4Network("192.88.99.0/24"))
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")


class Refused(Exception):
    """The address may not be fetched, or did not answer as it must; says which in words without the answer."""


class Unreachable(Refused):
    """It was not there, or failed itself: another time it may answer as it must."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an address answered.

    Attributes:
        status: of HTTP.
        media_type: without parameters.
        body: as it came.
        fresh: how long it may be kept, in seconds (RFC 9111 §5.2.2); None when it does not say.
    """

    status: int
    media_type: str
    body: bytes
    fresh: float | None = None


def public(url: str, loopback: bool = False) -> bool:
    """Whether `url` could be on the public network, as far as can be told without asking anyone.

    What is fetched is checked again, with the address its name then has (`fetch`).
    """
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
        plain = parts.port != 0 and not parts.fragment and parts.username is None
    except ValueError:
        return False
    if not host or not plain:
        return False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        own = host == "localhost"
        # A number, or a name without a dot, is an address in disguise or a machine of the network it is read in.
        outside = "." in host and not host.endswith(_INTERNAL) and not host.rpartition(".")[2].isdigit()
    else:
        own, outside = address.is_loopback, _is_outside(address)
    if own and loopback:
        return parts.scheme in ("http", "https")
    return parts.scheme == "https" and outside


def _is_outside(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address is one of the public network, whichever network this machine is in."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _TRANSLATED:
            return _is_outside(ipaddress.IPv4Address(address.packed[-4:]))
        if address not in _UNICAST:
            return False
    # What Python's registry says of these differs by its version.
    if any(address.version == one.version and address in one for one in _SIX_TO_FOUR):
        return False
    return address.is_global and not address.is_multicast


async def fetch(url: str, loopback: bool = False) -> Answer:
    """What is at `url`, with status 200.

    Args:
        url: https, on a public address.
        loopback: for development: http and https on this machine's own address are let through.

    Raises:
        Refused: see the class.
    """
    answer = await send(url, loopback=loopback)
    if answer.status != 200:
        raise Refused(f"It answered {answer.status}.")
    return answer


async def send(
    url: str,
    *,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    loopback: bool = False,
    within: httpx.AsyncBaseTransport | None = None,
) -> Answer:
    """What `url` answers to a GET, or to a POST of `content`.

    Args:
        url: https, on a public address.
        content: body of a POST.
        headers: besides Host and Accept.
        loopback: as for `fetch`.
        within: asked instead of the network: a part of this very process, whose address is then not looked up.

    Raises:
        Refused: see the class.
    """
    import httpx

    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.username or parts.fragment or not host:
        raise Refused("The address is not a plain URL.")
    target = url if within is not None else await pinned(url, loopback)
    given = {"Accept": "application/json", **(headers or {}), "Host": parts.netloc}
    try:
        async with (
            asyncio.timeout(SECONDS),
            httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=SECONDS, transport=within) as client,
            client.stream(
                "GET" if content is None else "POST",
                target,
                content=content,
                headers=given,
                extensions={"sni_hostname": host},
            ) as answer,
        ):
            body = b""
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > LARGEST:
                    raise Refused(f"It is longer than {LARGEST} bytes.")
            media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
            return Answer(answer.status_code, media_type, body, _fresh(answer.headers.get("cache-control", "")))
    except (httpx.HTTPError, TimeoutError) as error:
        raise Unreachable(f"It could not be fetched: {type(error).__name__}.") from None


def _fresh(said: str) -> float | None:
    directives = {name.strip().lower(): value for name, _, value in (one.partition("=") for one in said.split(","))}
    if {"no-store", "no-cache"} & directives.keys():
        return 0.0
    age = directives.get("max-age", "").strip().strip('"')
    return float(age) if age.isascii() and age.isdigit() and len(age) < 12 else None


async def pinned(url: str, loopback: bool = False) -> str:
    """`url` with the checked address in it: resolving again could give another one (DNS rebinding).

    Raises:
        Refused: the address may not be connected to, or the host has none (`Unreachable`).
    """
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        raise Refused("The address is not a plain URL.") from None
    address = await _checked(
        parts.hostname or "", port or (443 if parts.scheme == "https" else 80), parts.scheme, loopback
    )
    literal = f"[{address}]" if ":" in address else address
    return parts._replace(netloc=f"{literal}:{port}" if port else literal).geturl()


async def _checked(host: str, port: int, scheme: str, loopback: bool) -> str:
    """An address of `host` that may be connected to; all of them must be allowed."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise Unreachable("The host has no address.") from None
    addresses = [ipaddress.ip_address(entry[4][0]) for entry in found]
    own = bool(addresses) and all(one.is_loopback for one in addresses)
    if own and loopback and scheme in ("http", "https"):
        return str(addresses[0])
    if scheme != "https":
        raise Refused("Only https is fetched.")
    if not addresses or not all(_is_outside(one) for one in addresses):
        raise Refused("The host is not on the public network.")
    return str(addresses[0])
