"""The chain of traces: each AuditEvent stored has a digest over its bytes and the digest of the one stored before it.

Whoever changes, removes, inserts or reorders what was stored breaks it from there on; whoever makes all of it anew, or
cuts off its end, cannot make a head that was written down elsewhere. An engine keeps the digests beside the versions,
in the order of commits: not in the resource, whose bytes are made before its place in that order is known.

A link is made with the digest of what is said, not with what is said: where a trace is erased (`Store.purge`) that
digest stays, and what stands before and after it goes on being vouched for.
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
class Erased:
    """What is left of a link whose trace was erased.

    Attributes:
        said: the digest of what it said (`said`); nothing can be told from it, since it covers the id, which is random.
        under: the id of the trace that tells of the erasing; "" where none was named.
    """

    said: bytes
    under: str


@dataclass(frozen=True, slots=True)
class Link:
    """One version in the chain.

    Attributes:
        place: rises in the order of commits.
        version: as it is stored, without its index; its id is "" where the store has lost whose version it is.
        digest: as it is stored; b"" where there is none.
        lost: whether reading and searching no longer come to it, though nothing stored later says so.
        erased: what is left where the trace was erased, and its version has neither id nor body; None elsewhere.
    """

    place: int
    version: Version
    digest: bytes
    lost: bool = False
    erased: Erased | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """Part of the chain: its start, and links that follow one another. Fewer than were asked for are the last."""

    start: Start
    links: tuple[Link, ...]


def begun(place: int, older: int) -> bytes:
    """The digest of a chain's start, before which so many of the type were stored without one."""
    return sha256(f"{older} {CHAINED} until {place}\n".encode()).digest()


def said(id: str, version: int, method: Method, body: bytes) -> bytes:
    """The digest of what a version says, `body` as it is stored."""
    return sha256(b"%b/%d %b\n%b" % (id.encode(), version, method.encode(), body)).digest()


def linked(previous: bytes, id: str, version: int, method: Method, body: bytes) -> bytes:
    """The digest of the version that follows a link or a start of the digest `previous`; `body` is as stored."""
    return joined(previous, said(id, version, method, body))


def joined(previous: bytes, said: bytes) -> bytes:
    """As `linked`, of a version of which only the digest of what it says is known."""
    return sha256(previous + said).digest()


def follows(link: Link, previous: bytes) -> bool:
    """Whether a link is what was stored after the one of that digest."""
    if link.erased is not None:
        return link.digest == joined(previous, link.erased.said)
    version = link.version
    return link.digest == linked(previous, version.id, version.version, version.method, version.body)
