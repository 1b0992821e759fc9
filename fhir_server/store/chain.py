"""The chain of traces: each AuditEvent stored has a digest over its bytes and the digest of the one stored before it.

Whoever changes, removes, inserts or reorders what was stored breaks it from there on; whoever makes all of it anew, or
cuts off its end, cannot make a head that was written down elsewhere. An engine keeps the digests beside the versions,
in the order of commits: not in the resource, whose bytes are made before its place in that order is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from fhir_server.store.protocol import Method, Version

#: The type whose versions are chained.
CHAINED = "AuditEvent"


@dataclass(frozen=True, slots=True)
class Start:
    """Where the chain begins.

    Attributes:
        place: no link stands at it or before.
        digest: what its first link is made with: `begun` of the place and of how many were older then.
        older: how many versions of the chained type stand there or before now; 0 in a stretch that does not begin here.
    """

    place: int
    digest: bytes
    older: int = 0


@dataclass(frozen=True, slots=True)
class Link:
    """One version in the chain.

    Attributes:
        place: rises in the order of commits.
        version: as it is stored, without its index; its id is "" where the store has lost whose version it is.
        digest: as it is stored; b"" where there is none.
        lost: whether reading and searching no longer come to it, though nothing stored later says so.
    """

    place: int
    version: Version
    digest: bytes
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Stretch:
    """Part of the chain: its start, and links that follow one another. Fewer than were asked for are the last."""

    start: Start
    links: tuple[Link, ...]


def begun(place: int, older: int) -> bytes:
    """The digest of a chain's start, before which so many of the type were stored without one."""
    return sha256(f"{older} {CHAINED} until {place}\n".encode()).digest()


def linked(previous: bytes, id: str, version: int, method: Method, body: bytes) -> bytes:
    """The digest of the version that follows a link or a start of the digest `previous`; `body` is as stored."""
    return sha256(b"%b%b/%d %b\n%b" % (previous, id.encode(), version, method.encode(), body)).digest()


def follows(link: Link, previous: bytes) -> bool:
    """Whether a link is what was stored after the one of that digest."""
    version = link.version
    return link.digest == linked(previous, version.id, version.version, version.method, version.body)
