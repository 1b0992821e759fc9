"""A job's place in the feed of what was committed: each change is taken once, whichever process goes on from there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import msgspec

from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.store.changes import Changed, Changes
from fhir_server.store.protocol import Drop, Keep, Position, Records

#: Kind of the records: key = name of the reader, value = the position it goes on from.
FEED = "feed"


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of some changes.

    Attributes:
        done: how much, as a job says it.
        kept: changes of records, none of them on a condition, which are made in the commit that moves the place.
    """

    done: int = 0
    kept: tuple[Keep | Drop, ...] = ()


#: `Store.changes`, or the `changes` of a service's surroundings.
Ask = Callable[[Position | None, Sequence[str]], Awaitable[Changes]]
#: Is given changes in the order of commits, and says what came of them.
Take = Callable[[Sequence[Changed]], Awaitable[Taken]]


class FeedReader:
    """Reads the feed for one purpose, from where any process left it; the first look is from now on.

    What is `Taken.kept` is done exactly once, also where two processes read at a time, or one dies: it is of one commit
    with the place. All else that taking does may be done twice then, and has to bear it: by a key that is told of once.
    """

    def __init__(self, records: Records, changes: Ask, name: str, types: Sequence[str]) -> None:
        """`name` is of the place in the records; `types` are those whose changes are read, all when empty."""
        self._records = records
        self._changes = changes
        self._name = name
        self._types = tuple(types)

    async def read(self, take: Take) -> int:
        """Have what changed since the last time taken, until there is no more; how much was done.

        Raises:
            FhirError: the store did not answer, or `take` failed: what was not taken is the next time.
        """
        done = 0
        while True:
            before = await self._records.get(FEED, self._name)
            news = await self._news(before)
            taken = await take(news.changed) if news.changed else Taken()
            after = msgspec.json.encode(news.position)
            if after == before:
                return done
            place = Keep(FEED, self._name, after, new=before is None, old=before)
            if not await self._records.apply([*taken.kept, place]):
                # Another process took the same, and goes on.
                return done
            done += taken.done
            if not news.changed:
                return done

    async def _news(self, kept: bytes | None) -> Changes:
        place: Position | None = None if kept is None else tuple(msgspec.json.decode(kept))
        try:
            return await self._changes(place, self._types)
        except InvalidParameter:
            # The store was put back: what it has was taken before.
            return await self._changes(None, self._types)
