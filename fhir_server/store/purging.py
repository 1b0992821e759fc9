"""What an engine promises about erasing: of what is purged nothing is left, neither in sight nor in a file.

Deleting (`protocol.Delete`) is a version like any other, and keeps what was there before. This is the other thing: what
the law has erased (CSP R1111-36, GDPR art. 17), in every version.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Purging(Protocol):
    """The part of `Store` that erases."""

    async def purge(self, keys: Sequence[tuple[str, str]], under: str = "") -> int:
        """Erase resources in all their versions, in one commit; says how many of them were there.

        It asks nothing and keeps nothing: bodies, indexes and texts, claims, content outside the rows, places in
        histories and in the feed are gone. Whoever reads meets resources that never existed; who comes with a version
        of one is `Stale`. An id that a client chose may be created again, as version 1: nothing is kept to know it by.
        Positions, instants and places stay as they were, and go on rising from where they stood: feeds, pages and
        walks that are under way miss nothing of others. Done twice it does nothing more.

        Of a trace its link stays (`chain.Erased`): place, number, instant, verb and digests.

        Args:
            keys: (type, id), some hundreds at most.
            under: of traces, the id of the one that tells of it, which is stored first.

        Raises:
            Unavailable, InsufficientStorage: as `transact`.
        """

    async def scour(self) -> bool:
        """A part of what it takes that nothing purged is left in any file, not only out of reach; True once done.

        Some tenths of a second at most, to be called until it is done: full-text indexes that only mark what is
        deleted, logs of what was written, free pages. Content that nothing names is the collector's.

        Raises:
            Unavailable, InsufficientStorage: as `transact`.
        """


class Sweeping(Protocol):
    """The part of `Records` that goes through all of them, for who looks for what names somebody."""

    async def sweep(self, after: tuple[str, str] | None, count: int) -> Sequence[tuple[str, str, bytes]]:
        """Records of whatever kind as (kind, key, value), in the engine's own order; fewer than `count` are the last.

        Args:
            after: kind and key of the last one that was met; None: from the first on. It need not be there any more.
            count: at most this many; what has expired may be among them.
        """
