"""Who called: the peer of the connection, or the client that a trusted proxy says it speaks for.

RFC 7239 §4, §5.2 and §8.1; https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/X-Forwarded-For. Each proxy
adds to the end what it saw, so the list is read from its end, as far as the proxies are trusted: whatever stands
before is the caller's own word, and worth nothing.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

#: Headers that a proxy adds: a request that carries one was not made by the peer itself.
FORWARDING = frozenset({"forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via"})
#: Hops that are looked at, from the last: no chain of proxies is as long.
MOST = 32
_FOR = re.compile(r'for="?([^";,]+)"?', re.I)
_PORT = re.compile(r"\[([^\]]+)\](?::\d+)?|([^:]+):\d+")


class Peers:
    """Finds the caller of a connection."""

    def __init__(self, trusted: Iterable[str], header: str) -> None:
        """`trusted`: addresses or networks of proxies; `header`: in which they say whom they speak for."""
        self._trusted = tuple(ipaddress.ip_network(one, strict=False) for one in trusted)
        self._header = header.lower()

    def seen(self, scope: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """The ASGI scope with its `client` as the trusted proxies tell it."""
        client = scope.get("client")
        if not self._trusted or not client or not self.is_proxy(client[0]):
            return scope
        name = self._header.encode()
        told = ",".join(value.decode("latin-1") for key, value in scope["headers"] if key == name)
        return {**scope, "client": (self._caller(client[0], told), 0)}

    def is_proxy(self, address: str) -> bool:
        """Whether it is a trusted proxy's."""
        found = _address(address)
        return found is not None and any(ipaddress.ip_address(found) in network for network in self._trusted)

    def _caller(self, peer: str, told: str) -> str:
        found = peer
        for hop in reversed(told.split(",")[-MOST:]):
            address = _address(self._said(hop))
            if address is None:
                # Nobody that can be named: the last proxy stands for whom it does not name.
                return found
            found = address
            if not self.is_proxy(address):
                return found
        return found

    def _said(self, hop: str) -> str:
        if self._header != "forwarded":
            return hop.strip()
        match = _FOR.search(hop)
        return match[1].strip() if match else ""


def _address(text: str) -> str | None:
    """The address in `text`, whose port and brackets are left out; None for anything else."""
    match = _PORT.fullmatch(text)
    bare = (match[1] or match[2]) if match else text
    try:
        found = ipaddress.ip_address(bare)
    except ValueError:
        return None
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)


def forwarded(headers: Mapping[str, str]) -> bool:
    """Whether a proxy stands between; `headers` by lower-case name."""
    return not FORWARDING.isdisjoint(headers)
