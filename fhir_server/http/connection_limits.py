"""How many connections one client may have, and how long each may keep the server waiting.

RFC 9112 §9.4 (a server limits connections as it sees fit), §9.5 (it ends those that stand still), RFC 6585 §4. One look
a second at every connection of the worker costs less than a timer for each.
"""

from __future__ import annotations

import asyncio
import ipaddress
import resource
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from fhir_server.http.forwarded import Peers
from fhir_server.settings import Settings

#: Where a worker keeps its `Door` in the state of its lifespan, for the connections to find.
STATE = "door"
#: Bytes that clients have not taken yet, over all connections of a worker; beyond, the largest debtor is cut off.
MOST_OWED = 512_000_000
#: Bytes written after which it is looked how many are owed: within a second a worker can write more than its memory.
_OFTEN_BYTES = 32_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connection may do.

    Attributes:
        head_seconds: for the request line and headers to come, or the first byte of a new connection.
        body_seconds: for the whole body to come.
        write_seconds: in which a client takes at least `outlet.LEAST_TAKEN` bytes of an answer, or all of it.
        linger_seconds: for which the rest of a body is thrown away after an answer that ends the connection.
        per_address: connections of one network address; 0 for any number.
        in_all: connections of the worker.
    """

    head_seconds: float = 20.0
    body_seconds: float = 60.0
    write_seconds: float = 30.0
    linger_seconds: float = 5.0
    per_address: int = 256
    in_all: int = 4_000


class Guarded(Protocol):
    """A connection, as the door sees it."""

    @property
    def unused(self) -> bool:
        """Whether nothing is asked on it: ending it takes nothing from anybody."""

    @property
    def owed(self) -> int:
        """Bytes that its client has not taken yet."""

    def look(self, now: float) -> None:
        """End what has lasted too long; `now` is the event loop's time."""

    def end(self) -> None:
        """End it at once."""


class Door:
    """Every connection of a worker, by network address, oldest first.

    Attributes:
        count: how many there are.
    """

    def __init__(self, limits: Limits, peers: Peers | None = None) -> None:
        """Nobody is here yet; an address that `peers` trusts as a proxy speaks for many."""
        self.limits = limits
        self._peers = peers
        self._here: dict[str, dict[Guarded, None]] = {}
        self.count = 0
        self._full_until = 0.0
        self._written = 0
        self._next: asyncio.TimerHandle | None = None
        waits = (limits.head_seconds, limits.body_seconds, limits.write_seconds, limits.linger_seconds)
        self._interval = min(1.0, min(waits) / 4)

    def enter(self, connection: Guarded, address: str) -> bool:
        """Count a connection in; False when there is no room for it, even after ending one that is not used.

        Connections without a request make room for new ones, so that those who share an address are not shut out by
        each other's idle ones; an address at its limit makes room among its own alone.
        """
        key = place(address)
        own = self._here.setdefault(key, {})
        if 0 < self.limits.per_address <= len(own) and not self._is_proxy(address) and not self._freed(own):
            return False
        if self.count >= self.limits.in_all and not self._freed_anywhere():
            return False
        own = self._here.setdefault(key, {})
        own[connection] = None
        self.count += 1
        if self._next is None:
            self._next = asyncio.get_running_loop().call_later(self._interval, self._look)
        return True

    def leave(self, connection: Guarded, address: str) -> None:
        """Count it out; nothing happens when it is not here."""
        key = place(address)
        own = self._here.get(key, {})
        if connection in own:
            del own[connection]
            self.count -= 1
        if not own:
            self._here.pop(key, None)

    def wrote(self, size: int) -> None:
        """Count bytes of an answer; whoever owes most is ended when all together owe too much."""
        self._written += size
        if self._written >= _OFTEN_BYTES:
            self._relieve()

    @property
    def owed(self) -> int:
        """Bytes that all clients have not taken yet."""
        return sum(one.owed for one in self._each())

    def _relieve(self) -> None:
        self._written, left = 0, self.owed
        for one in sorted(self._each(), key=lambda one: -one.owed) if left > MOST_OWED else ():
            if left <= MOST_OWED:
                break
            left -= one.owed
            one.end()

    def _is_proxy(self, address: str) -> bool:
        return self._peers is not None and self._peers.is_proxy(address)

    def _freed(self, among: dict[Guarded, None]) -> bool:
        unused = next((one for one in among if one.unused), None)
        if unused is None:
            return False
        holder = next(own for own in self._here.values() if unused in own)
        del holder[unused]
        self.count -= 1
        unused.end()
        return True

    def _freed_anywhere(self) -> bool:
        now = asyncio.get_running_loop().time()
        if now < self._full_until:
            return False
        if self._freed(dict.fromkeys(self._each())):
            return True
        # A look at every connection for each one that knocks would be work that whoever knocks can make.
        self._full_until = now + self._interval
        return False

    def _each(self) -> Iterator[Guarded]:
        for own in self._here.values():
            yield from own

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in list(self._each()):
            connection.look(now)
        self._relieve()
        self._next = loop.call_later(self._interval, self._look) if self._here else None


def door(settings: Settings) -> Door:
    """The door of a worker with these settings."""
    peers = Peers(settings.trusted_proxies, settings.forwarded_header)
    limits = Limits(
        head_seconds=settings.head_seconds,
        body_seconds=settings.body_seconds,
        write_seconds=settings.write_seconds,
        per_address=settings.max_connections_per_address,
        in_all=min(settings.max_connections, _descriptors()),
    )
    return Door(limits, peers)


def _descriptors() -> int:
    """How many connections the system lets this process have beside its files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else max(16, soft - 200)


@lru_cache(maxsize=4096)
def place(address: str) -> str:
    """What one client holds: an IPv4 address, or the /64 of an IPv6 one, of which anybody has 2^64 (RFC 6177)."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return address
    return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))
