"""Whether the traces are those that were stored: the chain over them (`store.chain`) is made again and compared.

Found: what was changed, removed, inserted, put in another order or withdrawn from sight. What was cut off at the end,
or a chain that was made anew as a whole, is found by a head that was written down elsewhere (`Head`). What was
erased as the law has it is a link without its trace, which another trace tells of (`audit.erasures`).
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from fhir_server.audit.erasures import told
from fhir_server.store.chain import CHAINED, Link, Start, begun, follows
from fhir_server.store.engine import Engine

#: Links read at once: some megabytes.
_PART = 2_000
_HEAD = re.compile(r"\b([0-9]{1,18}):([0-9a-f]{64})\b")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Head:
    """A place in the chain and the digest that stood there: it vouches for all that was stored until then."""

    place: int
    digest: bytes

    def __str__(self) -> str:
        """As it is written down, and found again by `all_in`."""
        return f"{self.place}:{self.digest.hex()}"

    @staticmethod
    def all_in(text: str) -> tuple[Head, ...]:
        """The heads that a text says, such as lines of a log."""
        return tuple(Head(int(place), bytes.fromhex(digest)) for place, digest in _HEAD.findall(text))


@dataclass(slots=True)
class Verdict:
    """What was found.

    Attributes:
        broken: the first place at which the chain is not what was stored, in words; "" while it is whole.
        verified: how many links were seen to be whole.
        older: traces that are older than the chain, which nothing vouches for.
        rewritten: AuditEvents that were changed or deleted by the server, as "AuditEvent/1/_history/2"; what they were
            before is kept, and in the chain.
        head: the last whole link; the start when there is none.
        anchored: how many of the heads written down elsewhere were met.
        erased: how many links have lost their trace to an erasure that is told of.
    """

    broken: str = ""
    verified: int = 0
    older: int = 0
    rewritten: list[str] = field(default_factory=list)
    head: Head | None = None
    anchored: int = 0
    erased: int = 0


async def verify(
    engine: Engine, since: datetime | None = None, until: datetime | None = None, anchors: tuple[Head, ...] = ()
) -> Verdict:
    """Look through the chain up to its first broken place, in constant memory.

    Args:
        engine: whose chain.
        since: the link before this instant is taken as it stands, and all that follow are made again.
        until: no further than this instant.
        anchors: heads that were written down elsewhere; those within what is looked through must be met.
    """
    looking = _Looking(anchors)
    async for found in _parts(engine, since):
        if isinstance(found, Start):
            looking.begin(found, whole=since is None)
        elif until is not None and found.version.at > until.timestamp() * 1000:
            looking.ended = found.place
            break
        else:
            looking.look(found)
        if looking.verdict.broken:
            break
    looking.end()
    if not looking.verdict.broken:
        await _require_told(engine, looking)
    return looking.verdict


async def head(engine: Engine) -> Head:
    """Where the chain stands now."""
    stretch = await engine.store.chain(since=2**62)
    last = stretch.links[-1:]
    return Head(last[0].place, last[0].digest) if last else Head(stretch.start.place, stretch.start.digest)


async def tell_head(engine: Engine, _: datetime) -> int:
    """Write into the log where the chain stands: kept away from the store, it vouches for all until then."""
    _log.info("audit chain head %s", await head(engine))
    return 1


class _Looking:
    """One look through a chain."""

    def __init__(self, anchors: tuple[Head, ...]) -> None:
        self.verdict = Verdict()
        self.ended: int | None = None
        self._anchors = {one.place: one.digest for one in sorted(anchors, key=lambda one: one.place)}
        self._digest: bytes | None = None
        self._first = 0
        # Erased links by the trace they are under: how many, and the first of them in words.
        self.erased: dict[str, tuple[int, str]] = {}

    def begin(self, start: Start, whole: bool) -> None:
        """The chain is looked at from its start, or from its first link on, which then vouches for itself."""
        if whole:
            self._digest = start.digest
            self.verdict.older = start.older
            self.verdict.head = Head(start.place, start.digest)
            if start.digest != begun(start.place, start.older):
                self.verdict.broken = (
                    f"Before the chain begins: {start.older} traces are stored there, which is not how many there were."
                )
                return
        self._anchor(start.place, start.digest, "The start of the chain")

    def look(self, link: Link) -> None:
        """Judge the next link of the chain by the one before it."""
        name = f"{CHAINED}/{link.version.id or '?'}/_history/{link.version.version}"
        when = f"{_instant(link.version.at)}, place {link.place}"
        if self._digest is None:
            self._first = link.place
        elif not follows(link, self._digest):
            before = f" after {self.verdict.head.place}" if self.verdict.head else ""
            what = "it has no digest: it was inserted" if not link.digest else _CHANGED
            self.verdict.broken = f"{name} ({when}){before}: {what}."
            return
        if link.lost:
            self.verdict.broken = f"{name} ({when}): it is stored, and can no longer be found or read."
            return
        self._anchor(link.place, link.digest, f"{name} ({when})")
        if self.verdict.broken:
            return
        self._digest = link.digest
        self.verdict.head = Head(link.place, link.digest)
        self.verdict.verified += 1
        if link.erased is not None:
            count, first = self.erased.get(link.erased.under, (0, when))
            self.erased[link.erased.under] = (count + 1, first)
            self.verdict.erased += 1
        elif link.version.version > 1:
            self.verdict.rewritten.append(name)

    def end(self) -> None:
        """There are no more: heads that were not met are of what is gone."""
        if self.verdict.broken:
            return
        for place in self._anchors:
            if place >= self._first and (self.ended is None or place < self.ended):
                stands = self.verdict.head.place if self.verdict.head else 0
                self.verdict.broken = (
                    f"Place {place}: what stood there when its head was written down is gone; the chain stands at"
                    f" {stands}."
                )
                return

    def _anchor(self, place: int, digest: bytes, name: str) -> None:
        expected = self._anchors.pop(place, None)
        if expected is None:
            return
        if expected == digest:
            self.verdict.anchored += 1
        else:
            self.verdict.broken = (
                f"{name}: the chain up to here is another than when the head of place {place} was written down."
            )


async def _require_told(engine: Engine, looking: _Looking) -> None:
    """Each erasure is told of by a trace that stands in the chain, of no more links than there were."""
    for under, (count, first) in looking.erased.items():
        version = await engine.store.read(CHAINED, under) if under else None
        many = told(version.body) if version is not None and version.version == 1 else 0
        if count > many:
            what = f"{CHAINED}/{under} tells of {many}" if many else "nothing tells of it"
            looking.verdict.broken = f"{count} traces are erased, the first at {first}, and {what}: they were removed."
            return


_CHANGED = "it, or what was stored before it, was changed, removed or put in another order"


async def _parts(engine: Engine, since: datetime | None) -> AsyncIterator[Start | Link]:
    after: int | None = None
    from_ms = None if since is None else int(since.timestamp() * 1000)
    while True:
        stretch = await engine.store.chain(after, None if after is not None else from_ms, _PART)
        if after is None:
            yield stretch.start
        for link in stretch.links:
            yield link
        if len(stretch.links) < _PART:
            return
        after = stretch.links[-1].place


def _instant(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
